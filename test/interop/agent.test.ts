/**
 * The user agent of a device against programs we did not write, over UDP: sipp step by step, baresip with sound.
 *
 *     agent (in this process) ---- sipp | baresip
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { DTMF_RELAY, readDtmfInfo, writeDtmfInfo } from "../../core/sip/agent/dtmf-info.ts";
import { freePort, loopback } from "../../tools/demo/processes.ts";
import { AgentHost } from "./support/agent-host.ts";
import { Phone } from "./support/baresip.ts";
import { describeWith } from "./support/programs.ts";
import { Sipp } from "./support/sipp.ts";
import { waitFor } from "./support/wait.ts";

/** A second of speech is 50 packets; what a busy machine may lose of it. */
const ENOUGH_PACKETS = 40;

let host: AgentHost;

/** Calls are gone, whatever was sent; transactions over UDP stay for their 32 s. */
function expectNoCalls(): void {
	const { calls, closing, messages } = host.agent.stats();
	expect({ calls, closing, messages }).toEqual({ calls: 0, closing: 0, messages: 0 });
}

beforeEach(async () => {
	host = await AgentHost.start(loopback(61));
});

afterEach(() => {
	host.close();
});

describeWith(["sipp"], "a device's user agent and sipp", () => {
	const place = { address: loopback(62), user: "hall", password: "", to: "door" };

	/** sipp calls the agent. */
	async function called(scenario: string): Promise<void> {
		await (await Sipp.start({ scenario, edge: host.place, ...place })).done;
	}

	/** sipp waits to be called. */
	async function waiting(scenario: string): Promise<{ sipp: Sipp; at: string }> {
		const port = await freePort(place.address);
		const sipp = await Sipp.start({ scenario, edge: host.place, port, ...place });
		return { sipp, at: `${place.address}:${port}` };
	}

	function answerAll(): void {
		host.onEvent = (event) => {
			if (event.type !== "incoming") return;
			host.do((agent, now) => agent.ring(event.call, now));
			host.do((agent, now) => agent.answer(event.call, host.media, now));
		};
	}

	test("called: INFO, hold, re-INVITE without a description, BYE from the caller", async () => {
		answerAll();
		await called("agent-call");
		const info = await host.event("info", 0);
		expect(readDtmfInfo(info.contentType, info.body)).toEqual({ digit: "5", durationMs: 160 });
		expect(host.events.flatMap((event) => (event.type === "media" ? [event.media.direction] : []))).toEqual([
			"sendrecv",
			"recvonly",
			"sendrecv",
		]);
		expect((await host.event("ended", 0)).cause).toBe("remote");
		expectNoCalls();
	});

	test("called, BYE from the called side", async () => {
		answerAll();
		const done = called("agent-call-bye");
		const { call } = await host.event("confirmed", 0);
		host.do((agent, now) => agent.hangUp(call, now));
		await done;
		await waitFor("the answer to our BYE", 5_000, () => host.agent.stats().closing === 0);
		expectNoCalls();
	});

	test("called, the caller gives up", async () => {
		host.onEvent = (event) => {
			if (event.type === "incoming") host.do((agent, now) => agent.ring(event.call, now));
		};
		await called("agent-cancel");
		expect((await host.event("ended", 0)).cause).toBe("remote");
		expectNoCalls();
	});

	test("called while busy", async () => {
		host.onEvent = (event) => {
			if (event.type === "incoming") host.do((agent, now) => agent.reject(event.call, 486, now));
		};
		await called("agent-busy");
		expectNoCalls();
	});

	test("calling: early media, hold and resume, INFO, BYE from the caller", async () => {
		const { sipp, at } = await waiting("agent-take");
		const call = host.call("hall", at);
		expect((await host.event("early", 0)).media.codec).toBe(0);
		await host.event("answered", 0);
		for (const isHeld of [true, false]) {
			const { mark } = host;
			expect(host.do((agent, now) => agent.hold(call, isHeld, now))).toBe(true);
			expect((await host.event("media", mark)).media.direction).toBe(isHeld ? "sendonly" : "sendrecv");
		}
		host.do((agent, now) => agent.info(call, DTMF_RELAY, writeDtmfInfo("#"), now));
		expect((await host.event("sent", 0)).status).toBe(200);
		host.do((agent, now) => agent.hangUp(call, now));
		await sipp.done;
		await waitFor("the answer to our BYE", 5_000, () => host.agent.stats().closing === 0);
		expectNoCalls();
	});

	test("calling, BYE from the called side", async () => {
		const { sipp, at } = await waiting("take-call");
		host.call("hall", at);
		expect((await host.event("ended", 0)).cause).toBe("remote");
		expect(host.events.map((event) => event.type)).toContain("answered");
		await sipp.done;
		expectNoCalls();
	});

	test("calling, CANCEL while it rings", async () => {
		const { sipp, at } = await waiting("take-ring");
		const call = host.call("hall", at);
		await host.event("progress", 0);
		host.do((agent, now) => agent.hangUp(call, now));
		await sipp.done;
		await waitFor("the 487", 5_000, () => host.agent.stats().closing === 0);
		expectNoCalls();
	});

	test("calling somebody busy", async () => {
		const { sipp, at } = await waiting("take-busy");
		host.call("hall", at);
		expect(await host.event("ended", 0)).toMatchObject({ cause: "refused", status: 486 });
		await sipp.done;
		expectNoCalls();
	});
});

