/** AppAttach connections over real TLS on the loopback; clock and timers stand still unless told. */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { ApplicationId } from "../../../core/wire/codes.ts";
import { type Destination, nodeDestination } from "../../../core/wire/destination.ts";
import {
	APP_CONNECT_MS,
	type AppAttacher,
	EXPECT_MS,
	IDLE_MS,
	KEEPALIVE_ANSWER_MS,
	KEEPALIVE_IN_MS,
	RECHECK_MS,
	SILENT_CONNECT_MS,
} from "../../../targets/pi/app-connections.ts";
import { HEAD_START_MS } from "../../../targets/pi/first-connection.ts";
import { MAX_SILENT, SILENT_FOR_MS, SilentNodes } from "../../../targets/pi/silent-nodes.ts";
import { announced, attach, octets, pair, realm, Side, stranger } from "./app-connections-support.ts";
import { Realm } from "./realm.ts";
import { ManualClock } from "./support.ts";

describe("coming up", () => {
	test("a connection that was agreed on is up at both ends, each knowing the other, and carries octets both ways", async () => {
		const { a, b, ab, ba } = await pair();
		expect(toHex(ab.remoteNodeId)).toBe(toHex(b.identity.nodeId));
		expect(ab.remoteUser).toBe(b.identity.userName);
		expect(ba.remoteUser).toBe(a.identity.userName);
		expect(ba.local).toBe(b.identity);
		expect(ab.send(octets("OPTIONS"))).toBe(true);
		expect(ba.send(octets("200"))).toBe(true);
		await b.happenings.seen("bytes");
		await a.happenings.seen("bytes");
		expect([a.received, b.received]).toEqual(["200", "OPTIONS"]);
	});

	test("it is shared: asked for again, also twice at once, the same one serves", async () => {
		const [a, b] = [await Side.open(), await Side.open()];
		const [one, two] = await Promise.all([a.ask(b), a.ask(b)]);
		expect(two).toBe(one);
		expect(await a.ask(b)).toBe(one);
		expect(a.connections.size).toBe(1);
		await b.happenings.seen("up");
		expect(b.connections.find(b.identity, a.identity.nodeId)).toBe(b.up[0]);
	});

	test("each hosted identity has its own: the server shows the certificate that is asked for", async () => {
		const [a, b] = [await Side.open(3), await Side.open(2)];
		const [, a1, a2] = a.identities as [LocalIdentity, LocalIdentity, LocalIdentity];
		const [, b1] = b.identities as [LocalIdentity, LocalIdentity];
		const connections = [await a.ask(b, { as: a1, to: b1 }), await a.ask(b, { as: a2, to: b1 })];
		await b.happenings.seen("up", 2);
		expect(connections.map(({ remoteUser }) => remoteUser)).toEqual([b1.userName, b1.userName]);
		expect(b.up.map(({ remoteUser }) => remoteUser)).toEqual([a1.userName, a2.userName]);
	});

	test("both ends ask at once: two connections live side by side, and neither end closes one", async () => {
		const [a, b] = [await Side.open(), await Side.open()];
		const [ab, ba] = await Promise.all([a.ask(b), b.ask(a)]);
		await a.happenings.seen("up", 2);
		await b.happenings.seen("up", 2);
		expect([a.connections.size, b.connections.size]).toEqual([2, 2]);
		expect(ab.send(octets("x")) && ba.send(octets("y"))).toBe(true);
		await a.happenings.seen("bytes");
		await b.happenings.seen("bytes");
		expect([...a.happenings.list, ...b.happenings.list].filter((one) => one.startsWith("down"))).toEqual([]);
	});

	test("the same direction again (the other end has restarted): the newer one takes the place of the older", async () => {
		const { a, b, ab } = await pair();
		a.connections.handleEvent({
			type: "appExpect",
			identity: a.identity,
			expect: b.identity.nodeId,
			application: ApplicationId.sip,
		});
		b.connectOut(a, b.identity, a.identity);
		await b.happenings.seen("down: replaced by a newer connection");
		await a.happenings.until(() => a.up.length === 2 && a.connections.size === 1);
		expect(a.connections.find(a.identity, b.identity.nodeId)?.id).not.toBe(ab.id);
		expect(b.connections.size).toBe(1);
	});

	test.each([
		["refuses: the next one is tried at once", ["closed"], 0],
		["is silent: the next one is tried after a head start", ["silent"], 1],
		["is silent, and so on", ["silent", "closed", "silent"], 3],
	])("the first address %s", async (_name, dead, headStarts) => {
		const [a, b, nobody] = [await Side.open(), await Side.open(), await Side.open()];
		const closed = nobody.endpoint;
		nobody.connections.close();
		const candidates = dead.map((how) => (how === "closed" ? closed : { address: "192.0.2.1", port: 9 }));
		const attacher: AppAttacher = {
			appAttach: async () => {
				b.connectOut(a, b.identity, a.identity, [...candidates, a.endpoint]);
				return { ok: true } as never;
			},
		};
		const waiting = a.connections.connection(attacher, a.identity, [nodeDestination(b.identity.nodeId)]);
		for (let i = 0; i < headStarts; i++) b.timers.advance(HEAD_START_MS);
		expect((await waiting).remoteUser).toBe(b.identity.userName);
	});
});

