import { describe, expect, test } from "vitest";
import { EMPTY } from "../../../core/wire/bytes.ts";
import {
	type Destination,
	nodeDestination,
	opaqueDestination,
	resourceDestination,
} from "../../../core/wire/destination.ts";
import { type ForwardingHeaderFields, forwardingHeader } from "../../../core/wire/forwarding.ts";
import { ForwardingView } from "../../../core/wire/forwarding-view.ts";
import { readMessage, writeMessage } from "../../../core/wire/message.ts";
import { NO_SIGNATURE } from "../../../core/wire/security.ts";
import { ALICE, hex, NODE_A, NODE_B, NODE_C, NODE_ID_LENGTH } from "./kit.ts";

const CONTENTS = hex("0017 00000002 0000 00000000");

function message(destinationList: readonly Destination[], fields: Partial<ForwardingHeaderFields> = {}): Uint8Array {
	const header = forwardingHeader({
		overlay: 0x9aa32b8d,
		configurationSequence: 22,
		ttl: 100,
		transactionIdHigh: 0xfedcba98,
		transactionIdLow: 0x76543210,
		destinationList,
		...fields,
	});
	return writeMessage(header, CONTENTS, { certificates: [], signature: NO_SIGNATURE });
}

function looked(bytes: Uint8Array): ForwardingView {
	const view = new ForwardingView(NODE_ID_LENGTH);
	expect(view.look(bytes)).toBe(true);
	return view;
}

describe("a look", () => {
	test("shows the fixed fields", () => {
		const view = looked(message([nodeDestination(NODE_B)], { ttl: 7, maxResponseLength: 5000 }));
		expect(view).toMatchObject({
			overlay: 0x9aa32b8d,
			configurationSequence: 22,
			ttl: 7,
			fragment: 0xc0000000,
			transactionIdHigh: 0xfedcba98,
			transactionIdLow: 0x76543210,
			maxResponseLength: 5000,
			viaListLength: 0,
			destinationListLength: 18,
			optionsLength: 0,
			payloadOffset: 56,
			viaCount: 0,
			destinationCount: 1,
			isWhole: true,
			fragmentOffset: 0,
		});
	});

	test("shows the first destination of each form", () => {
		const node = looked(message([nodeDestination(NODE_B), nodeDestination(NODE_C)]));
		expect(node).toMatchObject({ firstType: 1, firstEntryLength: 18, firstLength: 16, destinationCount: 2 });
		expect(node.first()).toEqual(NODE_B);
		expect(node.firstIsNode(NODE_B)).toBe(true);
		expect(node.firstIsNode(NODE_C)).toBe(false);
		expect(node.firstIsWildcard()).toBe(false);
		const resource = looked(message([resourceDestination(ALICE)]));
		expect(resource).toMatchObject({ firstType: 2, firstEntryLength: 19, firstLength: 16 });
		expect(resource.first()).toEqual(ALICE);
		expect(resource.firstIsNode(ALICE)).toBe(false);
		const short = looked(message([opaqueDestination(hex("8abc")), nodeDestination(NODE_C)]));
		expect(short).toMatchObject({ firstType: 3, firstEntryLength: 2, firstLength: 2 });
		expect(short.first()).toEqual(hex("8abc"));
		const long = looked(message([opaqueDestination(hex("0102ff"))]));
		expect(long).toMatchObject({ firstType: 3, firstEntryLength: 6, firstLength: 3 });
		expect(long.first()).toEqual(hex("0102ff"));
		const other = looked(message([{ type: 0, code: 77, data: EMPTY }]));
		expect(other).toMatchObject({ firstType: 77, firstEntryLength: 2, firstLength: 0 });
	});

	test("knows the wildcard Node-ID", () => {
		const view = looked(message([nodeDestination(new Uint8Array(16).fill(0xff))]));
		expect(view.firstIsWildcard()).toBe(true);
		expect(looked(message([resourceDestination(new Uint8Array(16).fill(0xff))])).firstIsWildcard()).toBe(false);
	});

	test("notes an option that a forwarder must understand", () => {
		const value = hex("aa");
		const calm = message([nodeDestination(NODE_B)], { options: [{ type: 9, flags: 0x0e, value }] });
		const critical = message([nodeDestination(NODE_B)], {
			options: [
				{ type: 9, flags: 0, value },
				{ type: 10, flags: 1, value: EMPTY },
			],
		});
		const view = new ForwardingView(NODE_ID_LENGTH);
		expect([view.look(critical), view.hasForwardCritical]).toEqual([true, true]);
		expect([view.look(calm), view.hasForwardCritical]).toEqual([true, false]);
	});

	test("one view serves one message after another, good or bad", () => {
		const view = new ForwardingView(NODE_ID_LENGTH);
		const bad = message([nodeDestination(NODE_B)]);
		bad[0] = 0;
		expect(view.look(bad)).toBe(false);
		expect([view.failedAt, view.reason]).toEqual([0, "relo_token is not 0xd2454c4f: not a RELOAD message"]);
		expect(view.look(message([nodeDestination(NODE_C)]))).toBe(true);
		expect(view.failedAt).toBe(-1);
		expect(view.firstIsNode(NODE_C)).toBe(true);
	});

	test("works on octets in the middle of a larger buffer", () => {
		const bytes = message([nodeDestination(NODE_B)]);
		const stream = new Uint8Array(bytes.length + 20).fill(0xee);
		stream.set(bytes, 7);
		const view = looked(stream.subarray(7, 7 + bytes.length));
		expect(view.first()).toEqual(NODE_B);
		const out = new Uint8Array(400);
		const length = view.forwardInto(out, 0, NODE_A, false);
		const result = readMessage(out.subarray(0, length), NODE_ID_LENGTH);
		expect(result).toMatchObject({ header: { ttl: 99, viaList: [nodeDestination(NODE_A)] } });
	});
});

