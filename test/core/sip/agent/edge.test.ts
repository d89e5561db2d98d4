/**
 * The device's user agent, our own edge, and phones, in one process:
 *
 *     device ==TLS== edge --UDP-- hall, attic
 */
import { describe, expect, test } from "vitest";
import { UserAgent } from "../../../../core/sip/agent/agent.ts";
import type { AgentEvent } from "../../../../core/sip/agent/types.ts";
import { StreamFramer } from "../../../../core/sip/framing.ts";
import { testCrypto, World } from "../support.ts";
import { bytes, isEmpty, isEvent, MEDIA, OTHER_MEDIA, textOf } from "./support.ts";

const DOOR = "door@home.example";
const EDGE_FLOW = 50;
const PHONES: Readonly<Record<string, string>> = { hall: "192.0.2.20", attic: "192.0.2.21" };

class House {
	readonly world = new World({ isAuthenticating: false });
	readonly device = new UserAgent({ crypto: testCrypto(5), aor: `sip:${DOOR}` });
	readonly phones = new Map<string, UserAgent>();
	readonly events = new Map<string, AgentEvent[]>();
	/** What went over the device's connection, in order: "> INVITE", "< 200 INVITE". */
	readonly story: string[] = [];
	onEvent: (who: string, event: AgentEvent) => void = () => undefined;
	now = this.world.now;

	constructor() {
		this.world.edge.addFlow({
			flow: EDGE_FLOW,
			transport: "overlay",
			localAddress: "home.example",
			localPort: 0,
			peerAor: DOOR,
			localRoute: "sip:house@home.example;gr=SE9VU0U",
			sentBy: "aa.home.example",
		});
		this.world.locate = (output) => ({
			type: "located",
			token: output.token,
			targets:
				output.aor === DOOR
					? [{ uri: `sip:${DOOR}`, flow: EDGE_FLOW }]
					: Object.entries(PHONES)
							.filter(([user]) => output.aor === "house@home.example" || output.aor === `${user}@home.example`)
							.map(([user, address]) => ({ uri: `sip:${user}@${address}:5060`, flow: 1, address, port: 5060 })),
			status: 404,
		});
		this.addDeviceFlow(1);
		for (const [user, address] of Object.entries(PHONES)) {
			const phone = new UserAgent({
				crypto: testCrypto(address.length + user.length),
				aor: `sip:${user}@home.example`,
			});
			phone.addFlow({ flow: 1, transport: "udp", localAddress: address, localPort: 5060 });
			this.phones.set(user, phone);
		}
	}

	addDeviceFlow(flow: number, replaces?: number): void {
		const names = { sentBy: "dd.home.example", contact: `sip:${DOOR};gr=RE9PUg` };
		this.device.addFlow({ flow, transport: "overlay", localAddress: "192.0.2.30", localPort: 1, ...names, replaces });
	}

	agent(who: string): UserAgent {
		return who === "device" ? this.device : this.phones.get(who)!;
	}

	do<T>(who: string, run: (agent: UserAgent, now: number) => T): T {
		const result = run(this.agent(who), this.now);
		this.settle();
		return result;
	}

	/** Carries everything until nobody has anything to say. */
	settle(): void {
		for (let moved = true; moved; ) {
			moved = this.fromAgents();
			this.world.now = this.now;
			this.world.drain();
			for (const sent of this.world.take()) {
				moved = true;
				const octets = bytes(sent.text);
				if (sent.flow === EDGE_FLOW) {
					this.note("<", sent.text);
					this.device.handle({ type: "octets", flow: 1, octets }, this.now);
					continue;
				}
				const user = Object.keys(PHONES).find((one) => PHONES[one] === sent.address);
				const place = { address: "192.0.2.1", port: 5060 };
				if (user !== undefined) this.agent(user).handle({ type: "datagram", flow: 1, octets, ...place }, this.now);
			}
		}
	}