describe("turned away", () => {
	test("nobody announced it: closed, and the log says what is missing", async () => {
		const a = await Side.open();
		const { heard } = await stranger(a, realm.identity());
		await heard.seen("end");
		expect(a.connections.size).toBe(0);
		expect(a.logged.at(-1)).toMatchObject({ event: "app.refused" });
		expect(String(a.logged.at(-1)?.fields.reason)).toContain("without an AppAttach that announced it");
	});

	test("another node than the one that was announced: closed", async () => {
		const [a, b] = [await Side.open(), realm.identity()];
		a.connections.handleEvent({
			type: "appExpect",
			identity: a.identity,
			expect: b.nodeId,
			application: ApplicationId.sip,
		});
		const { heard } = await stranger(a, realm.identity());
		await heard.seen("end");
		expect(a.up).toEqual([]);
		// The announcement still stands for the right one.
		await stranger(a, b);
		await a.happenings.seen("up");
	});

	test("the announced node, to another of our identities: closed", async () => {
		const a = await Side.open(2);
		const b = realm.identity();
		const [first, second] = a.identities as [LocalIdentity, LocalIdentity];
		a.connections.handleEvent({ type: "appExpect", identity: first, expect: b.nodeId, application: ApplicationId.sip });
		const { heard } = await stranger(a, b, second);
		await heard.seen("end");
		expect(a.up).toEqual([]);
	});

	test("an announcement runs out", async () => {
		const [a, b] = [await Side.open(), realm.identity()];
		const expected = { identity: a.identity, expect: b.nodeId, application: ApplicationId.sip };
		a.connections.handleEvent({ type: "appExpect", ...expected });
		a.clock.advance(EXPECT_MS + 1);
		const { heard } = await stranger(a, b);
		await heard.seen("end");
		expect(a.up).toEqual([]);
	});

	test("the server we connect to has another certificate than was agreed on: closed by us, logged", async () => {
		const [a, b] = [await Side.open(), await Side.open()];
		b.connectOut(a, b.identity, realm.identity());
		await b.happenings.seen("app.refused");
		expect(b.up).toEqual([]);
		expect(String(b.logged.at(-1)?.fields.reason)).toContain("another Node-ID than was agreed on");
	});

	test("a certificate of another overlay: closed", async () => {
		const a = await Side.open();
		const foreign = new Realm().identity();
		const expected = { identity: a.identity, expect: foreign.nodeId, application: ApplicationId.sip };
		a.connections.handleEvent({ type: "appExpect", ...expected });
		const { heard } = await stranger(a, foreign);
		await heard.seen("end");
		expect(a.up).toEqual([]);
		expect(a.logged.at(-1)?.fields.reason).toMatch(/chain|issuer|root/);
	});

	test("the AppAttach is refused: the asker hears why", async () => {
		const [a, b] = [await Side.open(), await Side.open()];
		await expect(a.ask(b, { to: realm.identity() })).rejects.toThrow("Error_Not_Found");
	});

	test("a destination list that ends in no Node-ID", async () => {
		const a = await Side.open();
		await expect(a.connections.connection(attach(a, a), a.identity, [])).rejects.toThrow("does not end in a Node-ID");
	});

	test("agreed on, but nobody comes: the asker hears it in time; who should have come says why in its log", async () => {
		const [a, b, gone] = [await Side.open(), await Side.open(), await Side.open()];
		const nowhere = gone.endpoint;
		gone.connections.close();
		const asking = a.connections.connection(
			{
				appAttach: async () => {
					b.connectOut(a, b.identity, a.identity, [nowhere]);
					return { ok: true } as never;
				},
			},
			a.identity,
			[nodeDestination(b.identity.nodeId)],
		);
		await b.happenings.seen("app.connectFailed");
		expect(String(b.logged.at(-1)?.fields.to)).toBe(`127.0.0.1:${nowhere.port}`);
		a.advance(APP_CONNECT_MS);
		await expect(asking).rejects.toThrow(`within ${APP_CONNECT_MS} ms`);
	});
});

