/** Attach and AppAttach (RFC 6940 §6.5.1, §6.5.2). */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { ipAddressPort } from "../../../core/wire/address.ts";
import {
	type AttachReqAns,
	type IceCandidate,
	readAttachReqAns,
	writeAttachReqAns,
} from "../../../core/wire/attach.ts";
import { bytesToUtf8, compareBytes, EMPTY, equalBytes, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ApplicationId, CandType, ErrorCode, MessageCode, OverlayLinkType } from "../../../core/wire/codes.ts";
import { type Destination, nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { errorResponse, writeErrorResponse } from "../../../core/wire/error.ts";
import { encode } from "../../../core/wire/writer.ts";
import { good, OVERLAY } from "./support/household.ts";
import { type Draft, WirePeer } from "./support/wire-peer.ts";
import { type Member, type MemberOptions, World } from "./support/world.ts";

function candidate(port: number, priority = 1, overlayLink: number = OverlayLinkType.tlsTcpFhNoIce): IceCandidate {
	const addrPort = ipAddressPort(new Uint8Array([10, 0, 0, 99]), port);
	return { addrPort, overlayLink, foundation: utf8ToBytes("1"), priority, type: CandType.host, extensions: [] };
}

function request(change: Partial<AttachReqAns> = {}): { code: number; body: Uint8Array } {
	const body = {
		ufrag: EMPTY,
		password: EMPTY,
		role: utf8ToBytes("passive"),
		candidates: [candidate(6084)],
		sendUpdate: false,
	};
	return { code: MessageCode.attachReq, body: encode(writeAttachReqAns, { ...body, ...change }) };
}

/** Two peers that meet only through a third. */
function trio(settings: MemberOptions = {}): { world: World; a: Member; b: Member; hub: Member } {
	const world = new World();
	const hub = world.peer("hub");
	const [a, b] = [world.peer("a", settings), world.peer("b", settings)];
	world.link(hub, a);
	world.link(hub, b);
	world.ring.next = (from) => (equalBytes(from, hub.id) ? b.id : hub.id);
	return { world, a, b, hub };
}

describe("Attach", () => {
	test("to a Node-ID: the answerer connects, both ends have the link", () => {
		const { a, b } = trio();
		const result = a.ok("attach", (node, now) => node.attach([nodeDestination(b.id)], false, now));
		expect(result.body.nodeId).toEqual(b.id);
		expect(result.from.nodeId).toEqual(b.id);
		expect(a.node.connections.find(b.id)!.initiated).toBe(false);
		expect(b.node.connections.find(a.id)!.initiated).toBe(true);
	});

	test("to a Resource-ID: leads to the peer that is responsible", () => {
		const { a, b } = trio();
		const result = a.ok("attach", (node, now) => node.attach([resourceDestination(b.id)], false, now));
		expect(result.body.nodeId).toEqual(b.id);
	});

	test("to a node that is linked already: done at once, without a second link", () => {
		const { a, hub } = trio();
		a.ok("attach", (node, now) => node.attach([nodeDestination(hub.id)], false, now));
		expect(hub.count("requestsServed")).toBe(0);
	});

	test("send_update: the answerer is told once the link is up; also when it was up before", () => {
		const { a, b, hub } = trio();
		a.ok("attach", (node, now) => node.attach([nodeDestination(b.id)], true, now));
		const types = b.static.seen.map((input) => input.type);
		expect(types.slice(-2)).toEqual(["linkUp", "updateWanted"]);
		a.ok("attach", (node, now) => node.attach([nodeDestination(hub.id)], true, now));
		expect(hub.static.seen[hub.static.seen.length - 1]).toMatchObject({ type: "updateWanted", nodeId: a.id });
		expect(hub.node.connections.size).toBe(2);
	});

	test("the link does not come: Error_Request_Timeout after ten seconds", () => {
		const { world, a, b } = trio();
		a.deaf = true;
		const token = a.do((node, now) => node.attach([nodeDestination(b.id)], false, now));
		world.advance(10_000);
		expect(a.results.has(token)).toBe(false);
		world.advance(1_000);
		expect(a.results.get(token)).toMatchObject({ ok: false, errorCode: ErrorCode.requestTimeout, info: "no link" });
		expect(b.count("connectsFailed")).toBe(1);
	});

	test("candidates are tried by priority, the next when one fails; unusable ones are ignored", () => {
		const world = new World();
		const b = world.peer("b");
		const a = new WirePeer(world, b);
		// The requester comes by another node, so that it has no link of its own.
		const hidden = world.household.enroll();
		const seen: number[] = [];
		world.connect = (_from, output) => {
			seen.push(output.port);
			expect(output.serverName).toBe(`${toHex(hidden.nodeId)}.${OVERLAY}`);
			world.at(world.now + 1, () => b.input({ type: "connectFailed", connect: output.connect, reason: "refused" }));
		};
		const candidates = [
			candidate(1001, 5),
			candidate(1002, 9),
			candidate(1003, 7, OverlayLinkType.dtlsUdpSrNoIce),
			candidate(9, 99),
			candidate(0, 98),
			{ ...candidate(1004, 8), addrPort: { type: 0 as const, code: 9, data: new Uint8Array(3) } },
		];
		a.send({ ...request({ candidates }), to: [nodeDestination(b.id)], as: hidden });
		world.advance(100);
		expect(seen).toEqual([1002, 1001]);
		const answer = good(readAttachReqAns(a.last.contents.messageBody));
		expect(bytesToUtf8(answer.role)).toBe("active");
		expect(answer.candidates.length).toBe(1);
		expect(answer.candidates[0]).toMatchObject({ overlayLink: OverlayLinkType.tlsTcpFhNoIce, type: CandType.host });
	});

	test.each([
		["not passive", request({ role: utf8ToBytes("active") }), ErrorCode.invalidMessage],
		["without a usable candidate", request({ candidates: [candidate(9)] }), ErrorCode.invalidMessage],
		[
			"mixing ICE and No-ICE",
			request({ candidates: [candidate(1), candidate(2, 1, OverlayLinkType.dtlsUdpSr)] }),
			ErrorCode.invalidMessage,
		],
		["unreadable", { code: MessageCode.attachReq, body: EMPTY }, ErrorCode.invalidMessage],
	])("%s: refused", (_name, draft: Pick<Draft, "code" | "body">, error) => {
		const world = new World();
		const b = world.peer("b");
		const a = new WirePeer(world, b);
		a.send({ ...draft, to: [nodeDestination(b.id)], as: world.household.enroll() });
		expect(a.error).toBe(error);
		expect(b.node.connections.size).toBe(1);
	});

	test("for a hosted identity: Error_Not_Found", () => {
		const world = new World();
		const b = world.peer("b");
		const hosted = world.household.enroll();
		b.node.addIdentity(hosted);
		const a = new WirePeer(world, b);
		a.send({ ...request(), to: [nodeDestination(b.id), nodeDestination(hosted.nodeId)] });
		expect(a.error).toBe(ErrorCode.notFound);
	});

	test("in an overlay with ICE, No-ICE candidates are of no use", () => {
		const world = new World({ config: { noIce: false } });
		const b = world.peer("b");
		const a = new WirePeer(world, b);
		a.send({ ...request(), to: [nodeDestination(b.id)], as: world.household.enroll() });
		expect(a.error).toBe(ErrorCode.invalidMessage);
	});

	test("without a listener of our own: told at once", () => {
		const world = new World();
		const a = world.peer("a", { options: { listen: [] } });
		const target = world.household.crypto.random(16);
		expect(a.error((node, now) => node.attach([nodeDestination(target)], false, now))).toBe(ErrorCode.forbidden);
	});

	test("more at once than the limit: told at once; as the answerer: Error_Not_Found", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { attaches: 1 } } });
		const b = new WirePeer(world, a);
		a.do((node, now) => node.attach([nodeDestination(world.household.crypto.random(16))], false, now));
		const target = world.household.crypto.random(16);
		expect(a.error((node, now) => node.attach([nodeDestination(target)], false, now))).toBe(ErrorCode.requestTimeout);
		b.send({ ...request(), to: [nodeDestination(a.id)], as: world.household.enroll() });
		expect(b.error).toBeUndefined();
		b.send({ ...request(), to: [nodeDestination(a.id)], as: world.household.enroll() });
		expect(b.error).toBe(ErrorCode.notFound);
	});
});

