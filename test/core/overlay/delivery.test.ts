/** What a destination checks before it serves (RFC 6940 §6.2.2, §6.3.2.1, §6.3.2.3, §6.3.3, §6.3.4, §6.7). */
import { describe, expect, test } from "vitest";
import { ipAddressPort } from "../../../core/wire/address.ts";
import { EMPTY, equalBytes, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, ForwardingFlag, MessageCode, OverlayLinkType, RouteMode } from "../../../core/wire/codes.ts";
import { readConfigUpdateReq } from "../../../core/wire/config-update.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writeExtensiveRoutingModeOption } from "../../../core/wire/extensive-routing.ts";
import { writeFetchReq } from "../../../core/wire/fetch.ts";
import type { ForwardingOption } from "../../../core/wire/forwarding.ts";
import { fragmentMessage } from "../../../core/wire/fragment.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { encode } from "../../../core/wire/writer.ts";
import { good, SINGLE_KIND } from "./support/household.ts";
import { compose, WirePeer } from "./support/wire-peer.ts";
import { type Member, type MemberOptions, World, type WorldOptions } from "./support/world.ts";

const PING = { code: MessageCode.pingReq, body: encode(writePingReq, { padding: EMPTY }) };

function bench(
	options: WorldOptions = {},
	settings: MemberOptions = {},
): { world: World; a: Member; b: WirePeer; toA: ReturnType<typeof nodeDestination>[] } {
	const world = new World(options);
	const a = world.peer("a", settings);
	return { world, a, b: new WirePeer(world, a), toA: [nodeDestination(a.id)] };
}

describe("signatures", () => {
	test("a request whose signature does not hold is dropped without an answer", () => {
		const { a, b, toA } = bench();
		const bytes = b.send({ ...PING, to: toA });
		b.clear();
		for (const at of [bytes.length - 1, bytes.length - 80, 60]) {
			const forged = bytes.slice();
			forged[at]! ^= 1;
			b.raise(forged);
		}
		expect(b.raw.length).toBe(0);
		expect(a.count("droppedSignature") + a.count("droppedMessage")).toBe(3);
	});

	test("octets behind the security block, a body that ends early: dropped", () => {
		const { a, b, toA, world } = bench();
		const bytes = compose(world, b.identity, { ...PING, to: toA });
		const longer = new Uint8Array(bytes.length + 1);
		longer.set(bytes);
		longer[19] = longer.length & 255;
		longer[18] = longer.length >> 8;
		b.raise(longer);
		expect(a.count("droppedMessage")).toBe(1);
		b.send({ code: MessageCode.pingReq, body: EMPTY, to: toA });
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});
});

