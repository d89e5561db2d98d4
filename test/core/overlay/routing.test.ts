/** Symmetric recursive routing, rule by rule (RFC 6940 §6.1, §6.3.2). */
import { describe, expect, test } from "vitest";
import { toHex } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import {
	type Destination,
	nodeDestination,
	opaqueDestination,
	resourceDestination,
} from "../../../core/wire/destination.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { encode } from "../../../core/wire/writer.ts";
import { compose, WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const PING = { code: MessageCode.pingReq, body: encode(writePingReq, { padding: new Uint8Array(4) }) };
const WILDCARD = new Uint8Array(16).fill(0xff);

/** Peers a..e in a row; everything for a later one goes to the next, for an earlier one to the previous. */
function row(count: number, options: Parameters<World["peer"]>[1] = {}): { world: World; peers: Member[] } {
	const world = new World();
	const peers: Member[] = [];
	for (let i = 0; i < count; i++) peers.push(world.peer(String.fromCharCode(97 + i), options));
	const at = (id: Uint8Array) => peers.findIndex((peer) => toHex(peer.id) === toHex(id));
	world.ring.next = (from, id) => {
		const here = at(from);
		const responsible = peers.findIndex((peer) => peer.static.isResponsible(id));
		const there = at(id) >= 0 ? at(id) : responsible;
		if (there < 0 || there === here) return undefined;
		return peers[there > here ? here + 1 : here - 1]!.id;
	};
	world.chain(...peers);
	return { world, peers };
}

function hex(list: readonly Destination[]): string[] {
	return list.map((entry) =>
		"nodeId" in entry ? toHex(entry.nodeId) : "opaqueId" in entry ? toHex(entry.opaqueId) : "?",
	);
}

/** An id inside the range of `owner` that nobody has. */
function idOf(owner: Member): Uint8Array {
	const id = owner.id.slice();
	for (let i = 15; i >= 0; i--) {
		if (id[i]! > 0) {
			id[i]!--;
			return id;
		}
		id[i] = 0xff;
	}
	return id;
}

describe("forwarding", () => {
	test("A to E: the via list grows by the previous hop, the answer goes back the same way", () => {
		const { world, peers } = row(5);
		const [a, , , d, e] = peers as [Member, Member, Member, Member, Member];
		let seen: string[] = [];
		const { answers } = e.node;
		const original = answers.answer.bind(answers);
		answers.answer = (request, ...rest) => {
			seen = hex(request.back);
			original(request, ...rest);
		};
		const result = a.ok("ping", (node, now) => node.ping([nodeDestination(e.id)], now));
		// RFC 6940 §6.3.2.2: E sees via [A, B, C] and previous hop D, and answers to [D, C, B, A].
		expect(seen).toEqual([d, peers[2]!, peers[1]!, a].map((peer) => toHex(peer.id)));
		expect(result.from.nodeId).toEqual(e.id);
		expect(result.hops).toBe(4);
		expect(result.rttMs).toBe(8 * world.latencyMs);
		expect(peers.map((peer) => peer.count("forwarded"))).toEqual([0, 2, 2, 2, 0]);
	});

	test("ttl is less by one at each forwarding node, the via list names the neighbour, all else is untouched", () => {
		const world = new World();
		const b = world.peer("b");
		const [from, to] = [new WirePeer(world, b), new WirePeer(world, b)];
		const sent = from.send({ ...PING, to: [nodeDestination(to.id)] });
		const [message] = to.messages;
		expect(message!.header.ttl).toBe(99);
		expect(hex(message!.header.viaList)).toEqual([toHex(from.id)]);
		expect(hex(message!.header.destinationList)).toEqual([toHex(to.id)]);
		expect(message!.contentsBytes).toEqual(sent.subarray(38 + 18, 38 + 18 + message!.contentsBytes.length));
	});

	test("nothing is recorded for a response", () => {
		const world = new World();
		const b = world.peer("b");
		const [from, to] = [new WirePeer(world, b), new WirePeer(world, b)];
		from.send({ code: MessageCode.pingAns, to: [nodeDestination(b.id), nodeDestination(to.id)] });
		expect(to.last.header.viaList).toEqual([]);
		expect(hex(to.last.header.destinationList)).toEqual([toHex(to.id)]);
	});

	test("our own Node-ID in front of others is removed and the next entry looked at", () => {
		const { peers } = row(3);
		const [a, b, c] = peers as [Member, Member, Member];
		const list = [nodeDestination(b.id), nodeDestination(c.id)];
		const result = a.ok("ping", (node, now) => node.ping(list, now));
		expect(result.from.nodeId).toEqual(c.id);
	});

	test("a Resource-ID is answered by the peer that is responsible for it", () => {
		const { peers } = row(4);
		for (const peer of peers) {
			const result = peers[0]!.ok("ping", (node, now) => node.ping([resourceDestination(idOf(peer))], now));
			expect(result.from.nodeId).toEqual(peer.id);
		}
	});

	test("the wildcard is consumed by whoever receives it", () => {
		const { peers } = row(3);
		const result = peers[0]!.ok("ping", (node, now) => node.ping([nodeDestination(WILDCARD)], now));
		expect(result.from.nodeId).toEqual(peers[1]!.id);
		const far = peers[0]!.ok("ping", (node, now) =>
			node.ping([nodeDestination(peers[2]!.id), nodeDestination(WILDCARD)], now),
		);
		expect(far.from.nodeId).toEqual(peers[2]!.id);
	});

	test("a message for a node in our own range that is not linked is dropped; a linked client gets it", () => {
		const { world, peers } = row(2);
		const [a, b] = peers as [Member, Member];
		const id = idOf(b);
		expect(a.error((node, now) => node.ping([nodeDestination(id)], now))).toBe(ErrorCode.requestTimeout);
		expect(b.count("droppedNoSuchNode")).toBe(5);
		const client = new WirePeer(world, b, world.household.enroll({ nodeId: id }));
		a.do((node, now) => node.ping([nodeDestination(id)], now));
		world.advance(20);
		expect(client.last.contents.messageCode).toBe(MessageCode.pingReq);
		expect(hex(client.last.header.viaList)).toEqual([toHex(a.id)]);
	});

	test("a message for [peer, hosted identity] is served and signed by the hosted identity", () => {
		const { world, peers } = row(3);
		const [a, , c] = peers as [Member, Member, Member];
		const hosted = world.household.enroll({ userName: "phone@overlay.example.org" });
		c.node.addIdentity(hosted);
		const list = [nodeDestination(c.id), nodeDestination(hosted.nodeId)];
		const result = a.ok("ping", (node, now) => node.ping(list, now));
		expect(result.from.nodeId).toEqual(hosted.nodeId);
		expect(result.from.userName).toBe("phone@overlay.example.org");
		c.node.removeIdentity(hosted.nodeId);
		expect(a.error((node, now) => node.ping(list, now))).toBe(ErrorCode.requestTimeout);
	});

	test("a hosted identity asks as itself; the answer finds it through its peer", () => {
		const { world, peers } = row(3);
		const [a, , c] = peers as [Member, Member, Member];
		const hosted = world.household.enroll();
		a.node.addIdentity(hosted);
		a.ok("ping", (node, now) => node.ping([nodeDestination(c.id)], now, { as: hosted.nodeId }));
	});

	test("a node reaches itself and its hosted identities without a link", () => {
		const world = new World();
		const a = world.peer("a");
		const hosted = world.household.enroll();
		a.node.addIdentity(hosted);
		a.ok("ping", (node, now) => node.ping([nodeDestination(a.id)], now));
		const list = [nodeDestination(a.id), nodeDestination(hosted.nodeId)];
		expect(a.ok("ping", (node, now) => node.ping(list, now)).from.nodeId).toEqual(hosted.nodeId);
		expect(a.ok("ping", (node, now) => node.ping([nodeDestination(hosted.nodeId)], now)).from.nodeId).toEqual(
			hosted.nodeId,
		);
	});

	test("a node that is not in the ring routes nothing for others; it serves its own, its neighbours and answers", () => {
		const { world, peers } = row(3);
		const [a, b, c] = peers as [Member, Member, Member];
		// B is joining again: A still takes it for a peer, and A is its only way.
		b.static.inOverlay = false;
		world.ring.next = (from) => (toHex(from) === toHex(b.id) ? a.id : b.id);
		const away = idOf(c);
		expect(a.error((node, now) => node.ping([resourceDestination(away)], now))).toBe(ErrorCode.requestTimeout);
		expect(a.error((node, now) => node.ping([nodeDestination(away)], now))).toBe(ErrorCode.requestTimeout);
		expect(b.count("droppedNoRoute")).toBe(10);
		expect(a.count("forwarded") + b.count("forwarded")).toBe(0);
		// Request and answer pass between its neighbours: both are named.
		expect(a.ok("ping", (node, now) => node.ping([nodeDestination(c.id)], now)).from.nodeId).toEqual(c.id);
		expect(b.count("forwarded")).toBe(2);
		expect(b.ok("ping", (node, now) => node.ping([nodeDestination(a.id)], now)).hops).toBe(1);
		world.ring.next = (from) => (toHex(from) === toHex(a.id) ? c.id : a.id);
		world.link(a, c);
		const target = [resourceDestination(away)];
		expect(b.ok("ping", (node, now) => node.ping(target, now)).from.nodeId).toEqual(c.id);
	});

	test("many messages in one chunk leave as one transmit per link", () => {
		const world = new World();
		const b = world.peer("b");
		const [from, to] = [new WirePeer(world, b), new WirePeer(world, b)];
		const message = compose(world, from.identity, { ...PING, to: [nodeDestination(to.id)] });
		const frames: number[] = [];
		for (let i = 0; i < 20; i++) {
			const { length } = message;
			frames.push(128, 0, 0, 0, i, length >> 16, (length >> 8) & 255, length & 255, ...message);
		}
		b.sent = { octets: 0, transmits: 0 };
		b.input({ type: "bytes", link: from.number, bytes: new Uint8Array(frames) });
		expect(to.raw.length).toBe(20);
		// One to `to` with all messages, one to `from` with all acks, a little later; the ack frames that `to` sent at once cause nothing.
		expect(b.sent.transmits).toBe(1);
		world.advance(world.profile.ackHoldMs!);
		expect(b.sent.transmits).toBe(2);
	});
});

describe("ttl", () => {
	test("0 at the destination is delivered; 0 on the way is not forwarded and told", () => {
		const world = new World();
		const b = world.peer("b");
		const [from, to] = [new WirePeer(world, b), new WirePeer(world, b)];
		from.send({ ...PING, to: [nodeDestination(b.id)], header: { ttl: 0 } });
		expect(from.last.contents.messageCode).toBe(MessageCode.pingAns);
		from.send({ ...PING, to: [nodeDestination(to.id)], header: { ttl: 0 } });
		expect(from.error).toBe(ErrorCode.ttlExceeded);
		expect(to.raw.length).toBe(0);
		from.send({ ...PING, to: [nodeDestination(to.id)], header: { ttl: 1 } });
		expect(to.last.header.ttl).toBe(0);
	});

	test("above initial-ttl: discarded and told, once per second and link", () => {
		const world = new World({ config: { initialTtl: 20 } });
		const b = world.peer("b");
		const from = new WirePeer(world, b);
		for (let i = 0; i < 5; i++) from.send({ ...PING, to: [nodeDestination(b.id)], header: { ttl: 21 } });
		expect(from.messages.length).toBe(1);
		expect(from.error).toBe(ErrorCode.ttlExceeded);
		expect(b.count("droppedTtl")).toBe(5);
		expect(b.count("droppedErrorGap")).toBe(4);
		world.advance(1000);
		from.send({ ...PING, to: [nodeDestination(b.id)], header: { ttl: 21 } });
		expect(from.messages.length).toBe(2);
	});

	test("no error answers a response", () => {
		const world = new World();
		const b = world.peer("b");
		const from = new WirePeer(world, b);
		from.send({ code: MessageCode.pingAns, to: [nodeDestination(b.id)], header: { ttl: 101 } });
		from.send({ code: MessageCode.error, to: [nodeDestination(b.id)], header: { ttl: 101 } });
		expect(b.count("droppedTtl")).toBe(2);
		expect(from.raw.length).toBe(0);
	});
});

describe("headers that are not forwarded", () => {
	function bench(): { world: World; b: Member; from: WirePeer; to: WirePeer } {
		const world = new World();
		const b = world.peer("b");
		return { world, b, from: new WirePeer(world, b), to: new WirePeer(world, b) };
	}

	test.each([
		["token", 0, 0x00, "droppedHeader"],
		["overlay", 4, 0xff, "droppedOverlay"],
		["version", 10, 0x01, "droppedVersion"],
		["fragment bit", 12, 0x00, "droppedFragmentBit"],
		["length", 19, 0x00, "droppedHeader"],
		["list lengths", 34, 0x7f, "droppedHeader"],
	])("a wrong %s is dropped silently and counted", (_name, at, value, counter) => {
		const { world, b, from, to } = bench();
		const bytes = compose(world, from.identity, { ...PING, to: [nodeDestination(to.id)] });
		bytes[at] = value;
		from.raise(bytes);
		expect(b.count(counter)).toBe(1);
		expect(from.raw.length + to.raw.length).toBe(0);
	});

	test("duplicate destinations: Error_Invalid_Message", () => {
		const { b, from, to } = bench();
		from.send({ ...PING, to: [nodeDestination(b.id), nodeDestination(to.id), nodeDestination(to.id)] });
		expect(from.error).toBe(ErrorCode.invalidMessage);
		expect(b.count("droppedDuplicateDestination")).toBe(1);
		expect(to.raw.length).toBe(0);
	});

	test("a Resource-ID that is not the last entry: silence", () => {
		const { b, from, to } = bench();
		const list = [resourceDestination(b.id), nodeDestination(to.id)];
		from.send({ ...PING, to: list });
		expect(b.count("droppedResourceNotLast")).toBe(1);
		expect(from.raw.length).toBe(0);
	});

	test("a Resource-ID of another length, an unknown destination type: silence", () => {
		const { b, from } = bench();
		from.send({ ...PING, to: [resourceDestination(new Uint8Array(5))] });
		from.send({ ...PING, to: [{ type: 0, code: 77, data: new Uint8Array(3) }] });
		expect(b.count("droppedUnknownDestination")).toBe(2);
		expect(from.raw.length).toBe(0);
	});

	test("an opaque id that we did not issue, or that is out of date: silence", () => {
		const { b, from } = bench();
		from.send({ ...PING, to: [nodeDestination(b.id), opaqueDestination(new Uint8Array([0x80, 0x7f]))] });
		from.send({ ...PING, to: [opaqueDestination(new Uint8Array([1, 2, 3]))] });
		expect(b.count("droppedOpaqueId")).toBe(2);
		expect(from.raw.length).toBe(0);
	});

	test("lists longer than the limit: Error_Invalid_Message", () => {
		const { b, from, to } = bench();
		const viaList: Destination[] = [];
		for (let i = 0; i < 129; i++) viaList.push(opaqueDestination(new Uint8Array([0x80, i])));
		from.send({ ...PING, to: [nodeDestination(to.id)], header: { viaList } });
		expect(from.error).toBe(ErrorCode.invalidMessage);
		expect(b.count("droppedListEntries")).toBe(1);
	});

	test("no way on: dropped and counted", () => {
		const { world, b, from } = bench();
		const c = world.peer("c");
		from.send({ ...PING, to: [resourceDestination(idOf(c))] });
		expect(b.count("droppedNoRoute")).toBe(1);
	});
});

describe("compressed ids", () => {
	test("a via list of compressed ids leads the answer back", () => {
		const { peers } = row(5, { options: { compressVia: true } });
		const [a, b, , , e] = peers as [Member, Member, Member, Member, Member];
		const result = a.ok("ping", (node, now) => node.ping([nodeDestination(e.id)], now));
		expect(result.from.nodeId).toEqual(e.id);
		expect(b.count("forwarded")).toBe(2);
	});

	test("the id of a link that is gone leads nowhere, even when its row is used again", () => {
		const world = new World();
		const b = world.peer("b", { options: { compressVia: true } });
		const from = new WirePeer(world, b);
		const to = new WirePeer(world, b);
		from.send({ ...PING, to: [nodeDestination(to.id)] });
		const { viaList } = to.last.header;
		expect(hex(viaList)[0]!.length).toBe(4);
		to.send({ code: MessageCode.pingAns, to: [nodeDestination(b.id), ...viaList] });
		expect(from.last.contents.messageCode).toBe(MessageCode.pingAns);
		expect(hex(from.last.header.destinationList)).toEqual([toHex(from.id)]);
		b.input({ type: "linkDown", link: from.number, reason: "test" });
		const again = new WirePeer(world, b, from.identity);
		to.send({ code: MessageCode.pingAns, to: [nodeDestination(b.id), ...viaList] });
		expect(b.count("droppedOpaqueId")).toBe(1);
		expect(again.raw.length).toBe(0);
	});
});

describe("a neighbour with several Node-IDs that has not attached", () => {
	function bench(): { world: World; b: Member; from: WirePeer; to: WirePeer } {
		const world = new World();
		const b = world.peer("b");
		const nodeIds = [world.household.crypto.random(16), world.household.crypto.random(16)];
		return { world, b, from: new WirePeer(world, b, world.household.enroll({ nodeIds })), to: new WirePeer(world, b) };
	}

	test("may Ping us, and others through us, and gets the answers", () => {
		const { b, from, to } = bench();
		from.send({ ...PING, to: [nodeDestination(b.id)] });
		expect(from.last.contents.messageCode).toBe(MessageCode.pingAns);
		from.send({ ...PING, to: [nodeDestination(to.id)] });
		const { viaList } = to.last.header;
		to.send({ code: MessageCode.pingAns, to: [nodeDestination(b.id), ...viaList] });
		expect(from.messages.length).toBe(2);
		expect(from.last.contents.messageCode).toBe(MessageCode.pingAns);
	});

	test("anything else: Error_Forbidden", () => {
		const { b, from, to } = bench();
		from.send({ code: MessageCode.fetchReq, to: [nodeDestination(to.id)] });
		expect(from.error).toBe(ErrorCode.forbidden);
		expect(b.count("droppedUnattached")).toBe(1);
		expect(to.raw.length).toBe(0);
	});
});