interface Crossed {
	readonly world: World;
	readonly a: Member;
	readonly hub: WirePeer;
	readonly peer: LocalIdentity;
	readonly token: number;
}

describe("two Attaches that cross", () => {
	/** `a` has asked `peer`, whose request comes in before an answer. */
	function crossed(isLarger: boolean): Crossed {
		const world = new World();
		const a = world.peer("a");
		const hub = new WirePeer(world, a);
		let peer = world.household.enroll();
		while (compareBytes(a.id, peer.nodeId) > 0 !== isLarger) peer = world.household.enroll();
		world.ring.members = [...world.ring.members, peer.nodeId];
		world.ring.next = () => hub.id;
		const token = a.do((node, now) => node.attach([nodeDestination(peer.nodeId)], false, now));
		hub.clear();
		hub.send({ ...request(), to: [nodeDestination(a.id)], as: peer });
		return { world, a, hub, peer, token };
	}

	test("the larger Node-ID answers Error_In_Progress and goes on", () => {
		const { world, a, hub, token } = crossed(true);
		expect(hub.error).toBe(ErrorCode.inProgress);
		expect(a.count("attachInProgress")).toBe(1);
		hub.clear();
		world.advance(1_000);
		expect(hub.messages.some(({ contents }) => contents.messageCode === MessageCode.attachReq)).toBe(true);
		expect(a.results.has(token)).toBe(false);
	});

	test("the smaller one cancels its own and serves the other's; that link is its result", () => {
		const { world, a, hub, peer, token } = crossed(false);
		expect(hub.last.contents.messageCode).toBe(MessageCode.attachAns);
		hub.clear();
		world.advance(3_000);
		expect(hub.messages.some(({ contents }) => contents.messageCode === MessageCode.attachReq)).toBe(false);
		new WirePeer(world, a, peer);
		world.advance(1);
		expect(a.results.get(token)).toMatchObject({ ok: true, body: { nodeId: peer.nodeId } });
	});

	test("one that is answered already: Error_In_Progress", () => {
		const { a, hub, world } = crossed(false);
		hub.clear();
		// The answerer is connecting: a further Attach of the same node is refused.
		const peer = world.household.enroll();
		hub.send({ ...request(), to: [nodeDestination(a.id)], as: peer });
		hub.send({ ...request(), to: [nodeDestination(a.id)], as: peer });
		expect(hub.error).toBe(ErrorCode.inProgress);
	});

	test("whole nodes: both succeed with one link", () => {
		const { world, a, b } = trio();
		const tokens = [
			a.do((node, now) => node.attach([nodeDestination(b.id)], false, now)),
			b.do((node, now) => node.attach([nodeDestination(a.id)], false, now)),
		];
		world.advance(1_000);
		expect(a.results.get(tokens[0]!)).toMatchObject({ ok: true });
		expect(b.results.get(tokens[1]!)).toMatchObject({ ok: true });
		expect(a.node.connections.allTo(b.id).length).toBe(1);
	});
});

