/** A device's connections to the edges of its house, in virtual time. */
import { describe, expect, test } from "vitest";
import type { FetchedValue, RequestResult } from "../../../core/overlay/node-types.ts";
import { readAor } from "../../../core/usages/aor.ts";
import { EDGE_PING_MS, EDGE_PONG_MS, Edges, type EdgesInput, type EdgesOutput } from "../../../core/usages/edges.ts";
import { MAX_EDGES } from "../../../core/usages/limits.ts";
import { KindId, SipRegistrationType } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writeSipRegistration } from "../../../core/wire/sip-registration.ts";
import { encode } from "../../../core/wire/writer.ts";

const HOUSE = readAor("house@home.example")!;
const id = (number: number) => new Uint8Array(16).fill(number);
/** Node-ID of the house identity of the peer with this number. */
const houseOf = (peer: number) => id(peer + 100);

function registration(peer: number, userName: string = HOUSE.text): FetchedValue {
	const destinationList = [nodeDestination(id(peer)), nodeDestination(houseOf(peer))];
	const value = encode(writeSipRegistration, {
		type: SipRegistrationType.route,
		contactPrefs: new Uint8Array(0),
		destinationList,
	});
	return {
		stored: {
			storageTime: 1_000 - peer,
			lifetime: 600,
			value: { model: "dictionary", key: houseOf(peer), value: { exists: true, value } },
		},
		signer: { nodeId: houseOf(peer), userName },
	} as unknown as FetchedValue;
}

/** A world of peers 1..n that answer at once, but for those in `dead`. */
class House {
	readonly edges: Edges;
	readonly outputs: EdgesOutput[] = [];
	readonly dead = new Set<number>();
	registered = [1, 2, 3];
	now = 0;
	/** Flow -> peer. */
	readonly peers = new Map<number, number>();
	#asked = new Map<number, number>();

	constructor(connections: 1 | 2 = 2) {
		this.edges = new Edges({ house: HOUSE, connections, random: () => 0.5, resourceHash: () => id(9) });
	}

	input(input: EdgesInput): void {
		this.edges.handle(input, this.now);
		for (let output = this.edges.poll(); output !== undefined; output = this.edges.poll()) {
			this.outputs.push(output);
			const answer = this.answer(output);
			if (answer !== undefined) this.input(answer);
		}
	}

	answer(output: EdgesOutput): EdgesInput | undefined {
		if (output.type === "fetch") {
			const values = this.registered.map((peer) => registration(peer));
			return this.result(output.token, {
				ok: true,
				body: { type: "fetch", kinds: [{ kind: KindId.sipRegistration, generation: 1, values, discarded: 0 }] },
			});
		}
		if (output.type === "appAttach") {
			const peer = this.peerOf(output.destination[0]);
			if (this.dead.has(peer)) return this.result(output.token, { ok: false, errorCode: 4, info: "" });
			this.#asked.set(peer, peer);
			const connect = [{ address: `10.0.0.${peer}`, port: 6086 }];
			return this.result(output.token, {
				ok: true,
				body: { type: "appAttach", expect: houseOf(peer), connect, serverName: `${peer}.home.example` },
			});
		}
		if (output.type === "connect") {
			const peer = Number(output.address.split(".")[3]);
			this.peers.set(output.flow, peer);
			return this.dead.has(peer) ? { type: "down", flow: output.flow } : { type: "up", flow: output.flow };
		}
		if (output.type === "ping" && !this.dead.has(this.peers.get(output.flow)!))
			return { type: "heard", flow: output.flow };
		return undefined;
	}

	peerOf(destination: unknown): number {
		return (destination as { nodeId: Uint8Array }).nodeId[0]!;
	}

	result(token: number, result: object): EdgesInput {
		return { type: "result", token, result: result as RequestResult, wallMs: 1_000 };
	}