describe("forwarding", () => {
	test("a request: previous hop appended, ttl less one, the rest untouched", () => {
		const via = [nodeDestination(NODE_A), opaqueDestination(hex("8001"))];
		const bytes = message([nodeDestination(NODE_B)], { viaList: via });
		const view = looked(bytes);
		const out = new Uint8Array(view.room(NODE_C));
		const length = view.forwardInto(out, 0, NODE_C, false);
		expect(length).toBe(bytes.length + 18);
		const result = readMessage(out, NODE_ID_LENGTH);
		expect(result).toMatchObject({
			header: { ttl: 99, viaList: [...via, nodeDestination(NODE_C)], destinationList: [nodeDestination(NODE_B)] },
			contentsBytes: CONTENTS,
		});
	});

	test("an answer: own Node-ID dropped from the front, nothing appended", () => {
		const bytes = message([nodeDestination(NODE_A), nodeDestination(NODE_B)]);
		const view = looked(bytes);
		const out = new Uint8Array(bytes.length + 3);
		const length = view.forwardInto(out, 3, undefined, true);
		expect(length).toBe(bytes.length - 18);
		const result = readMessage(out.subarray(3, 3 + length), NODE_ID_LENGTH);
		expect(result).toMatchObject({ header: { ttl: 99, viaList: [], destinationList: [nodeDestination(NODE_B)] } });
	});

	test("refuses: ttl 0, an empty destination list, no room", () => {
		const out = new Uint8Array(500);
		expect(looked(message([nodeDestination(NODE_B)], { ttl: 0 })).forwardInto(out, 0, NODE_A, false)).toBe(0);
		const view = looked(message([nodeDestination(NODE_B)]));
		expect(view.forwardInto(out, 0, NODE_A, true)).toBe(0);
		const exact = view.room(NODE_A);
		expect(view.forwardInto(new Uint8Array(exact - 1), 0, NODE_A, false)).toBe(0);
		expect(view.forwardInto(new Uint8Array(exact), 1, NODE_A, false)).toBe(0);
		expect(view.forwardInto(new Uint8Array(exact), 0, NODE_A, false)).toBe(exact);
		expect(out).toEqual(new Uint8Array(500));
	});

	test("refuses a via list that would outgrow its length field", () => {
		const entry = { type: 0 as const, code: 50, data: new Uint8Array(252) };
		const bytes = message([nodeDestination(NODE_B)], { viaList: Array.from({ length: 258 }, () => entry) });
		const view = looked(bytes);
		expect(view.viaListLength).toBe(258 * 254);
		expect(view.forwardInto(new Uint8Array(70_000), 0, new Uint8Array(1), false)).toBeGreaterThan(0);
		expect(view.forwardInto(new Uint8Array(70_000), 0, new Uint8Array(2), false)).toBe(0);
	});

	test("a fragment is forwarded as any message", () => {
		const bytes = message([nodeDestination(NODE_B)]);
		new DataView(bytes.buffer, bytes.byteOffset).setUint32(12, 0x80000175);
		const view = looked(bytes);
		expect([view.isWhole, view.fragmentOffset]).toEqual([false, 0x175]);
		const out = new Uint8Array(500);
		const length = view.forwardInto(out, 0, NODE_A, false);
		expect(looked(out.subarray(0, length)).fragment).toBe(0x80000175);
	});
});

test("forwarding allocates nothing", () => {
	const bytes = message([nodeDestination(NODE_A), nodeDestination(NODE_B)], { viaList: [nodeDestination(NODE_C)] });
	const view = new ForwardingView(NODE_ID_LENGTH);
	const out = new Uint8Array(500);
	const forward = (times: number) => {
		for (let i = 0; i < times; i++) if (view.look(bytes)) view.forwardInto(out, 0, NODE_A, i % 2 === 0);
	};
	forward(20_000);
	let least = Infinity;
	for (let run = 0; run < 5; run++) {
		const before = process.memoryUsage().heapUsed;
		forward(10_000);
		least = Math.min(least, process.memoryUsage().heapUsed - before);
	}
	// One object of 40 octets per message would be 400,000.
	expect(least).toBeLessThan(100_000);
});
