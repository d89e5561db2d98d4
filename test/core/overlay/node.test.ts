/** The node as a whole: its plug-in, bootstrap, traces, limits, what people see. */
import { describe, expect, test } from "vitest";
import { Connections } from "../../../core/overlay/connections.ts";
import { inInterval } from "../../../core/overlay/maintenance.ts";
import { EMPTY, equalBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode, MessageExtensionType } from "../../../core/wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { writeJoinReq } from "../../../core/wire/join.ts";
import { writeProbeReq } from "../../../core/wire/probe.ts";
import { encode } from "../../../core/wire/writer.ts";
import { WALL } from "./support/household.ts";
import { WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const JOIN = (id: Uint8Array) => ({
	code: MessageCode.joinReq,
	body: encode(writeJoinReq, { joiningPeerId: id, overlaySpecificData: EMPTY }),
});

/** Gives the plug-in of a member a chance to be polled. */
function nudge(member: Member): void {
	member.static.handle({ type: "timeout" });
	member.node.role.linkDown(new Uint8Array(16), true, member.world.now);
	member.input({ type: "timeout" });
}

describe("the plug-in", () => {
	test("gets verified requests and answers or refuses them", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		b.send({ ...JOIN(b.id), to: [nodeDestination(a.id)] });
		expect(b.last.contents.messageCode).toBe(MessageCode.joinAns);
		const request = a.static.seen.find((input) => input.type === "request");
		expect(request).toMatchObject({ code: MessageCode.joinReq, from: b.id, overLink: true });
		a.static.refusal = ErrorCode.inProgress;
		b.send({ code: MessageCode.updateReq, to: [nodeDestination(a.id)] });
		expect(b.error).toBe(ErrorCode.inProgress);
	});

	test("Join and Leave over another link than their signer's: Error_Forbidden", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		const stranger = world.household.enroll();
		for (const code of [MessageCode.joinReq, MessageCode.leaveReq]) {
			b.send({ ...JOIN(stranger.nodeId), code, to: [nodeDestination(a.id)], as: stranger });
			expect(b.error).toBe(ErrorCode.forbidden);
		}
		expect(a.static.seen.some((input) => input.type === "request")).toBe(false);
	});

	test("a link that ends after a Leave ends clean", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		b.send({ ...JOIN(b.id), code: MessageCode.leaveReq, to: [nodeDestination(a.id)] });
		a.input({ type: "linkDown", link: b.number, reason: "closed" });
		expect(a.static.seen[a.static.seen.length - 1]).toMatchObject({ type: "linkDown", clean: true });
	});

	test("sends and attaches; results follow, with extensions", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		const extension = {
			type: MessageExtensionType.selfTuningData,
			critical: false,
			extensionContents: new Uint8Array(12),
		};
		Object.assign(b.static, { probeExtensions: () => [extension] });
		const body = encode(writeProbeReq, { requestedInfo: [3] });
		const destination = [nodeDestination(b.id)];
		a.static.push({ type: "send", token: 5, code: MessageCode.probeReq, destination, body, extensions: [extension] });
		a.static.push({ type: "attach", token: 6, destination, sendUpdate: false });
		nudge(a);
		world.advance(100);
		const results = a.static.seen.filter((input) => input.type === "result");
		expect(results).toMatchObject([
			{ token: 6, ok: true, from: b.id, errorCode: 0 },
			{ token: 5, ok: true, from: b.id, extensions: [{ type: MessageExtensionType.selfTuningData }] },
		]);
		expect(b.static.seen.find((input) => input.type === "probed")).toMatchObject({ from: a.id });
		world.kill(b);
		a.static.push({ type: "send", token: 7, code: MessageCode.pingReq, destination, body: EMPTY });
		nudge(a);
		world.advance(10_000);
		expect(a.static.seen[a.static.seen.length - 1]).toMatchObject({ token: 7, ok: false, errorCode: 4 });
	});

	test("requests that it leaves unanswered are bounded, and forgotten after 15 s", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		a.static.push = () => {};
		for (let i = 0; i < 128; i++) b.send({ code: MessageCode.updateReq, to: [nodeDestination(a.id)] });
		expect(b.raw.length).toBe(0);
		b.send({ code: MessageCode.updateReq, to: [nodeDestination(a.id)] });
		expect(b.error).toBe(ErrorCode.inProgress);
		world.advance(15_000);
		b.clear();
		b.send({ code: MessageCode.updateReq, to: [nodeDestination(a.id)] });
		expect(b.messages.some(({ contents }) => contents.messageCode === MessageCode.error)).toBe(false);
	});

	test("its events reach the host; leaving closes the links", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		expect(a.event("joined")).toMatchObject([{ nodeId: a.id }]);
		a.static.push({ type: "isolated" });
		nudge(a);
		expect(a.event("isolated").length).toBe(1);
		a.do((node, now) => node.leave(now));
		expect(a.event("left").length).toBe(1);
		expect(a.node.connections.size).toBe(0);
		world.advance(100);
		expect(b.node.connections.size).toBe(0);
	});

	test("one that never finishes leaving is not waited for", () => {
		const world = new World();
		const a = world.peer("a");
		a.static.handle = () => {};
		a.do((node, now) => node.leave(now));
		world.advance(4_999);
		expect(a.event("left").length).toBe(0);
		world.advance(1);
		expect(a.event("left").length).toBe(1);
	});
});

