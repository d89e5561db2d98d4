/** Hostile neighbours: whatever they send, the node neither throws nor stops serving; every step of a story may fail. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeAppAttach, writeAttachReqAns } from "../../../core/wire/attach.ts";
import { EMPTY, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { MessageCode } from "../../../core/wire/codes.ts";
import { writeConfigUpdateReq } from "../../../core/wire/config-update.ts";
import { nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { writeFetchReq } from "../../../core/wire/fetch.ts";
import { writeFindReq } from "../../../core/wire/find.ts";
import { writeJoinReq } from "../../../core/wire/join.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { writeProbeReq } from "../../../core/wire/probe.ts";
import { writeRouteQueryReq } from "../../../core/wire/route-query.ts";
import { encode } from "../../../core/wire/writer.ts";
import { SINGLE_KIND } from "./support/household.ts";
import { compose, WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const RUNS = { numRuns: 300, seed: 7 };

/** One well-formed request of every method. */
function requests(world: World, id: Uint8Array): { code: number; body: Uint8Array }[] {
	const attach = { ufrag: EMPTY, password: EMPTY, role: utf8ToBytes("passive"), candidates: [] };
	const specifiers = [{ kind: SINGLE_KIND, generation: 0, model: "single" as const }];
	const fetch = encode(writeFetchReq, { resource: id, specifiers });
	const configData = world.household.document;
	return [
		{ code: MessageCode.pingReq, body: encode(writePingReq, { padding: new Uint8Array(5) }) },
		{ code: MessageCode.probeReq, body: encode(writeProbeReq, { requestedInfo: [1, 2, 3, 9] }) },
		{ code: MessageCode.attachReq, body: encode(writeAttachReqAns, { ...attach, sendUpdate: true }) },
		{ code: MessageCode.appAttachReq, body: encode(writeAppAttach, { ...attach, application: 5061 }) },
		{ code: MessageCode.fetchReq, body: fetch },
		{ code: MessageCode.statReq, body: fetch },
		{ code: MessageCode.findReq, body: encode(writeFindReq, { resource: id, kinds: [SINGLE_KIND] }) },
		{ code: MessageCode.storeReq, body: new Uint8Array([16, ...id, 0, 0, 0, 0, 0]) },
		{ code: MessageCode.joinReq, body: encode(writeJoinReq, { joiningPeerId: id, overlaySpecificData: EMPTY }) },
		{ code: MessageCode.updateReq, body: new Uint8Array(5) },
		{ code: MessageCode.leaveReq, body: encode(writeJoinReq, { joiningPeerId: id, overlaySpecificData: EMPTY }) },
		{
			code: MessageCode.routeQueryReq,
			body: encode(writeRouteQueryReq, {
				sendUpdate: true,
				destination: nodeDestination(id),
				overlaySpecificData: EMPTY,
			}),
		},
		{ code: MessageCode.configUpdateReq, body: encode(writeConfigUpdateReq, { type: 1, configData }) },
		{ code: MessageCode.error, body: new Uint8Array([0, 2, 0, 0]) },
		{ code: MessageCode.pingAns, body: new Uint8Array(16) },
	];
}

function serves(world: World, a: Member): boolean {
	const witness = new WirePeer(world, a);
	const body = encode(writePingReq, { padding: EMPTY });
	witness.send({ code: MessageCode.pingReq, body, to: [nodeDestination(a.id)] });
	const answered = witness.raw.length > 0;
	a.input({ type: "linkDown", link: witness.number, reason: "done" });
	return answered;
}

