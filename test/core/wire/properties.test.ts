/** What must hold for all values and all octets: the codec loses nothing, and hostile octets are refused, never thrown at us. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRefused } from "../../../core/machine.ts";
import { describeFramedMessage, describeMessage } from "../../../core/wire/describe.ts";
import * as wire from "../../../core/wire/index.ts";
import { cases, forwardingHeader, messageContents, octets, securityBlock } from "./arbitraries.ts";
import { BODIES, type Rewrite, rewriteBody, VALUES } from "./bodies.ts";
import { hex, modelOf, NODE_ID_LENGTH, readVectors } from "./kit.ts";

const OPTIONS = { nodeIdLength: NODE_ID_LENGTH, modelOf };
const CASES = cases(modelOf);

describe("decode(encode(x)) = x", () => {
	test.each(CASES.map((entry) => [entry.name, entry] as const))("%s", (_name, entry) => {
		fc.assert(
			fc.property(entry.values, (value) => {
				expect(entry.read(wire.encode(entry.write, value))).toEqual(value);
			}),
		);
	});

	test("Message", () => {
		fc.assert(
			fc.property(forwardingHeader, messageContents, securityBlock, (header, contents, security) => {
				const contentsBytes = wire.encodeMessageContents(contents);
				const bytes = wire.writeMessage(header, contentsBytes, security);
				const message = wire.readMessage(bytes, NODE_ID_LENGTH);
				if (isRefused(message)) throw new Error(message.refused);
				expect(message.header).toEqual({ ...header, length: bytes.length });
				expect(message.contents).toEqual(contents);
				expect(message.security).toEqual(security);
				expect(message.contentsBytes).toEqual(contentsBytes);
				expect(message.identityBytes).toEqual(wire.encodeSignerIdentity(security.signature.identity));
			}),
		);
	});
});

/** What an attacker does to a sound encoding. */
const damage = fc.record({
	at: fc.nat(),
	xor: fc.integer({ min: 1, max: 255 }),
	cut: fc.option(fc.nat(), { nil: undefined }),
	appended: octets(8),
});

function damaged(bytes: Uint8Array, how: { at: number; xor: number; cut: number | undefined; appended: Uint8Array }) {
	const whole = wire.concatBytes(bytes, how.appended);
	if (whole.length === 0) return whole;
	whole[how.at % whole.length]! ^= how.xor;
	return how.cut === undefined ? whole : whole.subarray(0, how.cut % whole.length);
}

/** Refused with a reason and an offset inside the input, or read and written to the same octets. */
function holds(rewrite: Rewrite, bytes: Uint8Array): void {
	const result = rewrite(bytes, NODE_ID_LENGTH);
	if (result instanceof Uint8Array) {
		expect(wire.toHex(result)).toBe(wire.toHex(bytes));
		return;
	}
	expect(result.refused).not.toBe("");
	expect(result.at).toBeGreaterThanOrEqual(0);
	expect(result.at).toBeLessThanOrEqual(bytes.length);
}

describe("encode(decode(b)) = b, or b is refused", () => {
	test("bodies: any octets", () => {
		for (const [, rewrite] of BODIES) fc.assert(fc.property(octets(120), (bytes) => holds(rewrite, bytes)));
	});

	test("values of Kinds, options and extensions: any octets", () => {
		for (const [, rewrite] of VALUES) fc.assert(fc.property(octets(120), (bytes) => holds(rewrite, bytes)));
	});

	test("every structure: sound octets with damage, read as every structure", () => {
		const rewrites = [...BODIES, ...VALUES].map((entry) => entry[1]);
		for (const { values, write } of CASES) {
			const property = fc.property(values, damage, (value, how) => {
				const bytes = damaged(wire.encode(write, value), how);
				for (const rewrite of rewrites) holds(rewrite, bytes);
			});
			fc.assert(property, { numRuns: 25 });
		}
	});
});

/** Everything that looks at a message must take these octets without a throw, and all must agree. */
function survives(bytes: Uint8Array): void {
	const message = wire.readMessage(bytes, NODE_ID_LENGTH);
	if (!isRefused(message)) {
		const contents = wire.encodeMessageContents(message.contents);
		const header = { ...message.header };
		expect(wire.toHex(wire.writeMessage(header, contents, message.security))).toBe(wire.toHex(bytes));
		rewriteBody(message.contents.messageCode, message.contents.messageBody, NODE_ID_LENGTH);
	}
	const view = new wire.ForwardingView(NODE_ID_LENGTH);
	const isSound = view.look(bytes);
	const reader = new wire.WireReader(bytes);
	const header = wire.readForwardingHeader(reader, NODE_ID_LENGTH);
	expect(isSound).toBe(reader.failedAt < 0 && header.length === bytes.length);
	const description = describeMessage(bytes, OPTIONS);
	if (isRefused(message) && wire.isWhole(header.fragment)) expect(description.refused).toBeDefined();
	describeFramedMessage(bytes, OPTIONS);
}

