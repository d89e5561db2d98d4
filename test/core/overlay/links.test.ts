/** The life of links (RFC 6940 §6.5.1.8, §6.6, §6.6.5). */
import { describe, expect, test } from "vitest";
import { staysOf } from "../../../core/overlay/connections.ts";
import { HOUSE_PROFILE } from "../../../core/overlay/profile.ts";
import { compareBytes, EMPTY } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { encode } from "../../../core/wire/writer.ts";
import { Household } from "./support/household.ts";
import { compose, WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const PING = { code: MessageCode.pingReq, body: encode(writePingReq, { padding: EMPTY }) };

/** Lets `a` attach to `b` (so that `b` connects), through a peer both are linked with. */
function linked(world: World): { a: Member; b: Member; hub: Member } {
	const [hub, a, b] = [world.peer("hub"), world.peer("a"), world.peer("b")];
	world.link(hub, a);
	world.link(hub, b);
	world.ring.next = () => hub.id;
	return { a, b, hub };
}

function linksTo(member: Member, id: Uint8Array): string[] {
	return member.node.connections.allTo(id).map(({ state }) => state);
}

describe("who is let in", () => {
	test.each([
		["no certificate at all", () => []],
		["a certificate of another household", () => new Household(99).enroll().chain],
		[
			"a certificate that has expired",
			(world: World) => world.household.enroll({ notAfterMs: 1_772_366_400_000 }).chain,
		],
		["octets that are no certificate", () => [new Uint8Array(100)]],
	])("%s: closed, counted, told", (_name, chain) => {
		const world = new World();
		const a = world.peer("a");
		new WirePeer(world, a, world.household.enroll(), chain(world));
		expect(a.count("refusedLinkCertificate")).toBe(1);
		expect(a.closed.length).toBe(1);
		expect(a.event("refused")).toMatchObject([{ what: "link", address: "10.9.9.9" }]);
		expect(a.node.connections.size).toBe(0);
	});

	test("a link to ourselves: closed", () => {
		const world = new World();
		const a = world.peer("a");
		new WirePeer(world, a, a.identity);
		expect(a.count("refusedLinkSelf")).toBe(1);
	});

	test("a revoked node: closed", () => {
		const world = new World({ config: { badNodes: [new Uint8Array(16).fill(7)] } });
		const a = world.peer("a");
		new WirePeer(world, a, world.household.enroll({ nodeId: new Uint8Array(16).fill(7) }));
		expect(a.node.connections.size).toBe(0);
		expect(a.closed.length).toBe(1);
	});

	test("another node than the one we connected to: closed, and the connect has failed", () => {
		const world = new World();
		const { a, b } = linked(world);
		a.shows = world.household.enroll().chain;
		a.do((node, now) => node.attach([nodeDestination(b.id)], false, now));
		world.advance(15_000);
		expect(b.count("refusedLinkIdentity")).toBe(1);
		expect(b.node.connections.size).toBe(1);
		expect(a.node.connections.find(b.id)).toBeUndefined();
	});

	test("a link for a connect that was given up is closed", () => {
		const world = new World();
		const a = world.peer("a");
		a.input({ type: "linkUp", link: 77, connect: 12, chain: world.household.enroll().chain, address: "x", port: 1 });
		expect(a.closed).toEqual(["not wanted any more"]);
	});

	test("the table is full: refused; a link that is not needed any more makes place", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { links: 2 } } });
		const peers = [new WirePeer(world, a), new WirePeer(world, a)];
		new WirePeer(world, a);
		expect(a.count("refusedLinkFull")).toBe(1);
		expect(a.node.connections.size).toBe(2);
		a.static.push({ type: "release", nodeId: peers[0]!.id });
		a.node.role.linkDown(new Uint8Array(16), true, world.now);
		const late = new WirePeer(world, a);
		expect(a.node.connections.find(late.id)).toBeDefined();
		expect(a.node.connections.find(peers[0]!.id)).toBeUndefined();
		expect(a.closed).toContain("displaced");
	});
});