describe("a neighbour with several Node-IDs", () => {
	test("is attached by a verified Attach over its link, and may send anything then", () => {
		const world = new World();
		const b = world.peer("b");
		const nodeIds = [world.household.crypto.random(16), world.household.crypto.random(16)];
		const a = new WirePeer(world, b, world.household.enroll({ nodeIds }));
		expect(b.node.connections.find(nodeIds[0]!)).toBeUndefined();
		a.send({ ...request(), to: [nodeDestination(b.id)] });
		expect(b.node.connections.find(nodeIds[0]!)).toBeDefined();
		a.clear();
		a.send({ code: MessageCode.updateReq, to: [nodeDestination(b.id)] });
		expect(a.last.contents.messageCode).toBe(MessageCode.updateAns);
	});

	test("the link that we wait for is bound to the Node-ID that answered", () => {
		const { world, a, b } = trio();
		const nodeIds = [b.id, world.household.crypto.random(16)];
		b.shows = world.household.enroll({ nodeIds: [...nodeIds].reverse() }).chain;
		a.ok("attach", (node, now) => node.attach([nodeDestination(b.id)], false, now));
		expect(a.node.connections.find(b.id)).toBeDefined();
	});
});

describe("AppAttach", () => {
	const SIPS = ApplicationId.sips;
	const listener = [{ application: SIPS, listen: [{ address: "192.168.1.7", port: 5061 }] }];

	test("passive: the answerer is told to connect to our application port, as the identity asked for", () => {
		const { world, a, b } = trio({ options: { applications: listener } });
		const hosted = world.household.enroll({ userName: "hall@overlay.example.org" });
		b.node.addIdentity(hosted);
		const to = [nodeDestination(b.id), nodeDestination(hosted.nodeId)];
		const result = a.ok("appAttach", (node, now) => node.appAttach(to, SIPS, now));
		expect(result.body).toEqual({
			type: "appAttach",
			expect: hosted.nodeId,
			connect: [],
			serverName: `${toHex(hosted.nodeId)}.${OVERLAY}`,
		});
		expect(b.event("appConnect")).toMatchObject([
			{
				address: "192.168.1.7",
				port: 5061,
				expect: a.id,
				application: SIPS,
				serverName: `${toHex(a.id)}.${OVERLAY}`,
				identity: { userName: "hall@overlay.example.org" },
			},
		]);
		// The host of the asking side knew whom to expect before the answer came.
		expect(a.event("appExpect")).toMatchObject([{ expect: hosted.nodeId, application: SIPS }]);
	});

	test("active: a device asks, gets the addresses, and the answerer expects it", () => {
		const { world, b, hub } = trio({ options: { applications: listener } });
		const device = world.client("door", { options: { applications: [] } });
		device.do((node, now) => node.start({ bootstrap: [hub.endpoint] }, now));
		world.advance(100);
		const result = device.ok("appAttach", (node, now) =>
			node.appAttach([nodeDestination(b.id)], SIPS, now, { role: "active" }),
		);
		expect(result.body.connect).toEqual([{ address: "192.168.1.7", port: 5061 }]);
		expect(result.body.expect).toEqual(b.id);
		expect(b.event("appExpect")).toMatchObject([{ expect: device.id, application: SIPS }]);
		expect(b.event("appConnect")).toEqual([]);
	});

	test("a device answers as the active end", () => {
		const { world, a, hub } = trio({ options: { applications: listener } });
		const device = world.client("door", { options: { applications: [{ application: SIPS, listen: [] }] } });
		device.do((node, now) => node.start({ bootstrap: [hub.endpoint] }, now));
		world.advance(100);
		const to = [nodeDestination(hub.id), nodeDestination(device.id)];
		a.ok("appAttach", (node, now) => node.appAttach(to, SIPS, now));
		expect(device.event("appConnect")).toMatchObject([{ address: "192.168.1.7", port: 5061, expect: a.id }]);
		// It has no server: who asks it to be one is told so.
		expect(a.error((node, now) => node.appAttach(to, SIPS, now, { role: "active" }))).toBe(ErrorCode.notFound);
	});

	test("an application that is not supported: Error_Not_Found", () => {
		const { a, b } = trio({ options: { applications: listener } });
		const error = a.error((node, now) => node.appAttach([nodeDestination(b.id)], 4711, now, { role: "active" }));
		expect(error).toBe(ErrorCode.notFound);
	});

	test("without a listener, or as somebody else: told at once", () => {
		const { world, a, b } = trio();
		expect(a.error((node, now) => node.appAttach([nodeDestination(b.id)], SIPS, now))).toBe(ErrorCode.forbidden);
		const as = world.household.crypto.random(16);
		const error = a.error((node, now) => node.appAttach([nodeDestination(b.id)], SIPS, now, { role: "active", as }));
		expect(error).toBe(ErrorCode.forbidden);
	});
});