describe("hostile messages", () => {
	const vectors = readVectors("message").map((vector) => hex(vector.hex));

	test("the first 300 octets of every vector inverted, one at a time", () => {
		for (const bytes of vectors) {
			for (let at = 0; at < Math.min(bytes.length, 300); at++) {
				const copy = bytes.slice();
				copy[at]! ^= 0xff;
				survives(copy);
			}
		}
	});

	test("the first 150 octets of every vector with one bit changed", () => {
		for (const bytes of vectors) {
			for (let at = 0; at < Math.min(bytes.length, 150); at++) {
				const copy = bytes.slice();
				copy[at]! ^= 1 << (at % 8);
				survives(copy);
			}
		}
	});

	test("every vector cut short at every octet", () => {
		for (const bytes of vectors) {
			for (let length = 0; length < bytes.length; length += length < 300 ? 1 : 13) {
				const message = wire.readMessage(bytes.subarray(0, length), NODE_ID_LENGTH);
				expect(isRefused(message)).toBe(true);
				// The same with the length corrected, so that the fault lies deeper.
				const copy = bytes.slice(0, length);
				if (length >= 20) new DataView(copy.buffer).setUint32(16, length);
				expect(isRefused(wire.readMessage(copy, NODE_ID_LENGTH))).toBe(true);
				survives(copy);
			}
		}
	});

	test("any octets behind a token", () => {
		fc.assert(fc.property(octets(200), (tail) => survives(wire.concatBytes(hex("d2454c4f"), tail))));
	});

	test("lengths of 2^32 - 1 everywhere claim nothing", () => {
		const bytes = hex(readVectors("message")[0]!.hex);
		for (let at = 0; at + 4 <= bytes.length; at++) {
			const copy = bytes.slice();
			copy.fill(0xff, at, at + 4);
			survives(copy);
		}
	});
});

test("the header a view writes is the one that decoding, changing and encoding gives", () => {
	const view = new wire.ForwardingView(NODE_ID_LENGTH);
	const hop = fc.option(octets(NODE_ID_LENGTH, NODE_ID_LENGTH), { nil: undefined });
	fc.assert(
		fc.property(forwardingHeader, octets(300), hop, fc.boolean(), (header, payload, previousHop, dropFirst) => {
			const bytes = encodeWithPayload(header, payload);
			expect(view.look(bytes)).toBe(true);
			const out = new Uint8Array(view.room(previousHop) + 10).fill(0x77);
			const written = view.forwardInto(out, 10, previousHop, dropFirst);
			if (header.ttl === 0 || (dropFirst && header.destinationList.length === 1)) {
				expect(written).toBe(0);
				return;
			}
			const expected = {
				...header,
				ttl: header.ttl - 1,
				viaList: previousHop === undefined ? header.viaList : [...header.viaList, wire.nodeDestination(previousHop)],
				destinationList: dropFirst ? header.destinationList.slice(1) : header.destinationList,
			};
			expect(wire.toHex(out.subarray(10, 10 + written))).toBe(wire.toHex(encodeWithPayload(expected, payload)));
			expect(out.subarray(0, 10)).toEqual(new Uint8Array(10).fill(0x77));
		}),
		{ numRuns: 500 },
	);
});

function encodeWithPayload(header: wire.ForwardingHeader, payload: Uint8Array): Uint8Array {
	const writer = new wire.WireWriter();
	wire.writeForwardingHeader(writer, header);
	writer.bytes(payload);
	writer.patch32(wire.LENGTH_OFFSET, writer.length);
	return writer.take();
}

test("fragments of any message come together again in any order", () => {
	const mtu = fc.integer({ min: 700, max: 1500 });
	fc.assert(
		fc.property(
			forwardingHeader,
			octets(9000, 2000),
			mtu,
			fc.infiniteStream(fc.nat()),
			(header, payload, size, picks) => {
				const bytes = encodeWithPayload(header, payload);
				const pieces = wire.fragmentMessage(bytes, size);
				if (pieces === undefined) return;
				const reassembler = new wire.Reassembler();
				const view = new wire.ForwardingView(NODE_ID_LENGTH);
				let result: unknown;
				while (pieces.length > 0) {
					expect(result).toBeUndefined();
					const [piece] = pieces.splice(picks.next().value! % pieces.length, 1);
					expect(piece!.length).toBeLessThanOrEqual(size - 32);
					expect(view.look(piece!)).toBe(true);
					result = reassembler.offer(view, 0);
				}
				expect(result).toEqual(bytes);
				expect(reassembler.held).toBe(0);
			},
		),
	);
});