describe("Probe", () => {
	test("every type that we know, in the order asked, once; no others", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		world.advance(7_000);
		const { body } = a.ok("probe", (node, now) => node.probe([nodeDestination(b.id)], [3, 99, 2, 1, 3], now));
		expect(body.info).toEqual([
			{ type: 3, value: 7 },
			{ type: 2, value: 0 },
			{ type: 1, value: 500_000_000 },
		]);
	});

	test("a body that cannot be read: Error_Invalid_Message", () => {
		const world = new World();
		const [a, device] = [world.peer("a"), world.client("door")];
		for (const member of [a, device]) {
			const b = new WirePeer(world, member);
			b.send({ code: MessageCode.probeReq, body: new Uint8Array([9]), to: [nodeDestination(member.id)] });
			expect(b.error).toBe(ErrorCode.invalidMessage);
		}
	});
});

describe("RouteQuery and trace", () => {
	function row(count: number, limits = {}): { world: World; peers: Member[] } {
		const world = new World();
		const peers: Member[] = [];
		for (let i = 0; i < count; i++) peers.push(world.peer(String.fromCharCode(97 + i), { options: { limits } }));
		const at = (id: Uint8Array) => peers.findIndex((peer) => equalBytes(peer.id, id));
		world.ring.next = (from, id) => {
			const owner = peers.findIndex((peer) => peer.static.isResponsible(id));
			const there = at(id) >= 0 ? at(id) : owner;
			return peers[there > at(from) ? at(from) + 1 : at(from) - 1]?.id;
		};
		world.chain(...peers);
		return { world, peers };
	}

	test("RouteQuery names the next hop, the responsible peer itself", () => {
		const { peers } = row(3);
		const [a, b, c] = peers as [Member, Member, Member];
		const ask = (to: Member, of: Member) =>
			a.ok("routeQuery", (node, now) =>
				node.routeQuery([nodeDestination(to.id)], resourceDestination(of.id), false, now),
			).body.nextPeer;
		expect(ask(b, c)).toEqual(c.id);
		expect(ask(c, c)).toEqual(c.id);
		expect(ask(b, a)).toEqual(a.id);
	});

	test("a trace lists the peers on the way", () => {
		const { peers } = row(5);
		const { body } = peers[0]!.ok("trace", (node, now) => node.trace(resourceDestination(peers[4]!.id), now));
		expect(body.complete).toBe(true);
		expect(body.hops.map(({ nodeId }) => nodeId)).toEqual(peers.slice(1).map(({ id }) => id));
		expect(body.hops[3]!.rttMs).toBe(40);
		const own = peers[0]!.ok("trace", (node, now) => node.trace(resourceDestination(peers[0]!.id), now));
		expect(own.body).toMatchObject({ complete: true, hops: [{ nodeId: peers[0]!.id }] });
	});

	test("one that walks in circles, too far or into silence ends", () => {
		const { world, peers } = row(4, { traceHops: 2 });
		const [a, b, c, d] = peers as [Member, Member, Member, Member];
		const far = a.ok("trace", (node, now) => node.trace(resourceDestination(d.id), now));
		expect(far.body).toMatchObject({ complete: false });
		expect(far.body.hops.length).toBe(2);
		b.static.nextHop = () => a.id;
		const circle = a.ok("trace", (node, now) => node.trace(nodeDestination(c.id), now));
		expect(circle.body.complete).toBe(false);
		world.unplug(b);
		expect(a.error((node, now) => node.trace(resourceDestination(d.id), now))).toBe(ErrorCode.requestTimeout);
	});

	test("without a way, or too many at once: told at once", () => {
		const { world, peers } = row(2, { traces: 1 });
		const [a, b] = peers as [Member, Member];
		a.do((node, now) => node.trace(resourceDestination(b.id), now));
		expect(a.error((node, now) => node.trace(resourceDestination(b.id), now))).toBe(ErrorCode.notFound);
		const device = world.client("door");
		expect(device.error((node, now) => node.trace(resourceDestination(b.id), now))).toBe(ErrorCode.notFound);
	});
});

