/** Every scenario again and again, with the n-th packet lost, or one end gone before its n-th output. */
import { describe, expect, test } from "vitest";
import type { AgentEvent, AgentOptions } from "../../../../core/sip/agent/types.ts";
import { bytes, isEmpty, MEDIA, OTHER_MEDIA, Pair } from "./support.ts";

interface Scenario {
	/** What the two do when something happens to them. */
	readonly on?: (pair: Pair, who: number, event: AgentEvent) => void;
	/** What the caller does, in its time. */
	readonly run: (pair: Pair, call: number) => void;
	/** True when everything has gone as told. */
	readonly isDone: (pair: Pair) => boolean;
}

function answering(pair: Pair, who: number, event: AgentEvent): void {
	if (event.type !== "incoming") return;
	pair.do(who, (agent, now) => agent.ring(event.call, now));
	pair.do(who, (agent, now) => agent.answer(event.call, OTHER_MEDIA, now));
}

function endedBy(pair: Pair, one: string, other: string): boolean {
	return pair.of(0, "ended")[0]?.cause === one && pair.of(1, "ended")[0]?.cause === other;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
	"answered, BYE from the caller": {
		on: answering,
		run: (pair, call) => {
			pair.advance(50_000);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
		},
		isDone: (pair) => pair.of(0, "answered").length === 1 && endedBy(pair, "local", "remote"),
	},
	"answered, BYE from the called": {
		on: (pair, who, event) => {
			answering(pair, who, event);
		},
		run: (pair) => {
			pair.advance(50_000);
			const call = pair.of(1, "incoming")[0]?.call;
			if (call !== undefined) pair.do(1, (agent, now) => agent.hangUp(call, now));
		},
		isDone: (pair) => pair.of(0, "answered").length === 1 && endedBy(pair, "remote", "local"),
	},
	"rings, CANCEL": {
		on: (pair, who, event) => {
			if (event.type === "incoming") pair.do(who, (agent, now) => agent.ring(event.call, now));
		},
		run: (pair, call) => {
			pair.advance(10_000);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
		},
		isDone: (pair) => endedBy(pair, "local", "remote"),
	},
	busy: {
		on: (pair, who, event) => {
			if (event.type === "incoming") pair.do(who, (agent, now) => agent.reject(event.call, 486, now));
		},
		run: () => undefined,
		isDone: (pair) => endedBy(pair, "refused", "local"),
	},
	"hold, INFO, resume": {
		on: answering,
		run: (pair, call) => {
			pair.advance(50_000);
			pair.do(0, (agent, now) => agent.hold(call, true, now));
			pair.advance(40_000);
			pair.do(1, (agent, now) => agent.info(pair.of(1, "incoming")[0]?.call ?? 0, "text/plain", bytes("5"), now));
			pair.advance(40_000);
			pair.do(0, (agent, now) => agent.hold(call, false, now));
			pair.advance(40_000);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
		},
		isDone: (pair) =>
			pair.of(0, "info").length === 1 &&
			pair
				.of(1, "media")
				.map((event) => event.media.direction)
				.join() === "sendrecv,recvonly,sendrecv" &&
			endedBy(pair, "local", "remote"),
	},
	"session refreshes": {
		on: answering,
		run: (pair, call) => {
			pair.advance(200_000);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
		},
		isDone: (pair) => pair.story.filter((line) => line === "0 UPDATE").length >= 3 && endedBy(pair, "local", "remote"),
	},
};

function play(
	scenario: Scenario,
	transport: "udp" | "tls",
	prepare: (pair: Pair) => void,
	options: Partial<AgentOptions> = {},
): Pair {
	const pair = new Pair(transport, { sessionExpiresS: 90, ...options });
	prepare(pair);
	pair.onEvent = (who, event) => scenario.on?.(pair, who, event);
	const media = MEDIA;
	const call = pair.do(0, (agent, now) => agent.invite({ flow: 1, uri: "sip:hall@192.0.2.2", media }, now));
	scenario.run(pair, call ?? 0);
	// Longer than any ringing, session or transaction.
	pair.advance(500_000);
	return pair;
}

/** Both ends have let go, and each call that began has ended with a name. */
function expectClean(pair: Pair, label: string, calls = 1): void {
	for (let who = 0; who < 2; who++) {
		if (pair.isDead(who)) continue;
		expect(isEmpty(pair.agents[who]!), `${label}: ${who} ${JSON.stringify(pair.agents[who]!.stats())}`).toBe(true);
		const begun = who === 0 ? calls : pair.of(1, "incoming").length;
		expect(pair.of(who, "ended").length, `${label}: ${who} ended`).toBe(begun);
	}
}

describe.each(Object.entries(SCENARIOS))("%s", (_name, scenario) => {
	test.each(["udp", "tls"] as const)("as told, over %s", (transport) => {
		const pair = play(scenario, transport, () => undefined);
		expect(scenario.isDone(pair)).toBe(true);
		expectClean(pair, "as told");
	});

	test("with the n-th datagram lost: it goes as told all the same", () => {
		const { packets } = play(scenario, "udp", () => undefined);
		for (let n = 1; n <= packets; n++) {
			const pair = play(scenario, "udp", (made) => {
				made.drop = n;
			});
			expect(scenario.isDone(pair), `packet ${n}: ${pair.story.join(", ")}`).toBe(true);
			expectClean(pair, `packet ${n}`);
		}
	});

	test("with one end gone before its n-th output: the other one ends with a name", () => {
		for (const transport of ["udp", "tls"] as const) {
			for (let agent = 0; agent < 2; agent++) {
				for (let output = 1; ; output++) {
					const pair = play(scenario, transport, (made) => {
						made.kill = { agent, output };
					});
					expectClean(pair, `${transport}: ${agent} before ${output}`);
					if (!pair.isDead(agent)) break;
				}
			}
		}
	});

	test("with room for n transactions only: as told, or another end with a name", () => {
		for (const transport of ["udp", "tls"] as const) {
			for (const which of ["clientTransactions", "serverTransactions"] as const) {
				for (let n = 0; n < 6; n++) {
					const pair = play(scenario, transport, () => undefined, { limits: { [which]: n } });
					const isSent = pair.story.includes("0 INVITE");
					expect(isSent).toBe(which === "serverTransactions" || n > 0);
					expectClean(pair, `${transport}: ${n} ${which}`, isSent ? 1 : 0);
				}
			}
		}
	});
});
