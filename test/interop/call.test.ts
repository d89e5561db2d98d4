/**
 * Three peers, two ordinary phones at different peers: everything a first call needs, on real programs.
 *
 *     anna (baresip, UDP) -- peer 1 ------ peer 3 -- ben (baresip, TCP)
 *     anna (sipp)         --/     \         /    \-- dora (sipp)
 *                                  peer 2
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { freePort, loopback } from "../../tools/demo/processes.ts";
import { Phone } from "./support/baresip.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { Sipp, type SippOptions, sipp } from "./support/sipp.ts";
import { waitFor } from "./support/wait.ts";

/** A second of speech is 50 packets; what a busy machine may lose of it. */
const ENOUGH_PACKETS = 40;
const TALK_MS = 1_100;

describeWith(["baresip", "sipp"], "three peers and two ordinary phones", () => {
	let house: TestHousehold;
	let anna: Phone;
	let ben: Phone;
	/** Kept at peer 2, at peer 3, never called before that peer dies. */
	let kept: string;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		kept = house.nameKeptAt(1, "carl");
		for (const name of ["anna", "ben", "dora", kept]) await house.account(name);
		anna = await baresip("anna", 0, 41, "udp");
		ben = await baresip("ben", 2, 42, "tcp");
	});

	afterAll(async () => {
		await anna?.stop();
		await ben?.stop();
		await house?.close();
	});

	beforeEach((context) => house.watch(context));

	afterEach(async () => {
		await anna.command("hangup");
		await ben.command("hangup");
	});

	async function baresip(user: string, i: number, address: number, transport: "udp" | "tcp"): Promise<Phone> {
		const place = { edge: house.edge(i), address: loopback(address), transport };
		return await Phone.start({ aor: `${user}@${DOMAIN}`, password: house.password(user), ...place });
	}

	/** A sipp script as anna at peer 1. */
	function atPeer1(scenario: string, more: Partial<SippOptions> = {}): SippOptions {
		const place = { edge: house.edge(0), address: loopback(43) };
		return { scenario, ...place, user: "anna", password: house.password("anna"), ...more };
	}

	/** A sipp script as dora at peer 3. */
	function atPeer3(scenario: string, more: Partial<SippOptions> = {}): SippOptions {
		const place = { edge: house.edge(2), address: loopback(44) };
		return { scenario, ...place, user: "dora", password: house.password("dora"), ...more };
	}

	/** Dora registers and runs a script that waits; anna runs the one that calls. Both must go through as written. */
	async function between(calling: string, waiting: string): Promise<void> {
		const port = await freePort(loopback(44));
		await sipp(atPeer3("register", { port, keys: { expires: "300" } }));
		const called = await Sipp.start(atPeer3(waiting, { port }));
		try {
			await sipp(atPeer1(calling, { to: "dora" }));
			await called.done;
		} finally {
			called.stop();
			await sipp(atPeer3("register", { port, keys: { expires: "0" } }));
		}
	}

	/** `from` calls `to`, who answers; both hear a second of tone; `by` hangs up. Both must have heard the other. */
	async function call(from: Phone, to: Phone, by: Phone): Promise<void> {
		const [fromMark, toMark] = [from.mark, to.mark];
		const [fromCalls, toCalls] = [from.rtpOfEndedCalls().length, to.rtpOfEndedCalls().length];
		await from.dial(`sip:${to.aor}`);
		const incoming = await to.event("CALL_INCOMING", 5_000, toMark);
		expect(incoming.peeruri).toContain(from.aor);
		await to.answer();
		await from.event("CALL_ESTABLISHED", 5_000, fromMark);
		await to.event("CALL_ESTABLISHED", 5_000, toMark);
		await new Promise((resolve) => setTimeout(resolve, TALK_MS));
		await by.hangup();
		await from.event("CALL_CLOSED", 5_000, fromMark);
		await to.event("CALL_CLOSED", 5_000, toMark);
		await waitFor("the phones' own counts of packets", 5_000, () => {
			return from.rtpOfEndedCalls().length > fromCalls && to.rtpOfEndedCalls().length > toCalls;
		});
		for (const count of [from.rtpOfEndedCalls().at(-1), to.rtpOfEndedCalls().at(-1)]) {
			expect(count?.sent).toBeGreaterThanOrEqual(ENOUGH_PACKETS);
			expect(count?.received).toBeGreaterThanOrEqual(ENOUGH_PACKETS);
		}
	}

	test("both register, and the overlay says where", async () => {
		await anna.registered();
		await ben.registered();
		const found = await house.lookup(1, "ben");
		expect(found.contacts).toHaveLength(1);
		expect(found.contacts[0]?.signedBy).toBe(`ben@${DOMAIN}`);
		expect(found.contacts[0]?.route[0]).toBe(house.nodeId(2));
		expect(found.contacts[0]?.route[1]).toBe(found.contacts[0]?.nodeId);
		expect((await house.lookup(1, "anna")).contacts[0]?.route[0]).toBe(house.nodeId(0));
		expect((await house.status(2)).registrations.map((one) => one.aor)).toContain(`ben@${DOMAIN}`);
	});

	test("a call from peer 1 to peer 3, audio both ways, BYE from the caller", async () => call(anna, ben, anna));

	test("BYE from the called side", async () => call(anna, ben, ben));

	test("the other way round: from peer 3 to peer 1", async () => call(ben, anna, ben));

	test("BYE from a called side that knows the route by Record-Route alone", async () => between("call", "take-call"));

	test("CANCEL while it rings: both phones stop", async () => {
		const [annaMark, benMark] = [anna.mark, ben.mark];
		await anna.dial(`sip:ben@${DOMAIN}`);
		await ben.event("CALL_INCOMING", 5_000, benMark);
		await anna.event("CALL_RINGING", 5_000, annaMark);
		await anna.hangup();
		await ben.event("CALL_CLOSED", 5_000, benMark);
	});

	test("CANCEL in detail: 200 for the CANCEL, 487 for the INVITE, at both ends", async () =>
		between("cancel", "take-ring"));

	test("busy: the 486 arrives at the caller", async () => {
		await between("invite-486", "take-busy");
		const [annaMark, benMark] = [anna.mark, ben.mark];
		await anna.dial(`sip:ben@${DOMAIN}`);
		await ben.event("CALL_INCOMING", 5_000, benMark);
		await ben.hangup();
		expect((await anna.event("CALL_CLOSED", 5_000, annaMark)).param).toMatch(/^486/);
	});

	test("MESSAGE from peer 1 to peer 3", async () => between("message", "take-message"));

	test("a user that does not exist: 404", async () => {
		await sipp(atPeer1("invite-404", { to: "nobody" }));
		const mark = anna.mark;
		await anna.dial(`sip:nobody@${DOMAIN}`);
		expect((await anna.event("CALL_CLOSED", 5_000, mark)).param).toMatch(/^404/);
	});

	test("a user that is not registered: 480 for a call and for a MESSAGE", async () => {
		await sipp(atPeer1("invite-480", { to: "dora" }));
		await sipp(atPeer1("message-480", { to: "dora" }));
	});

	test("a wrong password and an account that does not exist: 401 or 403, and no registration", async () => {
		await sipp(atPeer3("register-refused", { password: "not-the-password", keys: { expires: "300" } }));
		await sipp(atPeer3("register-refused", { user: "nobody", keys: { expires: "300" } }));
		expect((await house.lookup(0, "dora")).contacts).toEqual([]);
		const mallory = await Phone.start({
			aor: `ben@${DOMAIN}`,
			password: "not-the-password",
			edge: house.edge(1),
			address: loopback(45),
		});
		try {
			expect([401, 403]).toContain(await mallory.refused());
		} finally {
			await mallory.stop();
		}
	});

	test("SIGKILL of the peer that keeps a registration: the next call goes through within 10 s", async () => {
		const [annaMark, benMark] = [anna.mark, ben.mark];
		const carl = await baresip(kept, 2, 46, "udp");
		try {
			await carl.registered();
			expect((await house.lookup(0, kept)).answeredBy).toBe(house.nodeId(1));
			// A call that is up when it happens goes on.
			await anna.dial(`sip:ben@${DOMAIN}`);
			await ben.event("CALL_INCOMING", 5_000, benMark);
			await ben.answer();
			await anna.event("CALL_ESTABLISHED", 5_000, annaMark);

			await house.peers[1]?.kill();
			const began = performance.now();
			await ben.hangup();
			await anna.event("CALL_CLOSED", 5_000, annaMark);
			await call(anna, carl, anna);
			expect(performance.now() - began).toBeLessThan(10_000);

			const found = await house.lookup(0, kept);
			expect(found.answeredBy).not.toBe(house.nodeId(1));
			expect(found.contacts[0]?.signedBy).toBe(`${kept}@${DOMAIN}`);
		} finally {
			await carl.stop();
		}
	});

	test("the peer that was killed comes back with what it had", async () => {
		await house.restart(1);
		await house.connected();
		expect((await house.lookup(1, "ben")).contacts[0]?.route[0]).toBe(house.nodeId(2));
		await call(ben, anna, anna);
	});
});