describeWith(["baresip"], "a device's user agent and baresip", () => {
	let anna: Phone;

	beforeEach(async () => {
		const options = { aor: "anna@home.example", password: "x", edge: host.place, address: loopback(63), registerS: 0 };
		anna = await Phone.start(options);
	});

	afterEach(async () => {
		await anna.stop();
	});

	/** A second of sound both ways. */
	async function talk(): Promise<void> {
		const heard = host.heard;
		await waitFor("sound from the phone", 10_000, () => host.heard - heard >= ENOUGH_PACKETS);
	}

	async function expectSound(): Promise<void> {
		await waitFor("the phone's own count of packets", 5_000, () => anna.rtpOfEndedCalls().length > 0);
		expect(anna.rtpOfEndedCalls().at(-1)?.received).toBeGreaterThanOrEqual(ENOUGH_PACKETS / 2);
	}

	const place = (): string => `${loopback(63)}:${anna.sipPort}`;

	test("the device calls, the phone answers, BYE from the phone", async () => {
		const mark = anna.mark;
		host.call("anna", place());
		await anna.event("CALL_INCOMING", 5_000, mark);
		await host.event("progress", 0);
		expect(host.events.some((event) => event.type === "answered")).toBe(false);
		await anna.answer();
		await host.event("answered", 0);
		await talk();
		await anna.hangup();
		expect((await host.event("ended", 0)).cause).toBe("remote");
		await expectSound();
		expectNoCalls();
	});

	test("the device calls and hangs up; holds and resumes before", async () => {
		const mark = anna.mark;
		const call = host.call("anna", place());
		await anna.event("CALL_INCOMING", 5_000, mark);
		await anna.answer();
		await host.event("answered", 0);
		await talk();
		for (const isHeld of [true, false]) {
			const from = host.mark;
			expect(host.do((agent, now) => agent.hold(call, isHeld, now))).toBe(true);
			expect((await host.event("media", from)).media.direction).toBe(isHeld ? "sendonly" : "sendrecv");
		}
		await talk();
		host.do((agent, now) => agent.hangUp(call, now));
		await anna.event("CALL_CLOSED", 5_000, mark);
		await waitFor("the answer to our BYE", 5_000, () => host.agent.stats().closing === 0);
		await expectSound();
		expectNoCalls();
	});

	test("the device calls, CANCEL; the phone is busy", async () => {
		const mark = anna.mark;
		const call = host.call("anna", place());
		await anna.event("CALL_INCOMING", 5_000, mark);
		host.do((agent, now) => agent.hangUp(call, now));
		await anna.event("CALL_CLOSED", 5_000, mark);
		const [second, from] = [anna.mark, host.mark];
		host.call("anna", place());
		await anna.event("CALL_INCOMING", 5_000, second);
		await anna.hangup();
		expect(await host.event("ended", from)).toMatchObject({ cause: "refused", status: 486 });
		expectNoCalls();
	});

	test("the phone calls: rings, is answered, holds, resumes, hangs up", async () => {
		host.onEvent = (event) => {
			if (event.type === "incoming") host.do((agent, now) => agent.ring(event.call, now));
		};
		const mark = anna.mark;
		await anna.dial(`sip:door@${host.place}`);
		const { call, from } = await host.event("incoming", 0);
		expect(from).toContain("anna@home.example");
		await anna.event("CALL_RINGING", 5_000, mark);
		host.do((agent, now) => agent.answer(call, host.media, now));
		await anna.event("CALL_ESTABLISHED", 5_000, mark);
		await host.event("confirmed", 0);
		await talk();
		for (const [command, direction] of [
			["hold", "recvonly"],
			["resume", "sendrecv"],
		] as const) {
			const seen = host.mark;
			await anna.command(command);
			expect((await host.event("media", seen)).media.direction).toBe(direction);
		}
		await talk();
		await anna.hangup();
		expect((await host.event("ended", 0)).cause).toBe("remote");
		await expectSound();
		expectNoCalls();
	});

	test("the phone calls, the device hangs up; the phone gives up; the device is busy", async () => {
		let mark = anna.mark;
		await anna.dial(`sip:door@${host.place}`);
		const first = await host.event("incoming", 0);
		host.do((agent, now) => agent.answer(first.call, host.media, now));
		await host.event("confirmed", 0);
		host.do((agent, now) => agent.hangUp(first.call, now));
		await anna.event("CALL_CLOSED", 5_000, mark);
		let from = host.mark;
		await anna.dial(`sip:door@${host.place}`);
		const second = await host.event("incoming", from);
		host.do((agent, now) => agent.ring(second.call, now));
		await anna.event("CALL_RINGING", 5_000, mark);
		await anna.hangup();
		expect((await host.event("ended", from)).cause).toBe("remote");
		[mark, from] = [anna.mark, host.mark];
		await anna.dial(`sip:door@${host.place}`);
		const third = await host.event("incoming", from);
		host.do((agent, now) => agent.reject(third.call, 486, now));
		expect((await anna.event("CALL_CLOSED", 5_000, mark)).param).toMatch(/486/);
		expectNoCalls();
	});
});