describe("two links to one node", () => {
	test("two Attaches that cross: both ends keep the same one, for good", () => {
		const world = new World();
		const { a, b } = linked(world);
		// Both are addressed by Resource-ID, so neither knows that the other asks it.
		const tokens = [
			a.do((node, now) => node.attach([nodeDestination(b.id)], false, now)),
			b.do((node, now) => node.attach([nodeDestination(a.id)], false, now)),
		];
		world.advance(8_000);
		expect(a.results.get(tokens[0]!)).toMatchObject({ ok: true });
		expect(b.results.get(tokens[1]!)).toMatchObject({ ok: true });
		expect(linksTo(a, b.id)).toEqual(["ok"]);
		expect(linksTo(b, a.id)).toEqual(["ok"]);
	});

	test("both connect: the link that the larger Node-ID opened stays", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		const larger = compareBytes(a.id, b.id) > 0 ? a : b;
		for (const [from, to] of [
			[a, b],
			[b, a],
		] as const) {
			from.do((node, now) =>
				node.links.connect({ endpoint: to.endpoint, expect: to.id, bootstrap: false, done: () => {} }, now),
			);
		}
		world.advance(100);
		expect(linksTo(a, b.id).sort()).toEqual(["ok", "retiring"]);
		for (const [from, to] of [
			[a, b],
			[b, a],
		] as const) {
			expect(from.node.connections.find(to.id)!.initiated).toBe(from === larger);
			from.ok("ping", (node, now) => node.ping([nodeDestination(to.id)], now));
		}
		world.advance(5_000);
		expect(linksTo(a, b.id)).toEqual(["ok"]);
		expect(linksTo(b, a.id)).toEqual(["ok"]);
		expect(a.static.seen.filter((input) => input.type === "linkUp").length).toBe(1);
		expect(a.static.seen.filter((input) => input.type === "linkDown").length).toBe(0);
	});

	test("one end connects twice: the newer link stays, and the end that opened it closes the older", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		for (let i = 0; i < 2; i++) {
			a.do((node, now) =>
				node.links.connect({ endpoint: b.endpoint, expect: b.id, bootstrap: false, done: () => {} }, now),
			);
		}
		world.advance(4_000);
		expect(linksTo(a, b.id)).toEqual(["ok"]);
		expect(linksTo(b, a.id)).toEqual(["ok"]);
		expect(a.closed).toEqual(["double"]);
		expect(b.closed).toEqual([]);
		a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
	});

	/** One of the two links with the other; a moment later, after what `between` does, that one links with it. */
	function doubled(
		ownIsLarger: boolean,
		between: (world: World, a: Member, b: Member) => void,
	): [Member, Member, number] {
		const world = new World();
		const [one, other] = [world.peer("a"), world.peer("b")];
		const [a, b] = compareBytes(one.id, other.id) > 0 === ownIsLarger ? [one, other] : [other, one];
		const connect = (from: Member, to: Member) =>
			from.do((node, now) =>
				node.links.connect({ endpoint: to.endpoint, expect: to.id, bootstrap: false, done: () => {} }, now),
			);
		connect(a, b);
		world.advance(100);
		const old = a.node.connections.find(b.id)!.link;
		between(world, a, b);
		connect(b, a);
		world.advance(100);
		return [a, b, old];
	}

	test.each([true, false])(
		"each end opens one, the second long after the first: it stays at both ends (%s)",
		(larger) => {
			const [a, b, old] = doubled(larger, (world) => world.advance(5_000));
			expect(a.node.connections.find(b.id)!.initiated).toBe(false);
			expect(b.node.connections.find(a.id)!.initiated).toBe(true);
			expect(a.node.connections.byLink(old)!.state).toBe("retiring");
			a.world.advance(6_000);
			expect(linksTo(a, b.id)).toEqual(["ok"]);
			expect(linksTo(b, a.id)).toEqual(["ok"]);
			a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
		},
	);

	test("a restarted neighbour opens a link while its old one looks alive: the new one stays, whoever is larger", () => {
		for (const larger of [true, false]) {
			const [a, b, old] = doubled(larger, (world, _a, b) => {
				world.advance(5_000);
				// It lost power and is back: it knows of no link, and nobody was told.
				for (const stream of b.streams.values()) stream.open = false;
				b.streams.clear();
				for (const connection of [...b.node.connections.all()]) b.node.connections.remove(connection);
			});
			expect(a.node.connections.find(b.id)!.link).not.toBe(old);
			// The topology is told, since the neighbour may have forgotten everything.
			const told = a.static.seen.map(({ type }) => type).filter((type) => type.startsWith("link"));
			expect(told).toEqual(["linkUp", "linkUp"]);
			expect(a.event("peerUp").length).toBe(1);
			a.world.advance(10_000);
			expect(linksTo(a, b.id)).toEqual(["ok"]);
			expect(linksTo(b, a.id)).toEqual(["ok"]);
			expect(a.static.seen.filter((input) => input.type === "linkDown").length).toBe(0);
		}
	});

	test("a neighbour that restarts at once: the old link is asked whether it lives, and the new one is the link soon", () => {
		for (const larger of [true, false]) {
			const [a, b] = doubled(larger, (world, _a, b) => {
				// It lost power, and is back within the time in which Attaches cross.
				world.advance(500);
				for (const stream of b.streams.values()) stream.open = false;
				b.streams.clear();
				for (const connection of [...b.node.connections.all()]) b.node.connections.remove(connection);
			});
			const { linkSuspectMs } = a.world.profile;
			a.world.advance(linkSuspectMs + 500);
			expect(linksTo(a, b.id)).toContain("ok");
			expect(a.node.connections.find(b.id)!.initiated).toBe(false);
			a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
			// Where the new link lost at first, the topology hears that it took the old one's place.
			expect(a.static.seen.filter(({ type }) => type === "linkUp").length).toBe(larger ? 2 : 1);
			expect(a.static.seen.filter(({ type }) => type === "linkDown").length).toBe(0);
			a.world.advance(10_000);
			expect(linksTo(a, b.id)).toEqual(["ok"]);
			expect(linksTo(b, a.id)).toEqual(["ok"]);
		}
	});

	test("what was asked over the old link of a restarted neighbour is asked again over the new one at once", () => {
		const world = new World();
		const a = world.peer("a");
		const identity = world.household.enroll();
		const old = new WirePeer(world, a, identity);
		world.advance(5_000);
		old.silent = true;
		a.do((node, now) => node.ping([nodeDestination(identity.nodeId)], now));
		const fresh = new WirePeer(world, a, identity);
		world.advance(1);
		expect(fresh.last.contents.messageCode).toBe(MessageCode.pingReq);
	});

	test("a link that is suspect loses against a new one, however young it is", () => {
		const world = new World();
		const a = world.peer("a");
		const identity = world.household.enroll();
		const first = new WirePeer(world, a, identity);
		const connection = a.node.connections.byLink(first.number)!;
		connection.state = "suspect";
		const young = { ...connection, initiated: true, order: connection.order + 1, state: "ok" as const };
		expect(staysOf(connection, young, new Uint8Array(16))).toBe(young);
		expect(staysOf(young, connection, new Uint8Array(16).fill(255))).toBe(young);
		connection.state = "ok";
		expect(staysOf(young, connection, new Uint8Array(16))).toBe(connection);
	});

	test("the kept link fails while its double still stands: the double is the link again", () => {
		const world = new World();
		const a = world.peer("a");
		const identity = world.household.enroll();
		const first = new WirePeer(world, a, identity);
		const second = new WirePeer(world, a, identity);
		expect(linksTo(a, identity.nodeId)).toEqual(["retiring", "ok"]);
		a.input({ type: "linkDown", link: second.number, reason: "reset" });
		expect(linksTo(a, identity.nodeId)).toEqual(["ok"]);
		expect(a.static.seen.filter((input) => input.type === "linkDown").length).toBe(0);
		a.do((node, now) => node.ping([nodeDestination(identity.nodeId)], now));
		expect(first.last.contents.messageCode).toBe(MessageCode.pingReq);
	});
});