describe("a neighbour that makes us check signatures without end", () => {
	const limits = { signatureChecks: 20, signatureChecksPerS: 10, failedCheckCost: 5 };

	/** Octets under a signature that does not hold. */
	function forged(bytes: Uint8Array): Uint8Array {
		const copy = bytes.slice();
		copy[copy.length - 1]! ^= 1;
		return copy;
	}

	test("bad ones: dropped unchecked once its budget is spent, counted, told once a minute; it earns more with time", () => {
		const { world, a, b, toA } = bench({}, { options: { limits } });
		const bad = forged(b.send({ ...PING, to: toA }));
		b.clear();
		for (let i = 0; i < 100; i++) b.raise(bad);
		// 20 less the good one: four bad ones at five each, the last on credit.
		expect(a.count("droppedSignature")).toBe(4);
		expect(a.count("droppedCheckBudget")).toBe(96);
		expect(a.event("refused").filter(({ what }) => what === "flood")).toMatchObject([{ address: "10.9.9.9" }]);
		b.send({ ...PING, to: toA });
		expect(b.raw.length).toBe(0);
		world.advance(200);
		b.send({ ...PING, to: toA });
		expect(b.raw.length).toBe(1);
		world.advance(60_000);
		for (let i = 0; i < 10; i++) b.raise(bad);
		expect(a.event("refused").filter(({ what }) => what === "flood")).toHaveLength(2);
	});

	test("good ones: as many as the budget has, then as many as it earns", () => {
		const { world, a, b, toA } = bench({}, { options: { limits } });
		for (let i = 0; i < 30; i++) b.send({ ...PING, to: toA });
		expect(b.raw.length).toBe(20);
		for (let i = 0; i < 40; i++) {
			world.advance(100);
			b.send({ ...PING, to: toA });
		}
		expect(b.raw.length).toBe(60);
		expect(a.count("droppedCheckBudget")).toBe(10);
	});

	test("others are served, and what is only forwarded passes", () => {
		const { world, a, b, toA } = bench({}, { options: { limits } });
		const bad = forged(b.send({ ...PING, to: toA }));
		for (let i = 0; i < 100; i++) b.raise(bad);
		const c = new WirePeer(world, a);
		c.send({ ...PING, to: toA });
		expect(c.raw.length).toBe(1);
		b.clear();
		b.send({ ...PING, to: [nodeDestination(c.id)] });
		expect(c.raw.length).toBe(2);
	});

	test("answers that nobody awaits cost nothing; bad ones to a request of ours do", () => {
		const { a, b, toA, world } = bench({}, { options: { limits } });
		const stray = compose(world, b.identity, { code: MessageCode.pingAns, body: new Uint8Array(16), to: toA });
		for (let i = 0; i < 100; i++) b.raise(stray);
		expect([a.count("droppedUnknownTransaction"), a.count("droppedCheckBudget")]).toEqual([100, 0]);
		a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		const { transactionIdHigh: high, transactionIdLow: low } = b.last.header;
		const draft = { code: MessageCode.pingAns, body: new Uint8Array(16), to: toA, transaction: { high, low } };
		const bad = forged(compose(world, b.identity, draft));
		for (let i = 0; i < 10; i++) b.raise(bad);
		expect([a.count("droppedSignature"), a.count("droppedCheckBudget")]).toEqual([4, 6]);
	});
});

describe("configuration sequence", () => {
	test("an older one: Error_Config_Too_Old, and a ConfigUpdate that brings ours", () => {
		const { world, a, b, toA } = bench();
		b.send({ ...PING, to: toA, header: { configurationSequence: 21 } });
		const [refusal, update] = b.messages;
		expect(b.messages.length).toBe(2);
		expect(refusal!.contents.messageCode).toBe(MessageCode.error);
		expect(update!.contents.messageCode).toBe(MessageCode.configUpdateReq);
		expect(update!.header.configurationSequence).toBe(65535);
		const body = good(readConfigUpdateReq(update!.contents.messageBody));
		expect(body.type === 1 && equalBytes(body.configData, world.household.document)).toBe(true);
		expect(a.count("refusedConfigTooOld")).toBe(1);
		// At most one ConfigUpdate per node and five seconds (its own copies aside).
		b.send({ ...PING, to: toA, header: { configurationSequence: 21 } });
		expect(a.count("configUpdatesSent")).toBe(1);
	});

	test("a newer one: Error_Config_Too_New", () => {
		const { a, b, toA } = bench();
		b.send({ ...PING, to: toA, header: { configurationSequence: 23 } });
		expect(b.error).toBe(ErrorCode.configTooNew);
		expect(b.raw.length).toBe(1);
		expect(a.count("refusedConfigTooNew")).toBe(1);
	});

	test("modulo 65535: 0 is newer than 65534", () => {
		const { b, toA } = bench({ config: { sequence: 65534 } });
		b.send({ ...PING, to: toA, header: { configurationSequence: 0 } });
		expect(b.error).toBe(ErrorCode.configTooNew);
	});

	test("65535 is for ConfigUpdate alone", () => {
		const { b, toA } = bench();
		b.send({ ...PING, to: toA, header: { configurationSequence: 65535 } });
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});
});

