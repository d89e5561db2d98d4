/** RFC 6940 §6.7: cutting and putting together, and the limits of the latter. */
import { describe, expect, test } from "vitest";
import { isRefused } from "../../../core/machine.ts";
import * as wire from "../../../core/wire/index.ts";
import { REASSEMBLY_MESSAGES, REASSEMBLY_MS } from "../../../core/wire/limits.ts";
import { NODE_B, NODE_ID_LENGTH } from "./kit.ts";

/** A message whose payload (what follows the header of 56 octets) has this many octets. */
function message(payloadOctets: number, id = 1): Uint8Array {
	const header = wire.forwardingHeader({
		overlay: 1,
		configurationSequence: 1,
		ttl: 9,
		transactionIdHigh: id,
		transactionIdLow: 2,
		destinationList: [wire.nodeDestination(NODE_B)],
	});
	const writer = new wire.WireWriter();
	wire.writeForwardingHeader(writer, header);
	const payload = new Uint8Array(payloadOctets);
	for (let i = 0; i < Math.min(payloadOctets, 10_000); i++) payload[i] = i * 7;
	writer.bytes(payload);
	writer.patch32(wire.LENGTH_OFFSET, writer.length);
	return writer.take();
}

function fieldsOf(pieces: readonly Uint8Array[]): number[] {
	return pieces.map((piece) => new DataView(piece.buffer, piece.byteOffset).getUint32(12));
}

function look(bytes: Uint8Array): wire.ForwardingView {
	const view = new wire.ForwardingView(NODE_ID_LENGTH);
	expect(view.look(bytes)).toBe(true);
	return view;
}

describe("cutting", () => {
	test("the example of 1117 octets in three pieces", () => {
		const pieces = wire.fragmentMessage(message(1117), 56 + 373 + 32)!;
		expect(fieldsOf(pieces)).toEqual([0x80000000, 0x80000175, 0xc00002ea]);
		expect(pieces.map((piece) => piece.length - 56)).toEqual([373, 373, 371]);
	});

	test("what fits is left alone, to the octet", () => {
		const bytes = message(1000);
		expect(wire.fragmentMessage(bytes, bytes.length)).toEqual([bytes]);
		expect(wire.fragmentMessage(bytes, bytes.length - 1)!.length).toBe(2);
	});

	test("no fragment carries less than 256 octets: rather none are made", () => {
		expect(wire.fragmentMessage(message(1000), 56 + 32 + 255)).toBeUndefined();
		expect(wire.fragmentMessage(message(1024), 56 + 32 + 256)!.map((piece) => piece.length)).toEqual([
			312, 312, 312, 312,
		]);
		expect(wire.fragmentMessage(message(1025), 56 + 32 + 256)).toBeUndefined();
		expect(wire.fragmentMessage(message(500), 400)).toBeUndefined();
	});

	test("an offset that needs more than 24 bits cannot be written", () => {
		expect(wire.fragmentMessage(message(0x1000000), 60_000)).toBeUndefined();
		expect(wire.fragmentMessage(message(0xffffff), 60_000)).not.toBeUndefined();
	});

	test("fragments are cut again on a narrower link", () => {
		const bytes = message(4000);
		const wide = wire.fragmentMessage(bytes, 1500)!;
		const narrow = wide.flatMap((piece) => wire.fragmentMessage(piece, 700)!);
		expect(narrow.length).toBeGreaterThan(wide.length);
		expect(fieldsOf(narrow).filter((field) => field >= 0xc0000000).length).toBe(1);
		const reassembler = new wire.Reassembler();
		const results = narrow.reverse().map((piece) => reassembler.offer(look(piece), 0));
		expect(results.pop()).toEqual(bytes);
		expect(results.every((result) => result === undefined)).toBe(true);
	});
});