	fromAgents(): boolean {
		let moved = false;
		for (const who of ["device", ...Object.keys(PHONES)]) {
			const seen: AgentEvent[] = [];
			const agent = this.agent(who);
			for (let output = agent.poll(); output !== undefined; output = agent.poll()) {
				moved = true;
				if (isEvent(output)) {
					this.events.set(who, [...(this.events.get(who) ?? []), output]);
					seen.push(output);
				} else if (output.type === "transmit") {
					const text = textOf(output.head, output.body);
					if (who === "device") {
						this.note(">", text);
						this.world.over(EDGE_FLOW, text);
					} else this.world.from(`${PHONES[who]}:5060`, text);
				}
			}
			for (const event of seen) this.onEvent(who, event);
		}
		return moved;
	}

	note(direction: string, text: string): void {
		const framer = new StreamFramer();
		framer.push(bytes(text));
		const message = framer.next();
		if (typeof message === "string") return;
		this.story.push(`${direction} ${message.isRequest ? message.method : `${message.status} ${message.cseqMethod}`}`);
	}

	advance(ms: number): void {
		const end = this.now + ms;
		for (;;) {
			const agents = ["device", ...Object.keys(PHONES)].map((who) => this.agent(who));
			const at = Math.min(this.world.edge.deadline(), ...agents.map((agent) => agent.deadline()));
			if (at > end) break;
			this.now = Math.max(this.now, at);
			this.world.now = this.now;
			this.world.edge.handle({ type: "timeout" }, this.now);
			for (const agent of agents) agent.handle({ type: "timeout" }, this.now);
			this.settle();
		}
		this.now = end;
	}

	of(who: string, type: AgentEvent["type"]): AgentEvent[] {
		return (this.events.get(who) ?? []).filter((event) => event.type === type);
	}

	press(): number {
		const uri = "sip:house@home.example";
		const media = { ...MEDIA, srtp: "optional" } as const;
		return this.do("device", (agent, now) => agent.invite({ flow: 1, uri, media }, now))!;
	}

	incoming(who: string): number {
		const event = this.of(who, "incoming").at(-1);
		return event?.type === "incoming" ? event.call : 0;
	}

	ringing(): void {
		this.onEvent = (who, event) => {
			if (event.type === "incoming") this.agent(who).ring(event.call, this.now);
		};
	}

	isQuiet(): boolean {
		return [...this.phones.values(), this.device].every(isEmpty);
	}
}

