/** Requests of ours: reliability end to end and the checks of answers (RFC 6940 §6.2, §6.3.4). */
import { describe, expect, test } from "vitest";
import { HOUSE_PROFILE } from "../../../core/overlay/profile.ts";
import { EMPTY, equalBytes, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { type Destination, nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { errorResponse, writeErrorResponse } from "../../../core/wire/error.ts";
import type { Message } from "../../../core/wire/message.ts";
import { writePingAns } from "../../../core/wire/ping.ts";
import { encode } from "../../../core/wire/writer.ts";
import { type Draft, WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const PONG = encode(writePingAns, { responseIdHigh: 1, responseIdLow: 2, time: 3 });

function bench(): { world: World; a: Member; b: WirePeer } {
	const world = new World();
	const a = world.peer("a");
	return { world, a, b: new WirePeer(world, a) };
}

/** The answer to a request as `b` would make it. */
function answer(request: Message, a: Member, change: Partial<Draft> = {}): Draft {
	const { transactionIdHigh: high, transactionIdLow: low } = request.header;
	const to = [nodeDestination(a.id)];
	return { code: MessageCode.pingAns, body: PONG, to, transaction: { high, low }, ...change };
}

describe("end-to-end reliability", () => {
	test("a Ping to a neighbour is answered and signed by it", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		const result = a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
		expect(result.from.nodeId).toEqual(b.id);
		expect(result.rttMs).toBe(2 * world.latencyMs);
		expect(result.hops).toBe(1);
		expect(result.body.ping.time).toBe(1_772_366_400_000 + world.now - world.latencyMs);
	});

	test("real P-256 signatures hold, too", () => {
		const world = new World({ real: true });
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
	});

	test("five transmissions of the same octets, one reliability time apart, then Error_Request_Timeout", () => {
		const { world, a, b } = bench();
		const start = world.now;
		const token = a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		for (let i = 1; i <= 5; i++) {
			expect(b.raw.length).toBe(i);
			world.advance(999);
			expect(b.raw.length).toBe(i);
			expect(a.results.has(token)).toBe(false);
			world.advance(1);
		}
		expect(world.now).toBe(start + 5_000);
		expect(a.results.get(token)).toMatchObject({ ok: false, errorCode: ErrorCode.requestTimeout });
		for (const bytes of b.raw) expect(equalBytes(bytes, b.raw[0]!)).toBe(true);
		expect(a.count("retransmitted")).toBe(4);
	});

	test("an answer to the fourth copy counts", () => {
		const { world, a, b } = bench();
		const token = a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		world.advance(3_500);
		b.send(answer(b.last, a));
		expect(a.results.get(token)).toMatchObject({ ok: true, rttMs: 3_500 });
	});

	test("what left by a link that is gone goes another way at once", () => {
		const world = new World();
		const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => world.peer(name)) as [Member, Member, Member, Member];
		world.link(a, b);
		const way = world.link(a, c);
		world.chain(b, d);
		world.chain(c, d);
		let next = c.id;
		world.ring.next = (from, id) => (equalBytes(from, a.id) ? next : id);
		world.unplug(c);
		const token = a.do((node, now) => node.ping([nodeDestination(d.id)], now));
		world.advance(100);
		next = b.id;
		a.input({ type: "linkDown", link: way.a, reason: "reset" });
		world.advance(50);
		expect(a.results.get(token)).toMatchObject({ ok: true, rttMs: 120 });
	});

	test("also when it was the last transmission: what is lost with its link does not count", () => {
		const world = new World({ profile: { ...HOUSE_PROFILE, linkSuspectMs: 60_000, linkDeadMs: 60_000 } });
		const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => world.peer(name)) as [Member, Member, Member, Member];
		world.link(a, b);
		const way = world.link(a, c);
		world.chain(b, d);
		world.chain(c, d);
		let next = c.id;
		world.ring.next = (from, id) => (equalBytes(from, a.id) ? next : id);
		world.unplug(c);
		const token = a.do((node, now) => node.ping([nodeDestination(d.id)], now));
		const { overlayReliabilityMs, transmissions } = HOUSE_PROFILE;
		world.advance(overlayReliabilityMs * transmissions - 100);
		expect(a.count("retransmitted")).toBe(transmissions - 1);
		next = b.id;
		a.input({ type: "linkDown", link: way.a, reason: "reset" });
		world.advance(50);
		expect(a.results.get(token)).toMatchObject({ ok: true });
	});

	test("no way at all: nothing is sent, the request fails in its time", () => {
		const world = new World();
		const a = world.peer("a");
		expect(a.error((node, now) => node.ping([nodeDestination(world.household.crypto.random(16))], now))).toBe(
			ErrorCode.requestTimeout,
		);
	});

	test("the table of requests is full: told at once, nothing is queued", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { pendingRequests: 3 } } });
		const b = new WirePeer(world, a);
		const tokens = [1, 2, 3, 4].map(() => a.do((node, now) => node.ping([nodeDestination(b.id)], now)));
		expect(tokens.map((token) => a.results.get(token)?.ok)).toEqual([undefined, undefined, undefined, false]);
		expect(a.results.get(tokens[3]!)).toMatchObject({ errorCode: ErrorCode.requestTimeout, info: "too many requests" });
		expect(a.count("droppedPendingFull")).toBe(1);
		expect(b.raw.length).toBe(3);
	});
});