describe("forwarding options", () => {
	const UNKNOWN = 200;
	const option = (flags: number, type = UNKNOWN, value: Uint8Array = EMPTY): ForwardingOption => ({
		type,
		flags,
		value,
	});

	test("unknown and DESTINATION_CRITICAL: Error_Unsupported_Forwarding_Option; not critical: served", () => {
		const { b, toA } = bench();
		b.send({ ...PING, to: toA, header: { options: [option(ForwardingFlag.destinationCritical)] } });
		expect(b.error).toBe(ErrorCode.unsupportedForwardingOption);
		b.send({ ...PING, to: toA, header: { options: [option(0), option(ForwardingFlag.forwardCritical)] } });
		expect(b.last.contents.messageCode).toBe(MessageCode.pingAns);
	});

	test("unknown and FORWARD_CRITICAL on the way: refused; only for requests", () => {
		const { world, a, b } = bench();
		const c = new WirePeer(world, a);
		const header = { options: [option(0), option(ForwardingFlag.forwardCritical)] };
		b.send({ ...PING, to: [nodeDestination(c.id)], header });
		expect(b.error).toBe(ErrorCode.unsupportedForwardingOption);
		expect(c.raw.length).toBe(0);
		expect(a.count("droppedOptionCritical")).toBe(1);
		b.send({ code: MessageCode.pingAns, to: [nodeDestination(c.id)], header });
		expect(c.raw.length).toBe(1);
		const destination = { options: [option(ForwardingFlag.destinationCritical)] };
		b.send({ ...PING, to: [nodeDestination(c.id)], header: destination });
		expect(c.last.header.options).toEqual(destination.options);
	});

	test("RESPONSE_COPY is copied into the answer, also into an error, its flags cleared", () => {
		const { b, toA } = bench();
		const copy = option(ForwardingFlag.responseCopy | ForwardingFlag.forwardCritical, UNKNOWN, utf8ToBytes("x"));
		b.send({ ...PING, to: toA, header: { options: [option(0), copy] } });
		expect(b.last.header.options).toEqual([{ type: UNKNOWN, flags: 0, value: utf8ToBytes("x") }]);
		b.send({ code: MessageCode.pingReq, to: toA, header: { options: [copy] } });
		expect(b.error).toBe(ErrorCode.invalidMessage);
		expect(b.last.header.options.length).toBe(1);
	});

	test("extensive routing mode: sound contents are served symmetrically, bad ones Error_Unknown_Extension", () => {
		const { world, a, b, toA } = bench();
		const value = (routeMode: number, count: number) =>
			encode(writeExtensiveRoutingModeOption, {
				routeMode,
				transport: OverlayLinkType.tlsTcpFhNoIce,
				ipAddressPort: ipAddressPort(new Uint8Array([192, 0, 2, 1]), 6084),
				destinations: Array.from({ length: count }, () => nodeDestination(world.household.crypto.random(16))),
			});
		const flags = ForwardingFlag.ignoreStateKeeping | ForwardingFlag.destinationCritical;
		const ask = (octets: Uint8Array) => {
			b.clear();
			b.send({ ...PING, to: toA, header: { options: [option(flags, 2, octets)] } });
			return b.error;
		};
		expect(ask(value(RouteMode.drr, 1))).toBeUndefined();
		expect(ask(value(RouteMode.rpr, 2))).toBeUndefined();
		expect(ask(value(RouteMode.drr, 2))).toBe(ErrorCode.unknownExtension);
		expect(ask(value(RouteMode.rpr, 1))).toBe(ErrorCode.unknownExtension);
		expect(ask(value(9, 1))).toBe(ErrorCode.unknownExtension);
		expect(ask(new Uint8Array([1]))).toBe(ErrorCode.unknownExtension);
		// On the way it needs nothing: no state is kept for anybody.
		const c = new WirePeer(world, a);
		const critical = option(ForwardingFlag.forwardCritical, 2, value(RouteMode.drr, 1));
		b.send({ ...PING, to: [nodeDestination(c.id)], header: { options: [critical] } });
		expect(c.raw.length).toBe(1);
	});

	test("more than the limit: Error_Invalid_Message", () => {
		const { b, toA } = bench();
		b.send({ ...PING, to: toA, header: { options: Array.from({ length: 17 }, () => option(0)) } });
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});
});