describe("a node that was silent", () => {
	/** Agrees to connect, and never does. */
	const dead: AppAttacher = { appAttach: async () => ({ ok: true }) as never };

	async function waitsFor(side: Side, ms: number, destination: readonly Destination[]): Promise<void> {
		let ended = false;
		const asking = side.connections.connection(dead, side.identity, destination).catch((error: Error) => {
			ended = true;
			expect(error.message).toContain(`within ${ms} ms`);
		});
		side.timers.advance(ms - 1);
		await Promise.resolve();
		expect(ended).toBe(false);
		side.timers.advance(1);
		await asking;
		expect(ended).toBe(true);
	}

	test("is waited for shortly the next time, by whichever identity, until it has been quiet about it for a minute", async () => {
		const a = await Side.open();
		const [peer, one, other] = [realm.identity(), realm.identity(), realm.identity()];
		const to = (last: LocalIdentity): Destination[] => [nodeDestination(peer.nodeId), nodeDestination(last.nodeId)];
		await waitsFor(a, APP_CONNECT_MS, to(one));
		await waitsFor(a, SILENT_CONNECT_MS, to(one));
		await waitsFor(a, SILENT_CONNECT_MS, to(other));
		a.clock.advance(SILENT_FOR_MS);
		await waitsFor(a, APP_CONNECT_MS, to(one));
	});

	test("so is one whose connection was lost; one that comes is trusted again", async () => {
		const { a, b } = await pair();
		const to = [nodeDestination(b.identity.nodeId)];
		b.connections.close();
		await a.happenings.until(() => a.connections.size === 0);
		await waitsFor(a, SILENT_CONNECT_MS, to);
		const again = await Side.open();
		again.identities.splice(0, 1, b.identity);
		again.connections.setIdentities([b.identity]);
		await a.ask(again);
		a.connections.find(a.identity, b.identity.nodeId)?.close("by the test");
		await waitsFor(a, APP_CONNECT_MS, to);
	});
});

describe("staying up", () => {
	test("a revoked certificate closes the connection at the next look, here and there", async () => {
		const { a, b } = await pair();
		a.connections.recheck();
		expect(a.connections.size).toBe(1);
		a.trust.setBadNodes([b.identity.nodeId]);
		a.connections.recheck();
		expect(a.connections.size).toBe(0);
		expect(a.happenings.list.at(-1)).toContain("revoked");
		await b.happenings.until(() => b.connections.size === 0);
	});

	test("a certificate that has run out closes it, too", async () => {
		const { a } = await pair();
		a.clock.advance(30 * 86_400_000);
		a.connections.recheck();
		expect(a.connections.size).toBe(0);
		expect(a.happenings.list.at(-1)).toContain("expired");
	});

	test("so does nobody asking: certificates are looked at again every minute", async () => {
		const { a } = await pair();
		a.advance(1000);
		a.trust.setBadNodes(a.up.map(({ remoteNodeId }) => remoteNodeId));
		a.clock.advance(RECHECK_MS - 2000);
		a.timers.advance(1000);
		expect(a.happenings.list.at(-1)).not.toContain("revoked");
		a.advance(1000);
		expect(a.happenings.list.at(-1)).toContain("revoked");
	});

	test("an identity that is gone takes its connections with it, the others stay", async () => {
		const [a, b] = [await Side.open(2), await Side.open()];
		const [first, second] = a.identities as [LocalIdentity, LocalIdentity];
		await a.ask(b, { as: first });
		await a.ask(b, { as: second });
		a.connections.setIdentities([first]);
		expect(a.happenings.list.at(-1)).toBe("down: the identity is gone");
		expect(a.connections.find(first, b.identity.nodeId)).toBeDefined();
		expect(a.connections.find(second, b.identity.nodeId)).toBeUndefined();
	});

	test("silence is broken by a keep-alive; its answer keeps the connection", async () => {
		const { side, other, heard } = await announced();
		for (let i = 1; i <= 3; i++) {
			// Some of the silence lies behind us since the last round.
			side.advance(KEEPALIVE_IN_MS + 1000 - (i === 1 ? 0 : KEEPALIVE_ANSWER_MS + 1000));
			await heard.seen("\r\n\r\n", i);
			other.write(octets("\r\n"));
			// What comes behind the answer shows that it has come.
			other.write(octets("x"));
			await side.happenings.until(() => side.received.split("x").length === i + 1);
			side.advance(KEEPALIVE_ANSWER_MS + 1000);
			expect(side.connections.size).toBe(1);
		}
	});

	test("a keep-alive of the other end is answered", async () => {
		const { side, other, heard } = await announced();
		other.write(octets("\r\n\r\n"));
		await heard.seen("\r\n");
		expect(side.received).toBe("");
	});

	test("no answer to the keep-alive: the connection is lost", async () => {
		const { side, heard } = await announced();
		side.advance(KEEPALIVE_IN_MS + 1000);
		expect(side.connections.size).toBe(1);
		side.advance(KEEPALIVE_ANSWER_MS + 1000);
		expect(side.happenings.list.at(-1)).toBe("down: silent");
		await heard.seen("end");
	});

	test("what is not used for long is closed", async () => {
		const { a, ab } = await pair();
		const idle = IDLE_MS + 1000;
		for (let at = 0; at < idle; at += 20_000) {
			a.clock.advance(20_000);
			ab.send(octets("."));
		}
		expect(a.connections.size).toBe(1);
		a.clock.advance(idle);
		a.timers.advance(1000);
		expect(a.happenings.list.at(-1)).toBe("down: idle");
	});

	test("the owner closes one", async () => {
		const { a, b, ab } = await pair();
		ab.close("unframed octets");
		ab.close("twice is no harm");
		expect(a.happenings.list.at(-1)).toBe("down: unframed octets");
		expect(ab.send(octets("x"))).toBe(false);
		await b.happenings.until(() => b.connections.size === 0);
	});

	test("stopping tells everybody who waits", async () => {
		const { a, b } = await pair();
		const nobody = realm.identity();
		const asking = a.connections.connection({ appAttach: async () => ({ ok: true }) as never }, a.identity, [
			nodeDestination(nobody.nodeId),
		]);
		a.connections.close();
		await expect(asking).rejects.toThrow("no connection");
		expect(a.happenings.list.at(-1)).toBe("down: this peer stops");
		await b.happenings.until(() => b.connections.size === 0);
	});
});