	/** Runs until `ms` later. */
	advance(ms: number): void {
		const end = this.now + ms;
		for (let steps = 0; this.edges.deadline() <= end; steps++) {
			if (steps > 10_000) throw new Error("a deadline stays in the past");
			this.now = Math.max(this.now, this.edges.deadline());
			this.input({ type: "timeout" });
		}
		this.now = end;
	}

	count(type: EdgesOutput["type"]): number {
		return this.outputs.filter((output) => output.type === type).length;
	}

	get up(): number[] {
		const up = new Set<number>();
		for (const output of this.outputs) {
			if (output.type !== "edge") continue;
			if (output.isUp) up.add(output.flow);
			else up.delete(output.flow);
		}
		return [...up].map((flow) => this.peers.get(flow)!);
	}

	get preferred(): number | undefined {
		const all = this.outputs.filter((output) => output.type === "preferred");
		const last = all[all.length - 1];
		return last?.type === "preferred" ? this.peerOf(last.contact.destinations[0]) : undefined;
	}
}

const joined = (peer: number): EdgesInput => ({ type: "joined", nodeId: id(peer) });

describe("edges", () => {
	test("two connections are opened ahead, first to the peer that the device is linked to", () => {
		const house = new House();
		expect(house.edges.deadline()).toBe(Infinity);
		house.input(joined(2));
		house.advance(0);
		expect(house.up).toEqual([2, 1]);
		expect(house.preferred).toBe(2);
		expect(house.peers.get(house.edges.best()!)).toBe(2);
		expect(house.peers.get(house.edges.best(house.edges.best())!)).toBe(1);
	});

	test("one at a time: the second is asked for when the first is up", () => {
		const house = new House();
		const answer = house.answer.bind(house);
		house.answer = (output) => (output.type === "connect" ? undefined : answer(output));
		house.input(joined(1));
		house.advance(1_000);
		expect([house.count("appAttach"), house.count("connect")]).toEqual([1, 1]);
		house.input({ type: "up", flow: 1 });
		expect([house.count("appAttach"), house.count("connect")]).toEqual([2, 2]);
		// Nobody says that the second one failed: it is given up.
		house.advance(20_000);
		expect(house.outputs).toContainEqual({ type: "close", flow: 2, reason: "not in time" });
		expect(house.count("appAttach")).toBe(3);
	});

	test("with room for one, there is one", () => {
		const house = new House(1);
		house.input(joined(1));
		house.advance(60_000);
		expect(house.up).toEqual([1]);
		expect(house.edges.best(house.edges.best())).toBeUndefined();
	});

	test("idle: one ping in 25 s for each connection; one that does not answer is closed and replaced", () => {
		const house = new House();
		house.input(joined(1));
		house.advance(EDGE_PING_MS - 1);
		expect(house.count("ping")).toBe(0);
		house.advance(1);
		expect(house.count("ping")).toBe(2);
		house.advance(9 * EDGE_PING_MS);
		expect(house.count("ping")).toBe(20);
		house.dead.add(1);
		house.advance(EDGE_PING_MS + EDGE_PONG_MS);
		expect(house.up).toEqual([2, 3]);
		expect(house.preferred).toBe(2);
	});

	test("a connection that is lost: the other one is the best at once, a third is opened", () => {
		const house = new House();
		house.input(joined(1));
		house.advance(0);
		house.dead.add(1);
		const first = house.edges.best()!;
		house.input({ type: "down", flow: first });
		expect(house.peers.get(house.edges.best()!)).toBe(2);
		expect(house.up).toEqual([2, 3]);
		house.dead.delete(1);
		house.registered = [1, 2];
		house.input({ type: "down", flow: house.edges.best(house.edges.best())! });
		house.advance(2_000);
		expect(house.up).toEqual([2, 1]);
	});

	test("no answer to a call: another one is preferred; the doubtful one stays when it lives, goes when not", () => {
		const house = new House();
		house.input(joined(1));
		house.advance(0);
		const first = house.edges.best()!;
		house.dead.add(1);
		house.input({ type: "doubt", flow: first });
		expect(house.peers.get(house.edges.best()!)).toBe(2);
		expect(house.up).toEqual([1, 2]);
		house.advance(2_000);
		expect(house.up).toEqual([2, 3]);
		const again = new House();
		again.input(joined(1));
		again.advance(0);
		again.input({ type: "doubt", flow: again.edges.best()! });
		again.advance(3_000);
		expect(again.up).toEqual([1, 2]);
	});

	test("one connection, no answer: the next edge is connected to while the first is doubtful", () => {
		const house = new House(1);
		house.input(joined(1));
		house.advance(0);
		house.dead.add(1);
		house.input({ type: "doubt", flow: house.edges.best()! });
		expect(house.up).toEqual([2]);
		expect(house.outputs).toContainEqual({ type: "close", flow: 1, reason: "no answer" });
	});

	test("without the overlay: connections stay, none is opened; with it again, missing ones are", () => {
		const house = new House();
		house.input(joined(1));
		house.advance(0);
		house.input({ type: "isolated" });
		house.input({ type: "down", flow: house.edges.best()! });
		house.advance(100_000);
		expect(house.up).toEqual([2]);
		house.input(joined(2));
		house.advance(2_000);
		expect(house.up.length).toBe(2);
	});

	test("nobody registered, nobody answers: pauses grow, nothing is asked without end", () => {
		const house = new House();
		house.registered = [];
		house.input(joined(1));
		house.advance(600_000);
		expect(house.count("fetch")).toBeGreaterThan(15);
		expect(house.count("fetch")).toBeLessThan(40);
		house.registered = [1, 2, 3];
		for (const peer of [1, 2, 3]) house.dead.add(peer);
		house.outputs.length = 0;
		house.advance(600_000);
		expect(house.count("appAttach")).toBeGreaterThan(20);
		expect(house.count("appAttach")).toBeLessThan(60);
		house.dead.clear();
		house.advance(62_000);
		expect(house.up.length).toBe(2);
	});

	test("a certificate of somebody else, or of another edge, is not accepted", () => {
		const house = new House();
		const answer = house.answer.bind(house);
		house.answer = (output) => (output.type === "connect" ? undefined : answer(output));
		house.input(joined(1));
		house.advance(0);
		expect(house.edges.accepts(1, HOUSE.text, [houseOf(1)])).toBe(true);
		expect(house.edges.accepts(1, "door@home.example", [houseOf(1)])).toBe(false);
		expect(house.edges.accepts(1, HOUSE.text, [houseOf(2)])).toBe(false);
		expect(house.edges.accepts(7, HOUSE.text, [houseOf(1)])).toBe(false);
	});

	test("a registration of the house that somebody else signed is none", () => {
		const house = new House();
		const answer = house.answer.bind(house);
		house.answer = (output) => {
			if (output.type !== "fetch") return answer(output);
			const values = [registration(1, "mallory@home.example"), registration(2)];
			return house.result(output.token, {
				ok: true,
				body: { type: "fetch", kinds: [{ kind: KindId.sipRegistration, generation: 1, values, discarded: 0 }] },
			});
		};
		house.input(joined(1));
		house.advance(0);
		expect(house.up).toEqual([2]);
	});

	test("a peer that is revoked: its edge is left", () => {
		const house = new House();
		house.input(joined(1));
		house.advance(0);
		house.dead.add(1);
		house.edges.exclude((nodeId) => nodeId[0] === 1, house.now);
		house.input({ type: "timeout" });
		expect(house.up).toEqual([2, 3]);
	});

	test(`at most ${MAX_EDGES} edges are known`, () => {
		const house = new House();
		house.registered = Array.from({ length: 20 }, (_, index) => index + 1);
		for (const peer of house.registered) house.dead.add(peer);
		house.input(joined(1));
		house.advance(30_000);
		const asked = new Set<number>();
		for (const output of house.outputs) if (output.type === "appAttach") asked.add(house.peerOf(output.destination[0]));
		expect(asked.size).toBe(MAX_EDGES);
	});
});
