import { expect, test } from "vitest";
import { Changes } from "../../../../targets/pi/household/changes.ts";
import { composeConfig } from "../../../../targets/pi/household/compose.ts";
import {
	CONFIRM_WAIT_MS,
	CONNECTED_MS,
	LONG_POLL_MS,
	MAX_BOOTSTRAP_NODES,
	MAX_ENROLLMENT_SERVERS,
	MAX_PEERS,
} from "../../../../targets/pi/household/limits.ts";
import { crypto, HOME, ManualClock, ManualTimers } from "../support.ts";

function world() {
	const clock = new ManualClock();
	const timers = new ManualTimers();
	const changes = new Changes(timers, () => clock.monotonicMs());
	const advance = (ms: number): void => {
		clock.advance(ms);
		timers.advance(ms);
	};
	const ask = (peer: string, sequence: number, signal = new AbortController().signal): { done: () => boolean } => {
		let isDone = false;
		void changes
			.wait(peer, { epoch: "e", sequence }, () => false, LONG_POLL_MS, signal)
			.then(() => {
				isDone = true;
			});
		return { done: () => isDone };
	};
	const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
	return { clock, timers, changes, advance, ask, settle };
}

test("a question waits to its last millisecond, is answered by a change, and ends with its peer", async () => {
	const { changes, advance, ask, settle, timers } = world();
	const first = ask("a", 1);
	advance(LONG_POLL_MS - 1);
	await settle();
	expect(first.done()).toBe(false);
	advance(1);
	await settle();
	expect(first.done()).toBe(true);
	const second = ask("a", 1);
	changes.announce();
	await settle();
	expect(second.done()).toBe(true);
	const gone = new AbortController();
	const third = ask("a", 1, gone.signal);
	gone.abort();
	await settle();
	expect(third.done()).toBe(true);
	expect(timers.pending).toBe(0);
});

test("a peer counts as connected until a while after its last question", async () => {
	const { changes, advance, ask, settle } = world();
	ask("a", 1);
	expect(changes.connected()).toEqual(["a"]);
	changes.announce();
	await settle();
	advance(CONNECTED_MS - 1);
	expect(changes.connected()).toEqual(["a"]);
	advance(1);
	expect(changes.connected()).toEqual([]);
});

test("a confirmation ends with the last peer's question, or in time, or when the missing peer is revoked", async () => {
	const { changes, advance, ask, settle } = world();
	expect(await changes.confirmation(5, CONFIRM_WAIT_MS)).toEqual({ confirmed: [], waiting: [] });
	ask("a", 1);
	ask("b", 1);
	const all = changes.confirmation(2, CONFIRM_WAIT_MS);
	ask("a", 2);
	ask("b", 2);
	expect(await all).toEqual({ confirmed: ["a", "b"], waiting: [] });
	const late = changes.confirmation(3, CONFIRM_WAIT_MS);
	ask("a", 3);
	advance(CONFIRM_WAIT_MS);
	expect(await late).toEqual({ confirmed: ["a"], waiting: ["b"] });
	const revoked = changes.confirmation(3, CONFIRM_WAIT_MS);
	changes.forget("b");
	expect(await revoked).toEqual({ confirmed: ["a"], waiting: [] });
	await settle();
});

test("limit: MAX_PEERS are followed; the one heard of longest ago is forgotten", async () => {
	const { changes, advance, ask } = world();
	for (let i = 0; i <= MAX_PEERS; i++) {
		ask(`p${i}`, 1);
		advance(1);
	}
	expect(changes.connected()).toHaveLength(MAX_PEERS);
	expect(changes.connected()).not.toContain("p0");
});

test("limits: bootstrap nodes and enrollment servers of the document, latest first, none twice", () => {
	const addresses = Array.from({ length: 30 }, (_, i) => ({
		link: [{ address: `192.0.2.${i}`, port: 6084 }],
		enrollment: [{ address: `192.0.2.${i}`, port: 6085 }],
	}));
	const config = composeConfig(
		{
			overlayName: HOME,
			sequence: 1,
			topologyPlugin: "EXP-OVERLAY",
			profile: "house",
			root: new Uint8Array(),
			signer: new Uint8Array(16),
			addresses: [addresses[0]!, ...addresses],
			badNodes: [],
			wallMs: 0,
		},
		crypto,
	);
	expect(config.bootstrapNodes.map((node) => node.address)).toEqual(
		Array.from({ length: MAX_BOOTSTRAP_NODES }, (_, i) => `192.0.2.${i}`),
	);
	expect(config.enrollmentServers).toHaveLength(MAX_ENROLLMENT_SERVERS);
});