describeWith(["baresip"], "a device's user agent and a baresip with SRTP", () => {
	test.each(["srtp", "srtp-mand"] as const)(
		"%s: the call is secured, both hear each other",
		async (mediaEncryption) => {
			const options = {
				aor: "anna@home.example",
				password: "x",
				edge: host.place,
				address: loopback(64),
				registerS: 0,
			};
			const anna = await Phone.start({ ...options, mediaEncryption });
			try {
				const mark = anna.mark;
				await anna.dial(`sip:door@${host.place}`);
				const { call, isSecure } = await host.event("incoming", 0);
				expect(isSecure).toBe(true);
				host.do((agent, now) => agent.answer(call, { ...host.media, srtp: "optional" }, now));
				await anna.event("CALL_ESTABLISHED", 5_000, mark);
				const { media } = await host.event("media", 0);
				expect([media.sendKey?.length, media.receiveKey?.length]).toEqual([30, 30]);
				await waitFor("sound from the phone", 10_000, () => host.heard >= ENOUGH_PACKETS);
				expect(host.unheard).toBe(0);
				await anna.hangup();
				await host.event("ended", 0);
				await waitFor("the phone's own count of packets", 5_000, () => anna.rtpOfEndedCalls().length > 0);
				expect(anna.rtpOfEndedCalls().at(-1)?.received).toBeGreaterThanOrEqual(ENOUGH_PACKETS / 2);
				expect(anna.output).not.toMatch(/srtp.*(?:fail|error)/i);
			} finally {
				await anna.stop();
			}
		},
	);
});
