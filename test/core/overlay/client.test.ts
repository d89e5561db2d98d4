/** The role of a client: a device with one link (RFC 6940 §4.2.1). */
import { describe, expect, test, vi } from "vitest";
import { DEVICE_PROFILE } from "../../../core/overlay/profile.ts";
import { writeAttachReqAns } from "../../../core/wire/attach.ts";
import { EMPTY, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { encode } from "../../../core/wire/writer.ts";
import { SINGLE_KIND, WALL } from "./support/household.ts";
import { WirePeer } from "./support/wire-peer.ts";
import { type Member, World, type WorldOptions } from "./support/world.ts";

/** A full mesh of three peers and a device. */
function house(options: WorldOptions = {}): { world: World; peers: [Member, Member, Member]; device: Member } {
	const world = new World(options);
	const peers = ["a", "b", "c"].map((name) => world.peer(name)) as [Member, Member, Member];
	for (const [i, j] of [
		[0, 1],
		[0, 2],
		[1, 2],
	] as const)
		world.link(peers[i], peers[j]);
	return { world, peers, device: world.client("door") };
}

const joins = (device: Member) => device.event("joined").map(({ nodeId }) => nodeId);

describe("a device", () => {
	test("connects to the first peer that answers and asks through it", () => {
		const { world, peers, device } = house();
		const [a, b, c] = peers;
		a.deaf = true;
		device.do((node, now) => node.start({ bootstrap: [a.endpoint, b.endpoint, c.endpoint] }, now));
		world.advance(100);
		expect(joins(device)).toEqual([b.id]);
		expect(device.node.status(world.now)).toMatchObject({ role: "client", inOverlay: true, neighbours: [b.id] });
		expect(device.ok("ping", (node, now) => node.ping([nodeDestination(c.id)], now)).from.nodeId).toEqual(c.id);
		// Who worked is first among those worth remembering.
		const cached = device.event("cachedPeers");
		expect(cached[cached.length - 1]!.peers[0]).toEqual(b.endpoint);
	});

	test("stores and fetches; its own value, under its own name", () => {
		const { world, peers, device } = house();
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(100);
		const resource = device.node.resourceId(utf8ToBytes(device.identity.userName));
		const value = { exists: true, value: utf8ToBytes("door"), lifetimeS: 600 };
		device.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value] }], now));
		const { body } = device.ok("fetch", (node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
		expect(body.kinds[0]!.values[0]!.signer!.userName).toBe(device.identity.userName);
		device.ok("ping", (node, now) => node.ping([resourceDestination(resource)], now));
	});

	test("is reached by a destination list [its peer, itself]; it answers Ping and Probe, and Updates with nothing", () => {
		const { world, peers, device } = house();
		const [a, b] = peers;
		device.do((node, now) => node.start({ bootstrap: [b.endpoint] }, now));
		world.advance(100);
		const list = [nodeDestination(b.id), nodeDestination(device.id)];
		expect(a.ok("ping", (node, now) => node.ping(list, now)).from.nodeId).toEqual(device.id);
		const { body } = a.ok("probe", (node, now) => node.probe(list, [1, 3, 2], now));
		expect(body.info).toEqual([{ type: 3, value: 0 }]);
		expect(a.error((node, now) => node.routeQuery(list, nodeDestination(a.id), false, now))).toBe(
			ErrorCode.invalidMessage,
		);
		expect(a.error((node, now) => node.fetch(a.id, [{ kind: SINGLE_KIND }], now, { destination: list }))).toBe(
			ErrorCode.invalidMessage,
		);
	});

	test("routes nothing for others and opens no links for others", () => {
		const world = new World();
		const device = world.client("door");
		device.do((node, now) => node.start({ bootstrap: [] }, now));
		const peer = new WirePeer(world, device);
		const other = world.household.crypto.random(16);
		peer.send({
			code: MessageCode.pingReq,
			body: encode(writePingReq, { padding: EMPTY }),
			to: [nodeDestination(other)],
		});
		peer.send({ code: MessageCode.pingReq, to: [resourceDestination(other)] });
		expect(device.count("droppedNotOurs")).toBe(2);
		expect(peer.raw.length).toBe(0);
		const attach = { ufrag: EMPTY, password: EMPTY, role: utf8ToBytes("passive"), candidates: [], sendUpdate: false };
		peer.send({
			code: MessageCode.attachReq,
			body: encode(writeAttachReqAns, attach),
			to: [nodeDestination(device.id)],
		});
		expect(peer.error).toBe(ErrorCode.notFound);
		peer.send({ code: MessageCode.updateReq, to: [nodeDestination(device.id)] });
		expect(peer.last.contents.messageCode).toBe(MessageCode.updateAns);
		expect(device.error((node, now) => node.attach([nodeDestination(peer.id)], false, now))).toBe(ErrorCode.forbidden);
	});

	test("its peer ends: it moves to another one within a moment and goes on", () => {
		const { world, peers, device } = house();
		const [a, b, c] = peers;
		device.do((node, now) => node.start({ bootstrap: [a.endpoint, b.endpoint, c.endpoint] }, now));
		world.advance(100);
		world.kill(a);
		const start = world.now;
		world.until(() => joins(device).length === 2);
		expect(world.now - start).toBeLessThan(400);
		expect(joins(device)[1]).toEqual(b.id);
		expect(device.event("isolated").length).toBe(1);
		device.ok("ping", (node, now) => node.ping([nodeDestination(c.id)], now));
	});

	test("its peer loses power: it moves before the link is given up, and a request under way succeeds", () => {
		const { world, peers, device } = house();
		const [a, b, c] = peers;
		device.do((node, now) => node.start({ bootstrap: [a.endpoint, b.endpoint] }, now));
		world.advance(100);
		world.unplug(a);
		const result = device.ok("ping", (node, now) => node.ping([nodeDestination(c.id)], now));
		expect(result.rttMs).toBeLessThan(3_500);
		expect(joins(device)).toEqual([a.id, b.id]);
		world.advance(5_000);
		expect(device.node.connections.size).toBe(1);
	});

	test("its peer was only slow: it keeps one link in the end", () => {
		const { world, peers, device } = house();
		const [a, b] = peers;
		device.do((node, now) => node.start({ bootstrap: [a.endpoint, b.endpoint] }, now));
		world.advance(2_000);
		world.cut(device, a);
		world.until(() => device.event("isolated").length > 0);
		world.heal(device, a);
		world.advance(10_000);
		expect(device.node.connections.size).toBe(1);
		expect(device.node.status(world.now).inOverlay).toBe(true);
	});

	test("nobody there: it tries in turn, with growing pauses, and joins when one comes", () => {
		const { world, peers, device } = house();
		for (const peer of peers) peer.deaf = true;
		let connects = 0;
		const { connect } = world;
		world.connect = (...args) => {
			connects++;
			connect.apply(world, args);
		};
		device.do((node, now) => node.start({ bootstrap: peers.map(({ endpoint }) => endpoint) }, now));
		world.advance(60_000);
		expect(connects).toBeGreaterThan(10);
		expect(connects).toBeLessThan(40);
		expect(device.error((node, now) => node.ping([nodeDestination(peers[0].id)], now))).toBe(ErrorCode.requestTimeout);
		peers[2].deaf = false;
		world.until(() => joins(device).length > 0, 60_000);
		expect(joins(device)).toEqual([peers[2].id]);
	});

	test("endpoints found later (mDNS) are used", () => {
		const { world, peers, device } = house();
		device.do((node, now) => node.start({ bootstrap: [] }, now));
		world.advance(1_000);
		device.do((node, now) => node.discovered([peers[1].endpoint, peers[1].endpoint], now));
		world.advance(100);
		expect(joins(device)).toEqual([peers[1].id]);
	});

	test("leave closes the link and says so", () => {
		const { world, peers, device } = house();
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(100);
		device.do((node, now) => node.leave(now));
		expect(device.event("left").length).toBe(1);
		world.advance(60_000);
		expect(device.node.connections.size).toBe(0);
		expect(joins(device).length).toBe(1);
	});

	test("gets a newer configuration through its peer", () => {
		const { world, peers, device } = house();
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(100);
		const { household } = world;
		const document = household.write({ ...household.config, sequence: 23 });
		peers[0].input({ type: "document", bytes: document });
		device.ok("ping", (node, now) => node.ping([nodeDestination(peers[0].id)], now));
		expect(device.event("config")).toMatchObject([{ config: { sequence: 23 } }]);
	});

	test("idle: one keep-alive in 25 s, answered by an ack, nothing signed; its peer never has to ask", () => {
		const { world, peers, device } = house({ profile: DEVICE_PROFILE });
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(1_000);
		const signed = vi.spyOn(device.identity.key, "sign");
		const before = { device: device.sent.octets, peer: peers[0].count("keepAlives") };
		const discarded = peers[0].count("droppedHeader");
		world.advance(24_000);
		expect(device.sent.octets).toBe(before.device);
		world.advance(1_000);
		expect(device.sent.octets - before.device).toBe(8 + 38);
		world.advance(975_000);
		expect(device.count("keepAlives")).toBe(40);
		expect(device.sent.octets - before.device).toBe(40 * 46);
		expect(signed).not.toHaveBeenCalled();
		expect(peers[0].count("droppedHeader")).toBe(discarded);
		expect(joins(device).length).toBe(1);
	});

	test("an idle device notices that its peer lost power", () => {
		const { world, peers, device } = house({ profile: DEVICE_PROFILE });
		const [a, b] = peers;
		device.do((node, now) => node.start({ bootstrap: [a.endpoint, b.endpoint] }, now));
		world.advance(1_000);
		world.unplug(a);
		world.advance(28_000);
		expect(joins(device)).toEqual([a.id, b.id]);
	});

	test("its clock is not set: it joins whatever the dates, stores nothing, and learns the time from a Ping", () => {
		const { world, peers } = house();
		const device = world.client("early", { options: { wallMs: Number.NaN } });
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(100);
		expect(joins(device).length).toBe(1);
		const resource = device.node.resourceId(utf8ToBytes(device.identity.userName));
		const value = { exists: true, value: utf8ToBytes("door"), lifetimeS: 600 };
		const kinds = [{ kind: SINGLE_KIND, values: [value] }];
		expect(device.error((node, now) => node.store(resource, kinds, now))).toBe(ErrorCode.requestTimeout);
		const { body } = device.ok("ping", (node, now) => node.ping([nodeDestination(peers[0].id)], now));
		expect(Math.abs(body.ping.time - WALL - world.now)).toBeLessThan(20);
		device.input({ type: "clock", wallMs: body.ping.time });
		device.ok("store", (node, now) => node.store(resource, kinds, now));
	});

	test("its clock is set to a day when the certificates are not valid: refused, as ever", () => {
		const { world, peers } = house();
		const device = world.client("late", { options: { wallMs: Number.NaN } });
		device.input({ type: "clock", wallMs: WALL + 400 * 86_400_000 });
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(100);
		expect(joins(device).length).toBe(0);
		expect(device.event("refused")[0]!.reason).toContain("expired");
	});

	test("every peer turns it away: it asks ever less often, and its host is told", () => {
		const { world, peers, device } = house({ profile: DEVICE_PROFILE });
		const document = world.household.write({ ...world.household.config, sequence: 23, badNodes: [device.id] });
		for (const peer of peers) peer.input({ type: "document", bytes: document });
		world.advance(1_000);
		device.do((node, now) => node.start({ bootstrap: peers.map(({ endpoint }) => endpoint) }, now));
		world.advance(600_000);
		expect(device.event("refused").some(({ what }) => what === "client")).toBe(true);
		// Three at once, then pauses of 1 s up to 300 s.
		expect(joins(device).length).toBeLessThan(25);
	});

	test("an idle device gets a newer configuration with its next keep-alive", () => {
		const { world, peers, device } = house({ profile: DEVICE_PROFILE });
		device.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.advance(1_000);
		const document = world.household.write({ ...world.household.config, sequence: 23 });
		peers[0].input({ type: "document", bytes: document });
		world.advance(26_000);
		expect(device.event("config")).toMatchObject([{ config: { sequence: 23 } }]);
	});
});