describe("extensions and methods", () => {
	test("a critical extension that is not understood: Error_Unknown_Extension; others are ignored", () => {
		const { b, toA } = bench();
		b.send({ ...PING, to: toA, extensions: [{ type: 77, critical: false, extensionContents: EMPTY }] });
		expect(b.error).toBeUndefined();
		b.send({ ...PING, to: toA, extensions: [{ type: 77, critical: true, extensionContents: EMPTY }] });
		expect(b.error).toBe(ErrorCode.unknownExtension);
	});

	test("an unknown method: Error_Invalid_Message", () => {
		const { a, b, toA } = bench();
		b.send({ code: MessageCode.expAReq, to: toA });
		expect(b.error).toBe(ErrorCode.invalidMessage);
		expect(a.count("refusedRequest")).toBe(1);
	});

	test("a hosted identity serves Ping and AppAttach only", () => {
		const { world, a, b, toA } = bench();
		const hosted = world.household.enroll();
		a.node.addIdentity(hosted);
		const to = [...toA, nodeDestination(hosted.nodeId)];
		b.send({ code: MessageCode.joinReq, to });
		expect(b.error).toBe(ErrorCode.notFound);
	});
});

describe("answers", () => {
	test("longer than max_response_length: Error_Response_Too_Large", () => {
		const { a, b, toA } = bench();
		b.send({ ...PING, to: toA });
		const { length } = b.raw[0]!;
		b.send({ ...PING, to: toA, header: { maxResponseLength: length } });
		expect(b.error).toBeUndefined();
		b.send({ ...PING, to: toA, header: { maxResponseLength: length - 1 } });
		expect(b.error).toBe(ErrorCode.responseTooLarge);
		expect(a.count("responseTooLarge")).toBe(1);
	});

	test("the answer carries the transaction id, our sequence, initial-ttl, no via list and no limit", () => {
		const { b, toA } = bench();
		b.send({ ...PING, to: toA, header: { maxResponseLength: 4000, ttl: 7 }, transaction: { high: 5, low: 6 } });
		expect(b.last.header).toMatchObject({
			transactionIdHigh: 5,
			transactionIdLow: 6,
			configurationSequence: 22,
			ttl: 100,
			maxResponseLength: 0,
			viaList: [],
			destinationList: [nodeDestination(b.id)],
		});
	});
});

describe("repeated requests", () => {
	const update = (to: ReturnType<typeof nodeDestination>[]) => ({
		code: MessageCode.updateReq,
		body: EMPTY,
		to,
		transaction: { high: 1, low: 2 },
	});

	test("within 15 s the same answer, and nothing is done twice", () => {
		const { world, a, b, toA } = bench();
		const seen = () => a.static.seen.filter((input) => input.type === "request").length;
		b.send(update(toA));
		b.send(update(toA));
		expect(seen()).toBe(1);
		expect(b.messages.length).toBe(2);
		expect(b.messages[0]!.contentsBytes).toEqual(b.messages[1]!.contentsBytes);
		expect(a.count("answersRepeated")).toBe(1);
		world.advance(14_999);
		b.send(update(toA));
		expect(seen()).toBe(1);
		world.advance(1);
		b.send(update(toA));
		expect(seen()).toBe(2);
	});

	test("the same transaction id of another signer is another request", () => {
		const { world, a, b, toA } = bench();
		b.send(update(toA));
		b.send({ ...update(toA), as: world.household.enroll() });
		expect(a.static.seen.filter((input) => input.type === "request").length).toBe(2);
	});

	test("a request that is still being processed is not processed again", () => {
		const { a, b, toA } = bench();
		a.static.push = () => {};
		b.send(update(toA));
		b.send(update(toA));
		expect(a.count("droppedDuplicateRequest")).toBe(1);
		expect(b.raw.length).toBe(0);
	});

	test("reading is simply done again", () => {
		const { a, b, toA } = bench();
		const body = encode(writeFetchReq, {
			resource: a.id,
			specifiers: [{ kind: SINGLE_KIND, generation: 0, model: "single" }],
		});
		for (let i = 0; i < 2; i++) b.send({ code: MessageCode.fetchReq, body, to: toA, transaction: { high: 3, low: 4 } });
		expect(b.messages.length).toBe(2);
		expect(a.node.answers.size).toBe(0);
	});

	test("at the limit the oldest answer is forgotten", () => {
		const { a, b, toA } = bench({}, { options: { limits: { keptAnswers: 2 } } });
		const send = (low: number) => b.send({ ...update(toA), transaction: { high: 0, low } });
		for (const low of [1, 2, 3]) send(low);
		expect(a.node.answers.size).toBe(2);
		send(3);
		expect(a.count("answersRepeated")).toBe(1);
		send(1);
		expect(a.count("answersRepeated")).toBe(1);
	});

	test("at the limit of octets the oldest answers are forgotten", () => {
		const { a, b, toA } = bench({}, { options: { limits: { keptAnswerOctets: 1500 } } });
		for (let low = 1; low <= 10; low++) b.send({ ...update(toA), transaction: { high: 0, low } });
		expect(a.node.answers.size).toBeLessThan(4);
		expect(a.node.answers.size).toBeGreaterThan(0);
	});
});

