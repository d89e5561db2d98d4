/** Where an AOR is registered, also when the overlay is silent: a real registration, a host that may be cut off. */
import { describe, expect, test } from "vitest";
import type { RequestResult } from "../../../core/overlay/node-types.ts";
import { ErrorCode } from "../../../core/wire/codes.ts";
import type { OverlayHost } from "../../../targets/pi/overlay-host.ts";
import { OverlayResolver, RESOLVE_PATIENCE_MS } from "../../../targets/pi/resolver.ts";
import { accountsOf, EdgePeer } from "./composed.ts";
import { DOMAIN, Realm } from "./realm.ts";
import { ManualClock, ManualTimers } from "./support.ts";

const BERT = `bert@${DOMAIN}`;

/** The overlay as one asks it: it answers, says no, or is silent until let go. */
class Line {
	how: "answers" | "fails" | "silent" = "answers";
	asked = 0;
	readonly node: OverlayHost["node"];
	readonly #host: OverlayHost;
	#waiting: (() => void)[] = [];

	constructor(host: OverlayHost) {
		this.#host = host;
		this.node = host.node;
	}

	async result(run: Parameters<OverlayHost["result"]>[0]): Promise<RequestResult> {
		this.asked++;
		if (this.how === "fails") return { ok: false, errorCode: ErrorCode.requestTimeout, info: "nobody answers" };
		if (this.how === "silent") await new Promise<void>((resolve) => this.#waiting.push(resolve));
		return await this.#host.result(run);
	}

	/** It speaks again. */
	release(): void {
		this.how = "answers";
		for (const go of this.#waiting.splice(0)) go();
	}
}

async function registered(): Promise<{
	peer: EdgePeer;
	line: Line;
	clock: ManualClock;
	timers: ManualTimers;
	resolver: OverlayResolver;
}> {
	const peer = await EdgePeer.open(new Realm(), accountsOf("anna", "bert"));
	await peer.overlay.start();
	const bert = await peer.phone("bert");
	expect(await bert.register()).toBe(200);
	await peer.registered("bert");
	const line = new Line(peer.overlay.host);
	const [clock, timers] = [new ManualClock(Date.now()), new ManualTimers()];
	const resolver = new OverlayResolver({ host: line, domain: DOMAIN, nodeIdLength: 16, clock, timers });
	return { peer, line, clock, timers, resolver };
}

describe("for a call", () => {
	test("what the overlay says; nobody registered is an answer, too, also for a name nobody has ever had", async () => {
		const { resolver } = await registered();
		expect((await resolver.resolve(BERT))?.contacts).toMatchObject([{ aor: BERT }]);
		expect((await resolver.resolve(`anna@${DOMAIN}`))?.contacts).toEqual([]);
		expect((await resolver.resolve(`nobody@${DOMAIN}`))?.contacts).toEqual([]);
	});

	test("the overlay is silent: after a while the last good answer", async () => {
		const { resolver, line, timers } = await registered();
		const good = await resolver.resolve(BERT);
		line.how = "silent";
		let answer: unknown = "none yet";
		const asking = resolver.resolve(BERT).then((resolution) => {
			answer = resolution;
		});
		timers.advance(RESOLVE_PATIENCE_MS - 1);
		await Promise.resolve();
		expect(answer).toBe("none yet");
		timers.advance(1);
		await asking;
		expect(answer).toEqual(good);
	});

	test("the overlay says no: the last good answer at once", async () => {
		const { resolver, line } = await registered();
		const good = await resolver.resolve(BERT);
		line.how = "fails";
		expect(await resolver.resolve(BERT)).toEqual(good);
	});

	test("a late answer is used the next time", async () => {
		const { resolver, line, timers, clock } = await registered();
		await resolver.resolve(BERT);
		line.how = "silent";
		const asking = resolver.resolve(BERT);
		timers.advance(RESOLVE_PATIENCE_MS);
		expect((await asking)?.contacts.length).toBe(1);
		line.release();
		line.how = "answers";
		expect((await resolver.resolve(BERT))?.contacts.length).toBe(1);
		expect(timers.pending).toBe(0);
		expect(clock.monotonicMs()).toBe(0);
	});

	test("the last good answer comes early, and the late one in the end", async () => {
		const { resolver, line, timers } = await registered();
		const good = await resolver.resolve(BERT);
		line.how = "silent";
		const early: unknown[] = [];
		const asking = resolver.resolve(BERT, (known) => early.push(known));
		timers.advance(RESOLVE_PATIENCE_MS - 1);
		expect(early).toEqual([]);
		timers.advance(1);
		expect(early).toEqual([good]);
		line.release();
		const late = await asking;
		expect(late?.contacts.length).toBe(1);
		expect(late).not.toBe(early[0]);
		expect(timers.pending).toBe(0);
		// In time: nothing early.
		await resolver.resolve(BERT, (known) => early.push(known));
		expect(early).toHaveLength(1);
		line.how = "fails";
		expect((await resolver.resolve(BERT, (known) => early.push(known)))?.contacts.length).toBe(1);
	});

	test("nothing is remembered: no answer, told apart from an empty one", async () => {
		const { resolver, line } = await registered();
		line.how = "fails";
		expect(await resolver.resolve(BERT)).toBeUndefined();
		line.how = "answers";
		await resolver.resolve(`anna@${DOMAIN}`);
		line.how = "fails";
		expect(await resolver.resolve(`anna@${DOMAIN}`)).toBeUndefined();
	});

	test("remembered contacts serve as long as their registration lasts, no longer", async () => {
		const { resolver, line, clock } = await registered();
		await resolver.resolve(BERT);
		line.how = "fails";
		clock.advance(500_000);
		expect((await resolver.resolve(BERT))?.contacts.length).toBe(1);
		clock.advance(200_000);
		expect(await resolver.resolve(BERT)).toBeUndefined();
	});

	test("the table is full: the answer of longest ago goes", async () => {
		const { resolver, line, peer } = await registered();
		const { clock } = peer.overlay;
		const small = new OverlayResolver({ host: line, domain: DOMAIN, nodeIdLength: 16, clock, limit: 2 });
		for (const name of [BERT, `x@${DOMAIN}`, `y@${DOMAIN}`]) await small.resolve(name);
		await resolver.resolve(BERT);
		line.how = "fails";
		expect(await small.resolve(BERT)).toBeUndefined();
		expect(await resolver.resolve(BERT)).toBeDefined();
	});
});

describe("for people", () => {
	test("who answered, how far away, how long it took", async () => {
		const { resolver, peer } = await registered();
		const report = await resolver.lookup(BERT);
		expect(report).toMatchObject({ aor: BERT, answeredBy: peer.overlay.identity.nodeId });
		expect(report.resolution.contacts.length).toBe(1);
		expect(report.tookMs).toBeGreaterThanOrEqual(0);
	});

	test.each([
		["no AOR at all", "not an AOR; write it like anna@home.example"],
		["bert@elsewhere.example", "not an AOR of this overlay"],
	])("%s: refused with what to do", async (name, text) => {
		const { resolver } = await registered();
		await expect(resolver.lookup(name)).rejects.toThrow(text);
	});

	test("nobody answers: the overlay's error, never what is remembered", async () => {
		const { resolver, line } = await registered();
		await resolver.lookup(BERT);
		await resolver.resolve(BERT);
		line.how = "fails";
		await expect(resolver.lookup(BERT)).rejects.toMatchObject({ name: "OverlayError", message: "nobody answers" });
	});
});