describe("putting together", () => {
	const bytes = message(1200);
	const pieces = wire.fragmentMessage(bytes, 500)!;

	test("a message that was never cut comes back as it is", () => {
		const reassembler = new wire.Reassembler();
		expect(reassembler.offer(look(bytes), 0)).toBe(bytes);
		expect(reassembler.waiting).toBe(0);
	});

	test("duplicates and overlap with equal octets do no harm", () => {
		const reassembler = new wire.Reassembler();
		const other = wire.fragmentMessage(bytes, 800)!;
		for (const piece of [pieces[1]!, pieces[1]!, other[1]!, other[1]!]) {
			expect(reassembler.offer(look(piece), 0)).toBeUndefined();
		}
		expect(reassembler.offer(look(pieces[0]!), 0)).toEqual(bytes);
		expect([reassembler.waiting, reassembler.held]).toEqual([0, 0]);
	});

	test("a piece that fills several gaps at once", () => {
		const reassembler = new wire.Reassembler();
		expect(pieces.length).toBe(3);
		reassembler.offer(look(pieces[1]!), 0);
		const all = bytes.slice();
		new DataView(all.buffer).setUint32(12, 0x80000000);
		const first = all.slice(0, all.length - 50);
		new DataView(first.buffer).setUint32(16, first.length);
		expect(reassembler.offer(look(first), 0)).toBeUndefined();
		expect(reassembler.offer(look(pieces[2]!), 0)).toEqual(bytes);
	});

	test("differing overlap drops all pieces", () => {
		const reassembler = new wire.Reassembler();
		reassembler.offer(look(pieces[0]!), 0);
		const forged = pieces[0]!.slice();
		forged[forged.length - 1]! ^= 1;
		const result = reassembler.offer(look(forged), 0);
		expect(result).toEqual({ refused: "fragments overlap and differ", at: 12 });
		expect([reassembler.waiting, reassembler.held]).toEqual([0, 0]);
	});

	test("two ends, or octets beyond the end, drop all pieces", () => {
		const last = pieces.at(-1)!;
		const shorter = last.slice(0, last.length - 1);
		new DataView(shorter.buffer).setUint32(16, shorter.length);
		const disagree = new wire.Reassembler();
		disagree.offer(look(last), 0);
		expect(disagree.offer(look(shorter), 0)).toMatchObject({ refused: "fragments disagree about the length" });
		const late = last.slice();
		new DataView(late.buffer).setUint32(12, 0x80000000 + 5000);
		for (const order of [
			[last, late],
			[late, last],
		]) {
			const reassembler = new wire.Reassembler();
			expect(reassembler.offer(look(order[0]!), 0)).toBeUndefined();
			expect(reassembler.offer(look(order[1]!), 0)).toMatchObject({ refused: "fragment beyond the last one" });
			expect(reassembler.held).toBe(0);
		}
	});

	test("a fragment without payload is refused", () => {
		const empty = pieces[0]!.slice(0, 56);
		new DataView(empty.buffer).setUint32(16, 56);
		expect(new wire.Reassembler().offer(look(empty), 0)).toMatchObject({ refused: "fragment without payload" });
	});

	test("15 s after the first fragment the message is thrown away, not a millisecond before", () => {
		const reassembler = new wire.Reassembler();
		expect(reassembler.deadline()).toBe(Infinity);
		reassembler.offer(look(pieces[0]!), 1000);
		reassembler.offer(look(pieces[1]!), 9000);
		expect(reassembler.deadline()).toBe(1000 + REASSEMBLY_MS);
		expect(reassembler.expire(15_999)).toBe(0);
		expect(reassembler.expire(16_000)).toBe(1);
		expect([reassembler.waiting, reassembler.held]).toEqual([0, 0]);
		expect(reassembler.offer(look(pieces[2]!), 16_001)).toBeUndefined();
	});

	test("the table of messages is full: another one is refused, those in it are not disturbed", () => {
		const reassembler = new wire.Reassembler();
		const first = (id: number) => wire.fragmentMessage(message(1200, id), 500)!;
		for (let id = 0; id < REASSEMBLY_MESSAGES; id++) expect(reassembler.offer(look(first(id)[0]!), 0)).toBeUndefined();
		const another = reassembler.offer(look(first(99)[0]!), 0);
		expect(another).toEqual({ refused: "no room for another message under reassembly", at: 12 });
		reassembler.offer(look(first(5)[1]!), 0);
		expect(reassembler.offer(look(first(5)[2]!), 0)).toEqual(message(1200, 5));
		expect(reassembler.offer(look(first(99)[0]!), 0)).toBeUndefined();
	});

	test("the octets are used up: the message that does not fit is dropped", () => {
		const reassembler = new wire.Reassembler({ octets: 56 + 400 + 56 + 300 });
		expect(reassembler.offer(look(pieces[0]!), 0)).toBeUndefined();
		const other = wire.fragmentMessage(message(1200, 7), 500)!;
		expect(reassembler.offer(look(other[0]!), 0)).toMatchObject({ refused: "no room for fragments" });
		expect([reassembler.waiting, reassembler.held]).toEqual([1, 56 + 400]);
		const tight = new wire.Reassembler({ octets: 55 });
		const refused = tight.offer(look(pieces[0]!), 0);
		expect(refused).toMatchObject({ refused: "no room for another message under reassembly" });
		expect(tight.held).toBe(0);
	});

	test("too many pieces, or too long a message, drop it", () => {
		const few = new wire.Reassembler({ pieces: 2 });
		const order = [pieces[0]!, pieces[2]!, pieces[1]!];
		expect(order.map((piece) => few.offer(look(piece), 0)).at(-1)).toMatchObject({ refused: "no room for fragments" });
		expect(few.held).toBe(0);
		const small = new wire.Reassembler({ messageOctets: 1000 });
		expect(small.offer(look(pieces[0]!), 0)).toBeUndefined();
		expect(small.offer(look(pieces[2]!), 0)).toMatchObject({ refused: "reassembled message too large" });
		expect(small.held).toBe(0);
	});

	test("thousands of hostile fragments hold no more than the limits", () => {
		const reassembler = new wire.Reassembler({ octets: 20_000 });
		for (let i = 0; i < 5000; i++) {
			const piece = pieces[i % 3]!.slice();
			const head = new DataView(piece.buffer);
			head.setUint32(12, (i % 7 === 0 ? 0xc0000000 : 0x80000000) + ((i * 7919) % 0xffffff));
			head.setUint32(20, i % 50);
			const result = reassembler.offer(look(piece), i);
			expect(result === undefined || isRefused(result) || result instanceof Uint8Array).toBe(true);
			expect(reassembler.held).toBeLessThanOrEqual(20_000);
			expect(reassembler.waiting).toBeLessThanOrEqual(REASSEMBLY_MESSAGES);
		}
	});
});