describe("a link that fails", () => {
	test("idle: a Ping to the neighbour over this link; its ack is enough", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(20_000);
		expect(a.count("keepAlives") + b.count("keepAlives")).toBeGreaterThan(5);
		expect(a.count("linksSuspect")).toBe(0);
		// The path takes 10 ms; an ack may wait for a message to travel with.
		const { rttMs } = a.node.status(world.now).links[0]!;
		expect([10, 10 + HOUSE_PROFILE.ackHoldMs!]).toContain(rttMs);
	});

	test("acks that nothing travels with go on their own, and nobody is woken for those that had company", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(100);
		const acksOf = (member: typeof a) => {
			const [connection] = member.node.connections.all();
			return connection!.stream.counters;
		};
		const before = { a: acksOf(a).acksOut, b: acksOf(b).acksOut, data: acksOf(b).dataIn };
		a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		world.advance(100);
		expect(acksOf(b).dataIn - before.data).toBe(1);
		expect([acksOf(a).acksOut - before.a, acksOf(b).acksOut - before.b]).toEqual([1, 1]);
		// The link's next watch, not the hold of an ack.
		expect(a.node.deadline()).toBeGreaterThan(world.now + 10);
		expect(b.node.deadline()).toBeGreaterThan(world.now + 10);
	});

	test("a link that goes while acks wait leaves no deadline behind", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(100);
		b.do((node, now) => node.ping([nodeDestination(a.id)], now));
		world.advance(6);
		a.do((node, now) =>
			node.handle({ type: "linkDown", link: [...node.connections.all()][0]!.link, reason: "test" }, now),
		);
		expect(a.node.deadline()).toBeGreaterThan(world.now);
	});

	test("of two peers only one probes", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(30_000);
		const [smaller, larger] = compareBytes(a.id, b.id) < 0 ? [a, b] : [b, a];
		expect(smaller.count("keepAlives")).toBeGreaterThan(15);
		expect(larger.count("keepAlives")).toBe(0);
	});

	test("a client's link is probed 24 times less often: after its own keep-alive", () => {
		const world = new World();
		const a = world.peer("a");
		new WirePeer(world, a);
		world.advance(35_900);
		expect(a.count("keepAlives")).toBe(0);
		world.advance(200);
		expect(a.count("keepAlives")).toBe(1);
	});

	test("no acks: suspect and out of routing, then dead and closed; acks in between bring it back", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(1_000);
		world.cut(a, b);
		world.until(() => linksTo(a, b.id)[0] === "suspect");
		const { seen } = a.static;
		expect(seen[seen.length - 1]).toMatchObject({ type: "linkDown", clean: false });
		expect(a.event("peerDown")).toMatchObject([{ reason: "suspect" }]);
		expect(a.node.connections.find(b.id)).toBeUndefined();
		expect(a.node.connections.findAny(b.id)).toBeDefined();
		world.until(() => a.node.connections.size === 0);
		expect(a.count("linksDead")).toBe(1);
		expect(a.closed).toEqual(["no acknowledgements"]);
		expect(seen.filter((input) => input.type === "linkDown").length).toBe(1);
	});

	test("the loss of octets is noticed within 5 s of the house profile", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(10_000);
		const start = world.now;
		world.unplug(b);
		world.until(() => a.event("peerDown").length > 0);
		expect(world.now - start).toBeLessThan(5_000);
	});

	test("a link that recovers is told as up again", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		world.ring.members = [...world.ring.members, b.id];
		b.silent = true;
		world.until(() => linksTo(a, b.id)[0] === "suspect");
		b.silent = false;
		// Its acks were lost; the ack of a later frame says that the earlier ones have come, too.
		a.do((node, now) => node.ping([nodeDestination(b.id)], now));
		expect(linksTo(a, b.id)).toEqual(["ok"]);
		const told = a.static.seen.map(({ type }) => type).filter((type) => type.startsWith("link"));
		expect(told).toEqual(["linkUp", "linkDown", "linkUp"]);
	});

	test("not a frame: closed and counted", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		a.input({ type: "bytes", link: b.number, bytes: new Uint8Array([1, 2, 3]) });
		expect(a.closed).toEqual(["framing lost"]);
		expect(a.count("refusedLinkFrame")).toBe(1);
		a.input({ type: "bytes", link: b.number, bytes: new Uint8Array([1, 2, 3]) });
		a.input({ type: "linkDown", link: b.number, reason: "again" });
		a.input({ type: "drained", link: b.number });
	});

	test("above max-message-size: Error_Message_Too_Large, then closed", () => {
		const world = new World({ config: { maxMessageSize: 5000 } });
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		const body = encode(writePingReq, { padding: new Uint8Array(5000) });
		b.raise(compose(world, b.identity, { ...PING, body, to: [nodeDestination(a.id)] }));
		expect(b.error).toBe(ErrorCode.messageTooLarge);
		expect(a.closed).toEqual(["message too large"]);
		expect(a.count("droppedTooLarge")).toBe(1);
	});

	test("a link whose neighbour does not read: messages for it are dropped, no others", () => {
		const world = new World();
		const a = world.peer("a");
		const [from, slow, quick] = [new WirePeer(world, a), new WirePeer(world, a), new WirePeer(world, a)];
		const body = encode(writePingReq, { padding: new Uint8Array(8000) });
		// Nothing drains while no virtual time passes.
		for (let i = 0; i < 80; i++) from.send({ ...PING, body, to: [nodeDestination(slow.id)] });
		expect(a.count("droppedLinkFull")).toBeGreaterThan(0);
		from.send({ ...PING, to: [nodeDestination(quick.id)] });
		expect(quick.raw.length).toBe(1);
	});
});