describe.each(["static", "CHORD-RELOAD", "EXP-OVERLAY"])("a peer of %s", (topology) => {
	function bench(): { world: World; a: Member; b: WirePeer } {
		const world = new World();
		// Everything gets as far as its signature check, however much of it is bad.
		const a = world.peer("a", { topology, options: { limits: { signatureChecks: 1e9 } } });
		if (topology !== "static") a.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		return { world, a, b: new WirePeer(world, a) };
	}

	test("any octets as a message", () => {
		const { world, a, b } = bench();
		fc.assert(
			fc.property(fc.uint8Array({ minLength: 38, maxLength: 400 }), (octets) => {
				octets.set([0xd2, 0x45, 0x4c, 0x4f]);
				b.raise(octets);
			}),
			RUNS,
		);
		expect(serves(world, a)).toBe(true);
	});

	test("any body under a good signature", () => {
		const { world, a, b } = bench();
		const codes = requests(world, a.id).map(({ code }) => code);
		fc.assert(
			fc.property(fc.constantFrom(...codes), fc.uint8Array({ maxLength: 80 }), (code, body) => {
				b.send({ code, body, to: [nodeDestination(a.id)] });
				b.send({ code, body, to: [resourceDestination(a.id)] });
			}),
			RUNS,
		);
		world.advance(30_000);
		expect(serves(world, a)).toBe(true);
	});

	test("every method with any octet of the message changed", () => {
		const { world, a, b } = bench();
		const messages = requests(world, a.id).map((draft) =>
			compose(world, b.identity, { ...draft, to: [nodeDestination(a.id)] }),
		);
		fc.assert(
			fc.property(fc.constantFrom(...messages), fc.nat(), fc.nat(255), (message, where, what) => {
				const octets = message.slice();
				octets[where % octets.length] = what;
				b.raise(octets);
			}),
			RUNS,
		);
		for (const message of messages) b.raise(message);
		world.advance(30_000);
		expect(serves(world, a)).toBe(true);
	});

	test("any octets as a stream", () => {
		fc.assert(
			fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (chunks) => {
				const { world, a, b } = bench();
				for (const bytes of chunks) a.input({ type: "bytes", link: b.number, bytes });
				expect(serves(world, a)).toBe(true);
			}),
			{ ...RUNS, numRuns: 40 },
		);
	});

	test("inputs about links, connects and batches that never were", () => {
		const { world, a } = bench();
		a.input({ type: "bytes", link: 999, bytes: new Uint8Array(3) });
		a.input({ type: "drained", link: 999 });
		a.input({ type: "linkDown", link: 999, reason: "?" });
		a.input({ type: "connectFailed", connect: 999, reason: "?" });
		a.input({ type: "persisted", batch: 999 });
		expect(serves(world, a)).toBe(true);
	});
});

describe("failure at every step", () => {
	/** Three peers join and store; at the n-th octets sent, the stream breaks. */
	function story(n: number): { done: boolean; steps: number } {
		const world = new World({ seed: 3 });
		const peers = ["a", "b", "c"].map((name) => world.peer(name, { topology: "CHORD-RELOAD" })) as [
			Member,
			Member,
			Member,
		];
		let steps = 0;
		for (const peer of peers) {
			const { input } = peer;
			peer.input = (what) => {
				if (what.type === "bytes" && ++steps === n) {
					const stream = peer.streams.get(what.link);
					if (stream !== undefined) world.close(stream);
					input.call(peer, { type: "linkDown", link: what.link, reason: "broken by the test" });
					return;
				}
				input.call(peer, what);
			};
		}
		peers[0].do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		for (const peer of peers.slice(1)) peer.do((node, now) => node.start({ bootstrap: [peers[0].endpoint] }, now));
		world.until(() => peers.every((peer) => peer.event("joined").length > 0), 60_000);
		const resource = peers[1].node.resourceId(utf8ToBytes(peers[1].identity.userName));
		const values = [{ exists: true, value: utf8ToBytes("x"), lifetimeS: 600 }];
		const stored = peers[1].ask((node, now) => node.store(resource, [{ kind: SINGLE_KIND, values }], now));
		const read = peers[2].ask((node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
		world.advance(10_000);
		const leaks = peers.map((peer) => peer.node.requests.size).reduce((sum, size) => sum + size, 0);
		return { done: stored.ok && read.ok && leaks < 4, steps };
	}

	test("the n-th octets of three peers that join and store break their stream, n = 1, 2, 3, ...", () => {
		const { steps } = story(-1);
		expect(steps).toBeGreaterThan(20);
		const failed: number[] = [];
		for (let n = 1; n <= Math.min(steps, 90); n++) if (!story(n).done) failed.push(n);
		expect(failed).toEqual([]);
	}, 120_000);
});