describe("fragments", () => {
	const long = (world: World, b: WirePeer, to: ReturnType<typeof nodeDestination>[]) =>
		compose(world, b.identity, {
			code: MessageCode.pingReq,
			body: encode(writePingReq, { padding: new Uint8Array(2000) }),
			to,
		});

	test("in any order and with doubles they make the message", () => {
		const { world, a, b, toA } = bench();
		const pieces = fragmentMessage(long(world, b, toA), 900)!;
		expect(pieces.length).toBeGreaterThan(2);
		for (const piece of [...pieces].reverse()) {
			b.raise(piece);
			if (piece !== pieces[0]) b.raise(piece);
		}
		expect(b.last.contents.messageCode).toBe(MessageCode.pingAns);
		expect(a.count("reassembled")).toBe(1);
	});

	test("pieces that contradict each other go", () => {
		const { world, a, b, toA } = bench();
		const pieces = fragmentMessage(long(world, b, toA), 900)!;
		b.raise(pieces[0]!);
		const forged = pieces[0]!.slice();
		forged[forged.length - 1]! ^= 1;
		b.raise(forged);
		expect(a.count("droppedFragmentConflict")).toBe(1);
		for (const piece of pieces.slice(1)) b.raise(piece);
		expect(b.raw.length).toBe(0);
	});

	test("what is not complete after 15 s goes", () => {
		const { world, a, b, toA } = bench();
		const pieces = fragmentMessage(long(world, b, toA), 900)!;
		b.raise(pieces[0]!);
		world.advance(15_000);
		expect(a.count("droppedReassemblyTimeout")).toBe(1);
		for (const piece of pieces.slice(1)) b.raise(piece);
		expect(b.messages.filter(({ contents }) => contents.messageCode === MessageCode.pingAns).length).toBe(0);
	});

	test("more messages at once than the limit, or a message above max-message-size: dropped", () => {
		const { world, a, b, toA } = bench({}, { options: { limits: { reassemblies: 1 } } });
		b.raise(fragmentMessage(long(world, b, toA), 900)![0]!);
		b.raise(fragmentMessage(long(world, b, toA), 900)![0]!);
		expect(a.count("droppedReassemblyFull")).toBe(1);
		const small = bench({ config: { maxMessageSize: 2000 } });
		for (const piece of fragmentMessage(long(small.world, small.b, small.toA), 900)!) small.b.raise(piece);
		expect(small.a.count("droppedTooLarge")).toBe(1);
		expect(small.b.raw.length).toBe(0);
	});

	test("a link whose path carries less gets fragments; the far end answers the whole", () => {
		const world = new World();
		const [a, b, c] = ["a", "b", "c"].map((name) => world.peer(name)) as [Member, Member, Member];
		const narrow = world.peer("narrow", { options: { pathLimit: 1200 } });
		world.link(a, narrow);
		world.link(narrow, c);
		world.link(b, c);
		world.ring.next = (from, id) => (equalBytes(from, a.id) ? narrow.id : id);
		const client = new WirePeer(world, a);
		client.raise(long(world, client, [nodeDestination(c.id)]));
		world.advance(50);
		expect(client.last.contents.messageCode).toBe(MessageCode.pingAns);
		expect(c.count("reassembled")).toBe(1);
		expect(narrow.count("fragmented")).toBe(1);
	});
});