describe("bootstrap of a peer", () => {
	test("its own address is noticed and never tried again", () => {
		const world = new World();
		const a = world.peer("a", { topology: "CHORD-RELOAD", options: { listen: [] } });
		let connects = 0;
		const { connect } = world;
		world.connect = (...args) => {
			connects++;
			connect.apply(world, args);
		};
		a.do((node, now) => node.start({ first: true, bootstrap: [a.endpoint] }, now));
		world.advance(120_000);
		expect(connects).toBe(1);
		// Once as the connecting and once as the accepting end.
		expect(a.count("refusedLinkSelf")).toBe(2);
	});

	test("nobody there: tried again with growing pauses; who comes late is found", () => {
		const world = new World();
		const [a, b] = ["a", "b"].map((name) => world.peer(name, { topology: "CHORD-RELOAD" })) as [Member, Member];
		b.deaf = true;
		b.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		a.do((node, now) => node.start({ bootstrap: [b.endpoint] }, now));
		world.advance(60_000);
		expect(a.count("connectsFailed")).toBeGreaterThan(3);
		expect(a.count("connectsFailed")).toBeLessThan(12);
		expect(a.event("isolated").length).toBe(1);
		b.deaf = false;
		world.until(() => a.event("joined").length > 0, 90_000);
		expect(a.event("cachedPeers")[0]).toMatchObject({ peers: [b.endpoint] });
	});

	test("endpoints found while running are used", () => {
		const world = new World();
		const [a, b] = ["a", "b"].map((name) => world.peer(name, { topology: "CHORD-RELOAD" })) as [Member, Member];
		b.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		a.do((node, now) => node.start({ bootstrap: [] }, now));
		world.advance(1_000);
		a.do((node, now) => node.discovered([b.endpoint, b.endpoint, a.endpoint], now));
		world.until(() => a.event("joined").length > 0, 20_000);
	});

	test("two links are kept, to others in turn", () => {
		const world = new World();
		const many = Array.from({ length: 6 }, (_, i) => world.peer(`b${i}`));
		const met = new Set<string>();
		const a = world.peer("a", { topology: "static" });
		world.ring.members = [];
		const { connect } = world;
		world.connect = (from, output) => {
			met.add(output.address);
			connect.call(world, from, output);
		};
		a.do((node, now) => node.start({ first: true, bootstrap: many.map(({ endpoint }) => endpoint) }, now));
		world.advance(5_000);
		expect(met.size).toBe(2);
		expect(a.node.connections.size).toBe(2);
		world.advance(6 * world.profile.partitionCheckMs);
		expect(met.size).toBe(6);
		expect(a.node.connections.size).toBe(2);
	});
});