describe("a press", () => {
	test("rings both phones; one answers, the other hears that it was taken; BYE from the phone", () => {
		const house = new House();
		house.ringing();
		const call = house.press();
		expect(house.of("device", "progress")).toMatchObject([{ status: 100 }, { status: 180 }, { status: 180 }]);
		house.do("attic", (agent, now) => agent.answer(house.incoming("attic"), OTHER_MEDIA, now));
		expect(house.of("device", "answered")).toMatchObject([{ call, media: { port: OTHER_MEDIA.port } }]);
		expect(house.of("hall", "ended")).toMatchObject([{ cause: "answeredElsewhere" }]);
		expect(house.of("attic", "confirmed").length).toBe(1);
		house.do("attic", (agent, now) =>
			agent.info(house.incoming("attic"), "application/dtmf-relay", bytes("Signal=5"), now),
		);
		expect(house.of("device", "info").length).toBe(1);
		house.do("attic", (agent, now) => agent.hangUp(house.incoming("attic"), now));
		expect(house.of("device", "ended")).toMatchObject([{ cause: "remote" }]);
		expect(house.story).toEqual([
			"> INVITE",
			"< 100 INVITE",
			"< 180 INVITE",
			"< 180 INVITE",
			"< 200 INVITE",
			"> ACK",
			"< INFO",
			"> 200 INFO",
			"< BYE",
			"> 200 BYE",
		]);
		house.advance(200_000);
		expect(house.isQuiet()).toBe(true);
	});

	test("keys go to a phone that has them, through the edge", () => {
		const house = new House();
		house.press();
		house.do("hall", (agent, now) => agent.answer(house.incoming("hall"), { ...OTHER_MEDIA, srtp: "optional" }, now));
		const near = house.of("device", "answered")[0];
		const far = house.of("hall", "media")[0];
		if (near?.type !== "answered" || far?.type !== "media") throw new Error("no media");
		expect(near.media.sendKey).toEqual(far.media.receiveKey);
		expect(near.media.receiveKey).toEqual(far.media.sendKey);
		expect(near.media.sendKey?.length).toBe(30);
	});

	test("given up: both phones stop; nobody answers: both stop", () => {
		const house = new House();
		house.ringing();
		const call = house.press();
		house.do("device", (agent, now) => agent.hangUp(call, now));
		expect(house.of("hall", "ended")).toMatchObject([{ cause: "remote", status: 487 }]);
		expect(house.of("attic", "ended")).toMatchObject([{ cause: "remote" }]);
		house.advance(200_000);
		expect(house.isQuiet()).toBe(true);
	});

	test("everybody refuses: one refusal", () => {
		const house = new House();
		house.onEvent = (who, event) => {
			if (event.type === "incoming") house.agent(who).reject(event.call, who === "hall" ? 486 : 480, house.now);
		};
		house.press();
		expect(house.of("device", "ended")).toMatchObject([{ cause: "refused" }]);
		expect(house.story.filter((line) => line === "> ACK").length).toBe(1);
	});

	test("held by the phone, and BYE from the device", () => {
		const house = new House();
		const call = house.press();
		house.do("hall", (agent, now) => agent.answer(house.incoming("hall"), OTHER_MEDIA, now));
		house.do("hall", (agent, now) => agent.hold(house.incoming("hall"), true, now));
		expect(house.of("device", "media")).toMatchObject([{ media: { direction: "recvonly" } }]);
		house.do("device", (agent, now) => agent.hangUp(call, now));
		expect(house.of("hall", "ended")).toMatchObject([{ cause: "remote" }]);
		house.advance(200_000);
		expect(house.isQuiet()).toBe(true);
	});

	test("100 presses leave nothing at the device", () => {
		const house = new House();
		house.onEvent = (who, event) => {
			if (event.type === "incoming" && who === "hall") house.agent(who).answer(event.call, OTHER_MEDIA, house.now);
		};
		for (let i = 0; i < 100; i++) {
			const call = house.press();
			house.do("device", (agent, now) => agent.hangUp(call, now));
			house.advance(70_000);
			const { calls, closing, clientTransactions, serverTransactions, timers } = house.device.stats();
			expect([calls, closing, clientTransactions, serverTransactions, timers]).toEqual([0, 0, 0, 0, 0]);
		}
		expect(house.of("device", "answered").length).toBe(100);
	});
});

describe("from a phone", () => {
	test("calls the door; a command by MESSAGE", () => {
		const house = new House();
		house.ringing();
		const uri = `sip:${DOOR}`;
		const edge = { flow: 1, uri, address: "192.0.2.1", port: 5060 };
		const call = house.do("hall", (agent, now) => agent.invite({ ...edge, media: OTHER_MEDIA }, now))!;
		expect(house.of("hall", "progress").at(-1)).toMatchObject({ status: 180 });
		house.do("device", (agent, now) => agent.answer(house.incoming("device"), MEDIA, now));
		expect(house.of("hall", "answered")).toMatchObject([{ call, media: { port: MEDIA.port } }]);
		expect(house.of("device", "confirmed").length).toBe(1);
		const token = house.do("hall", (agent, now) => agent.message({ ...edge, body: bytes("open") }, now));
		const message = house.of("device", "message")[0];
		if (message?.type !== "message") throw new Error("no message");
		expect(message.from).toBe("sip:hall@home.example");
		house.do("device", (agent, now) => agent.respond(message.token, 200, now));
		expect(house.of("hall", "sent")).toMatchObject([{ token, status: 200 }]);
		house.do("device", (agent, now) => agent.hangUp(house.incoming("device"), now));
		expect(house.of("hall", "ended")).toMatchObject([{ cause: "remote" }]);
		house.advance(200_000);
		expect(house.isQuiet()).toBe(true);
	});
});