describe("whose answer counts", () => {
	function asked(to?: readonly Destination[]): { world: World; a: Member; b: WirePeer; token: number } {
		const { world, a, b } = bench();
		const token = a.do((node, now) => node.ping(to ?? [nodeDestination(b.id)], now));
		return { world, a, b, token };
	}

	test("one signed by another than the node asked is as good as none", () => {
		const { world, a, b, token } = asked();
		b.send(answer(b.last, a, { as: world.household.enroll() }));
		expect(a.results.has(token)).toBe(false);
		expect(a.count("droppedWrongSigner")).toBe(1);
		b.send(answer(b.messages[0]!, a));
		expect(a.results.get(token)).toMatchObject({ ok: true });
	});

	test("one whose signature does not hold is as good as none", () => {
		const { a, b, token } = asked();
		const other = new World({ seed: 77 });
		b.send(answer(b.last, a, { as: other.household.enroll() }));
		expect(a.count("droppedSignature")).toBe(1);
		expect(a.results.has(token)).toBe(false);
	});

	test("a certificate of an expired or revoked signer is refused", () => {
		const { world, a, b, token } = asked();
		const late = world.household.enroll({ nodeId: b.id, notAfterMs: 1_772_366_400_000 - 1 });
		b.send(answer(b.last, a, { as: late }));
		expect(a.results.has(token)).toBe(false);
		expect(a.count("droppedSignature")).toBe(1);
	});

	test("an answer of another method, or to nobody's request, is dropped", () => {
		const { a, b, token } = asked();
		b.send(answer(b.last, a, { code: MessageCode.fetchAns }));
		expect(a.count("droppedWrongSigner")).toBe(1);
		b.send({ code: MessageCode.pingAns, body: PONG, to: [nodeDestination(a.id)] });
		expect(a.count("droppedUnknownTransaction")).toBe(1);
		expect(a.results.has(token)).toBe(false);
	});

	test("an answer that cannot be read ends the request with Error_Invalid_Message", () => {
		const { a, b, token } = asked();
		b.send(answer(b.last, a, { body: EMPTY }));
		expect(a.results.get(token)).toMatchObject({ ok: false, errorCode: ErrorCode.invalidMessage });
	});

	test("for a Resource-ID the signer must be at least as close as the nodes we know", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		const c = new WirePeer(world, a, b.identity);
		const resource = b.id.slice();
		const token = a.do((node, now) => node.ping([resourceDestination(resource)], now));
		c.send(answer(c.last, a, { as: world.household.enroll() }));
		expect(a.results.has(token)).toBe(false);
		expect(a.count("droppedWrongSigner")).toBe(1);
		c.send(answer(c.last, a));
		expect(a.results.get(token)).toMatchObject({ ok: true });
	});

	test("anybody may answer for the wildcard", () => {
		const { world, a, b, token } = asked([nodeDestination(new Uint8Array(16).fill(0xff))]);
		b.send(answer(b.last, a, { as: world.household.enroll() }));
		expect(a.results.get(token)).toMatchObject({ ok: true });
	});
});

describe("errors", () => {
	const refusal = (code: number) => ({
		code: MessageCode.error,
		body: encode(writeErrorResponse, errorResponse(code, "why")),
	});

	test("of the node asked: the request ends with its code and text", () => {
		const { a, b } = bench();
		const token = a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		b.send(answer(b.last, a, refusal(ErrorCode.forbidden)));
		expect(a.results.get(token)).toEqual({
			ok: false,
			errorCode: ErrorCode.forbidden,
			info: "why",
			infoBytes: utf8ToBytes("why"),
		});
	});

	test("of somebody else: goes on being tried; told when nothing better comes", () => {
		const { world, a, b } = bench();
		const token = a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		b.send(answer(b.last, a, { ...refusal(ErrorCode.ttlExceeded), as: world.household.enroll() }));
		expect(a.results.has(token)).toBe(false);
		world.advance(5_000);
		expect(a.results.get(token)).toMatchObject({ ok: false, errorCode: ErrorCode.ttlExceeded });
	});

	test("one that cannot be read is dropped", () => {
		const { a, b } = bench();
		const token = a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		b.send(answer(b.last, a, { code: MessageCode.error, body: EMPTY }));
		expect(a.results.has(token)).toBe(false);
		expect(a.count("droppedMessage")).toBe(1);
	});
});