test("who was told Error_In_Progress does not refuse the other's Attach while it waits for it", () => {
	const world = new World();
	const a = world.peer("a");
	const hub = new WirePeer(world, a);
	const peer = world.household.enroll();
	world.ring.members = [...world.ring.members, peer.nodeId];
	world.ring.next = () => hub.id;
	const token = a.do((node, now) => node.attach([nodeDestination(peer.nodeId)], false, now));
	const { transactionIdHigh: high, transactionIdLow: low } = hub.last.header;
	const body = encode(writeErrorResponse, errorResponse(ErrorCode.inProgress));
	hub.send({ code: MessageCode.error, body, to: [nodeDestination(a.id)], as: peer, transaction: { high, low } });
	expect(a.results.has(token)).toBe(false);
	hub.send({ ...request(), to: [nodeDestination(a.id)], as: peer });
	expect(hub.last.contents.messageCode).toBe(MessageCode.attachAns);
	new WirePeer(world, a, peer);
	expect(a.results.get(token)).toMatchObject({ ok: true });
});

describe("an Attach of a node to which a link is there already", () => {
	/** B with an old link to a node that asks it by way of another one; where B connects to. */
	function restarted(to: (b: Member) => Destination) {
		const world = new World();
		const b = world.peer("b");
		const peer = world.household.enroll();
		const old = new WirePeer(world, b, peer);
		old.silent = true;
		const hub = new WirePeer(world, b);
		const ports: number[] = [];
		world.connect = (_from, output) => ports.push(output.port);
		world.advance(4_000);
		const ask = () => hub.send({ ...request({ sendUpdate: true }), to: [to(b)], as: peer });
		return { world, b, peer, ports, ask };
	}

	test("to our Node-ID, not over that link: it has lost it, and is connected to", () => {
		const { ports, ask } = restarted((b) => nodeDestination(b.id));
		ask();
		expect(ports).toEqual([6084]);
	});

	test("to a Resource-ID, by another way: connected to when it does not answer over that link within half a second", () => {
		const { world, b, ports, ask } = restarted((b) => resourceDestination(b.id));
		ask();
		world.advance(499);
		expect(ports).toEqual([]);
		expect(b.static.seen.some(({ type }) => type === "updateWanted")).toBe(true);
		world.advance(1);
		expect(ports).toEqual([6084]);
	});

	test("it has linked with us by itself meanwhile: not connected to, and sent the Update it wants", () => {
		const { world, b, peer, ports, ask } = restarted((b) => resourceDestination(b.id));
		ask();
		world.advance(100);
		new WirePeer(world, b, peer);
		world.advance(1_000);
		expect(ports).toEqual([]);
		expect(b.static.seen.filter(({ type }) => type === "updateWanted")).toMatchObject([{ nodeId: peer.nodeId }]);
	});

	test("it answers over that link: no second one, and it is sent the Update it wants", () => {
		const { world, a, b, hub } = trio();
		world.link(a, b);
		world.advance(4_000);
		const to = [nodeDestination(hub.id), resourceDestination(b.id)];
		const result = a.ok("attach", (node, now) => node.attach(to, true, now));
		expect(result.body.nodeId).toEqual(b.id);
		world.advance(2_000);
		expect(b.static.seen.filter(({ type }) => type === "updateWanted")).toMatchObject([{ nodeId: a.id }]);
		expect(b.node.connections.allTo(a.id).length).toBe(1);
		expect(b.count("linksUp")).toBe(2);
	});
});