describe("limits", () => {
	test("one connection too many: the one that was silent longest goes", async () => {
		const a = await Side.open(1, { limits: { connections: 2 } });
		const others = [await Side.open(), await Side.open(), await Side.open()] as const;
		const [first, second] = [await a.ask(others[0]), await a.ask(others[1])];
		a.clock.advance(10);
		first.send(octets("still used"));
		await a.ask(others[2]);
		expect(a.connections.size).toBe(2);
		expect(a.happenings.list).toContain("down: room for another connection");
		expect([first.send(octets("x")), second.send(octets("x"))]).toEqual([true, false]);
	});

	test("too many announcements: our own request fails with a reason, one of others is not noted", async () => {
		const a = await Side.open(1, { limits: { expected: 1 } });
		const [b, late] = [realm.identity(), realm.identity()];
		const expected = { identity: a.identity, application: ApplicationId.sip };
		a.connections.handleEvent({ type: "appExpect", ...expected, expect: b.nodeId });
		a.connections.handleEvent({ type: "appExpect", ...expected, expect: late.nodeId });
		const asking = a.connections.connection(attach(a, a), a.identity, [nodeDestination(late.nodeId)]);
		await expect(asking).rejects.toThrow("no room for one more");
		const { heard } = await stranger(a, late);
		await heard.seen("end");
		await stranger(a, b);
		await a.happenings.seen("up");
		// What has run out makes room.
		a.connections.handleEvent({ type: "appExpect", ...expected, expect: b.nodeId });
		a.advance(EXPECT_MS + 2000);
		a.connections.handleEvent({ type: "appExpect", ...expected, expect: late.nodeId });
		await stranger(a, late);
		await a.happenings.seen("up", 2);
	});

	test("too many connections to open: the next one is not, and the log says so", async () => {
		const [a, b] = [await Side.open(1, { limits: { connecting: 1 } }), await Side.open(2)];
		const [first, second] = b.identities as [LocalIdentity, LocalIdentity];
		const expected = { expect: a.identity.nodeId, application: ApplicationId.sip };
		for (const identity of [first, second]) b.connections.handleEvent({ type: "appExpect", identity, ...expected });
		a.connectOut(b, a.identity, first);
		a.connectOut(b, a.identity, second);
		expect(a.logged.at(-1)).toMatchObject({ event: "app.connectFailed" });
		await a.happenings.seen("up");
		a.connectOut(b, a.identity, second);
		await a.happenings.seen("up", 2);
	});
});

test("a port that another program has: one line with the place and the fix", async () => {
	const a = await Side.open();
	await expect(Side.open(1, { listen: a.endpoint })).rejects.toThrow(
		/^127\.0\.0\.1:\d+: .*EADDRINUSE.*; another program has this port: stop it, or choose another with --link$/,
	);
});

test("silent nodes: the table is full, the one of longest ago goes", () => {
	const silent = new SilentNodes(new ManualClock());
	const node = (n: number): Uint8Array => new Uint8Array(16).fill(n & 255).fill(n >> 8, 0, 1);
	for (let n = 0; n < MAX_SILENT; n++) silent.add(node(n));
	silent.add(node(0));
	silent.add(node(MAX_SILENT));
	expect(silent.size).toBe(MAX_SILENT);
	expect([silent.has(node(0)), silent.has(node(1)), silent.has(node(2))]).toEqual([true, false, true]);
});