describe("limits and looking in", () => {
	test("status is plain data for people", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		const hosted = world.household.enroll({ userName: "hall@overlay.example.org" });
		a.node.addIdentity(hosted);
		world.advance(5_000);
		expect(a.node.status(world.now)).toMatchObject({
			nodeId: a.id,
			role: "peer",
			overlay: "overlay.example.org",
			sequence: 22,
			inOverlay: true,
			uptimeS: 5,
			links: [{ nodeId: b.id, address: "10.0.0.2", state: "ok", initiated: false, rttMs: 15 }],
			neighbours: [b.id],
			storedResources: 0,
			identities: [{ nodeId: a.id }, { userName: "hall@overlay.example.org" }],
			counters: { linksUp: 1 },
		});
		expect(a.node.status(world.now).topology.length).toBeGreaterThan(3);
	});

	test("identities: at most so many; a renewed certificate takes the place of the old one", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { identities: 1 } } });
		const hosted = world.household.enroll();
		expect(a.node.addIdentity(hosted)).toBe(true);
		expect(a.node.addIdentity(world.household.enroll())).toBe(false);
		const renewed = world.household.enroll({ nodeId: hosted.nodeId });
		expect(a.node.addIdentity(renewed)).toBe(true);
		expect(a.node.identities.find(hosted.nodeId)).toBe(renewed);
		a.node.removeIdentity(hosted.nodeId);
		expect(a.node.addIdentity(world.household.enroll())).toBe(true);
	});

	test("our own renewed certificate is taken over; what names nobody here is told so", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		const renewed = world.household.enroll({ nodeId: a.id, userName: "renewed@overlay.example.org" });
		expect(a.node.addIdentity(renewed)).toBe(true);
		expect(b.ok("ping", (node, now) => node.ping([nodeDestination(a.id)], now)).from.userName).toBe(renewed.userName);
		const as = world.household.crypto.random(16);
		expect(a.error((node, now) => node.ping([nodeDestination(b.id)], now, { as }))).toBe(ErrorCode.forbidden);
		expect(a.error((node, now) => node.fetch(a.id, [], now, { as }))).toBe(ErrorCode.forbidden);
		expect(a.error((node, now) => node.store(a.id, [], now, { as }))).toBe(ErrorCode.forbidden);
	});

	test("a host that does not poll loses events, the oldest first, and nothing else", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { events: 2 } } });
		const { node } = a;
		for (let i = 0; i < 4; i++) node.event({ type: "peerDown", nodeId: a.id, reason: `${i}` });
		node.result(1, { ok: false, errorCode: 4, info: "" });
		const outputs = [];
		for (let output = node.poll(); output !== undefined; output = node.poll()) outputs.push(output);
		expect(outputs).toMatchObject([{ event: { reason: "2" } }, { event: { reason: "3" } }, { type: "result" }]);
		expect(a.count("eventsDropped")).toBe(2);
	});

	test("connects: at most so many at once", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { connects: 1 } } });
		const spec = { endpoint: { address: "10.1.1.1", port: 1 }, expect: undefined, bootstrap: false, done: () => {} };
		expect(a.do((node, now) => node.links.connect(spec, now))).toBe(true);
		expect(a.do((node, now) => node.links.connect(spec, now))).toBe(false);
	});

	test("a connect that the host never reports on has failed after ten seconds", () => {
		const world = new World();
		const a = world.peer("a");
		world.connect = () => {};
		let failedAt = 0;
		const done = (_connection: unknown, now: number) => {
			failedAt = now;
		};
		const start = world.now;
		a.do((node, now) =>
			node.links.connect({ endpoint: { address: "x", port: 1 }, expect: undefined, bootstrap: false, done }, now),
		);
		world.advance(20_000);
		expect(failedAt - start).toBe(10_000);
	});

	test("the wall clock counts on from the last time it was told", () => {
		const world = new World();
		const a = world.peer("a");
		expect(a.node.wallMs(world.now)).toBe(WALL + 1_000);
		world.advance(500);
		expect(a.node.wallMs(world.now)).toBe(WALL + 1_500);
		a.input({ type: "clock", wallMs: 5 });
		world.advance(10);
		expect(a.node.wallMs(world.now)).toBe(15);
	});

	test("rows of compressed ids are used in rotation, with a new generation each time", () => {
		const table = new Connections(6);
		const first = table.claimSlot();
		expect(first).toEqual({ slot: 0, generation: 6 });
		for (let i = 1; i < 4096; i++) table.claimSlot();
		expect(table.claimSlot()).toEqual({ slot: 0, generation: 7 });
		for (let i = 1; i < 4096; i++) table.claimSlot();
		expect(table.claimSlot()).toEqual({ slot: 0, generation: 0 });
	});

	test("ring intervals are open below, closed above, and may pass zero", () => {
		const id = (value: number) => new Uint8Array([value]);
		expect(inInterval(id(5), id(5), id(9))).toBe(false);
		expect(inInterval(id(9), id(5), id(9))).toBe(true);
		expect(inInterval(id(10), id(5), id(9))).toBe(false);
		expect(inInterval(id(2), id(200), id(3))).toBe(true);
		expect(inInterval(id(250), id(200), id(3))).toBe(true);
		expect(inInterval(id(100), id(200), id(3))).toBe(false);
		expect(inInterval(id(1), id(7), id(7))).toBe(true);
	});
});
