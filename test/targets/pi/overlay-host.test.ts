/** One overlay node on real sockets: what the host adds to the sans-IO node. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { makeCertificate } from "../../../core/identity/certificate-writer.ts";
import { makeLocalIdentity } from "../../../core/identity/signer.ts";
import { HOUSE_PROFILE, RFC_PROFILE } from "../../../core/overlay/profile.ts";
import { toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, KindId } from "../../../core/wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { OverlayError, OverlayHost } from "../../../targets/pi/overlay-host.ts";
import { makePeerNode, timerProfile } from "../../../targets/pi/overlay-peer.ts";
import { OverlayPeer, TestLog, until } from "./composed.ts";
import { crypto, DAY_MS, DOMAIN, good, Realm } from "./realm.ts";
import { MemoryStore } from "./support.ts";

async function two(): Promise<{ realm: Realm; one: OverlayPeer; other: OverlayPeer }> {
	const realm = new Realm();
	const one = await OverlayPeer.open(realm);
	await one.start();
	const other = await OverlayPeer.open(realm);
	await other.start(one);
	return { realm, one, other };
}

describe("commands", () => {
	test("resolve with what the other peer answers, and who signed it", async () => {
		const { one, other } = await two();
		const answer = await one.host.ping([nodeDestination(other.identity.nodeId)]);
		expect(toHex(answer.from.nodeId)).toBe(toHex(other.identity.nodeId));
		expect(answer.rttMs).toBeGreaterThan(0);
		const probe = await one.host.probe([nodeDestination(other.identity.nodeId)], [1, 2, 3]);
		expect(probe.body.info.map(({ type }) => type)).toEqual([1, 2, 3]);
		const trace = await one.host.trace(nodeDestination(other.identity.nodeId));
		expect(trace.body.complete).toBe(true);
	});

	test("reject with the overlay's error", async () => {
		const { one } = await two();
		const bad = one.host.store(crypto.random(16), [
			{
				kind: KindId.sipRegistration,
				values: [{ exists: true, value: new Uint8Array(1), lifetimeS: 60, key: crypto.random(16) }],
			},
		]);
		await expect(bad).rejects.toBeInstanceOf(OverlayError);
		await expect(bad).rejects.toMatchObject({ errorCode: ErrorCode.forbidden });
	});

	test("after the end they are refused at once; those under way, too", async () => {
		const { one, other } = await two();
		other.close();
		const underWay = one.host.ping([nodeDestination(other.identity.nodeId)]);
		one.host.close();
		for (const asked of [underWay, one.host.ping([resourceDestination(crypto.random(16))])])
			await expect(asked).rejects.toThrow("this node has stopped");
		one.host.close();
		await one.host.stop();
	});
});

describe("stopping", () => {
	test("the others are told: no failure is looked for, what was stored stays", async () => {
		const { one, other } = await two();
		const value = { exists: true, value: utf8ToBytes("x"), lifetimeS: 600, index: 0 };
		await other.host.store(other.host.node.resourceId(other.identity.nodeId), [
			{ kind: KindId.certificateByNode, values: [value] },
		]);
		const began = performance.now();
		await other.host.stop();
		expect(performance.now() - began).toBeLessThan(3_000);
		expect(other.event("left").length).toBe(1);
		await until(() => one.status().links.length === 0);
		const { body } = await one.host.fetch(one.host.node.resourceId(other.identity.nodeId), [
			{ kind: KindId.certificateByNode },
		]);
		expect(body.kinds[0]?.values.length).toBe(1);
	});

	test("one that never got into the overlay stops soon, too", async () => {
		const realm = new Realm();
		const alone = await OverlayPeer.open(realm);
		alone.host.start({ bootstrap: [{ address: "127.0.0.1", port: 9 }] });
		const began = performance.now();
		await alone.host.stop();
		expect(performance.now() - began).toBeLessThan(3_000);
	});
});

describe("links", () => {
	test("nobody at the address: counted, logged for those who look closely, tried again", async () => {
		const realm = new Realm();
		const gone = await OverlayPeer.open(realm);
		const { endpoint } = gone;
		gone.close();
		const peer = await OverlayPeer.open(realm);
		peer.host.start({ bootstrap: [endpoint] });
		const line = await peer.log.line("link.connectFailed");
		expect(line.level).toBe("debug");
		expect(line.fields).toMatchObject({ address: "127.0.0.1", port: endpoint.port });
		expect(String(line.fields.reason)).toContain("ECONNREFUSED");
		await until(() => peer.count("connectsFailed") >= 2);
	});

	test("a killed neighbour is noticed by the end of its link", async () => {
		const { one, other } = await two();
		other.close();
		await until(() => one.event("peerDown").length === 1);
	});

	test("a certificate that was renewed is the one that new links show", async () => {
		const { realm, one } = await two();
		const { identity } = one;
		const der = makeCertificate(
			{
				notBeforeMs: Date.now() - 1000,
				notAfterMs: Date.now() + 15 * DAY_MS,
				spki: identity.key.spki,
				nodeIds: [identity.nodeId],
				userName: identity.userName,
				overlayName: DOMAIN,
			},
			realm.issuer,
			crypto,
		);
		const renewed = good(makeLocalIdentity({ chain: [der], key: identity.key }, crypto));
		one.host.setIdentity(renewed);
		const third = await OverlayPeer.open(realm);
		await third.start(one);
		const shown = third.host.node.connections.find(identity.nodeId)?.certificate.der;
		expect(toHex(shown ?? new Uint8Array(0))).toBe(toHex(der));
		const { from } = await third.host.ping([nodeDestination(identity.nodeId)]);
		expect(toHex(from.certificate.der)).toBe(toHex(der));
	});

	test("a port that another program has", async () => {
		const { realm, one } = await two();
		await expect(OverlayPeer.open(realm, { port: one.endpoint.port })).rejects.toThrow(
			/EADDRINUSE.*; another program has this port: stop it, or choose another with --link$/,
		);
	});
});

describe("the machine beneath", () => {
	test("a clock that somebody sets is noticed and told to the node", async () => {
		vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
		onTestFinished(() => void vi.useRealTimers());
		const realm = new Realm();
		const identity = realm.identity();
		const log = new TestLog();
		let skewMs = 0;
		const clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() + skewMs };
		const store = new MemoryStore();
		const { config, document } = realm;
		const host = await OverlayHost.open({
			identity,
			listen: { address: "127.0.0.1", port: 0 },
			store,
			clock,
			log: log.log,
			node: (options) =>
				makePeerNode({ ...options, identity, config, configBytes: document, crypto, store, log: log.log }),
		});
		onTestFinished(() => host.close());
		host.start({ first: true, bootstrap: [] });
		const wallMs = (): number => host.command((node, now) => node.wallMs(now));
		vi.advanceTimersByTime(60_000);
		expect(log.of("clock.set")).toEqual([]);
		skewMs = DAY_MS;
		expect(Math.abs(wallMs() - Date.now())).toBeLessThan(5_000);
		vi.advanceTimersByTime(10_000);
		expect(Math.abs(wallMs() - Date.now() - DAY_MS)).toBeLessThan(5_000);
		expect(log.of("clock.set").length).toBe(1);
		vi.advanceTimersByTime(60_000);
		expect(log.of("clock.set").length).toBe(1);
	});

	test("a disk that fails: nothing is acknowledged, and the peer goes on", async () => {
		const realm = new Realm();
		const store = new MemoryStore();
		const peer = await OverlayPeer.open(realm, { store });
		await peer.start();
		store.failing = "the disk is full";
		const resource = peer.host.node.resourceId(peer.identity.nodeId);
		const value = { exists: true, value: utf8ToBytes("x"), lifetimeS: 600, index: 0 };
		const kinds = [{ kind: KindId.certificateByNode, values: [value] }];
		await expect(peer.host.store(resource, kinds)).rejects.toBeInstanceOf(OverlayError);
		expect(peer.count("persistFailures")).toBeGreaterThan(0);
		store.failing = undefined;
		await expect
			.poll(
				() =>
					peer.host.store(resource, kinds).then(
						() => true,
						() => false,
					),
				{ timeout: 10_000 },
			)
			.toBe(true);
	});

	test("timers as the document says, by profile", () => {
		const { config } = new Realm({ overlayReliabilityTimerMs: 1234, chordUpdateIntervalS: 77, chordPingIntervalS: 99 });
		expect(timerProfile(config)).toEqual({
			...HOUSE_PROFILE,
			overlayReliabilityMs: 1234,
			chordUpdateMs: 77_000,
			chordPingMs: 99_000,
		});
		expect(timerProfile({ ...config, profile: "rfc" })).toMatchObject({
			name: "rfc",
			linkIdleMs: RFC_PROFILE.linkIdleMs,
		});
	});

	test("a topology plug-in of the future: the program says to update it", async () => {
		const realm = new Realm({ topologyPlugin: "TORUS-OVERLAY" });
		await expect(OverlayPeer.open(realm)).rejects.toThrow(
			"the overlay uses TORUS-OVERLAY, which this Ringlet does not have; update it",
		);
	});
});
