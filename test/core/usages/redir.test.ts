/** ReDiR (RFC 7374): the arithmetic of the tree, registration and lookup. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { FetchedKind, RequestResult, StoreKind } from "../../../core/overlay/node-types.ts";
import {
	deepestLevel,
	intervalOf,
	redirResourceName,
	treeNodeOf,
	usableBranchingFactor,
} from "../../../core/storage/redir-tree.ts";
import { isOutermost, type RedirProvider, type RedirService, successorOf } from "../../../core/usages/redir.ts";
import { type RedirFound, RedirLookup, RedirRegistration } from "../../../core/usages/redir-walks.ts";
import { compareBytes, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, KindId } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { crypto, resourceHash, signerOf, World } from "../storage/support.ts";
import { Node } from "./support.ts";

const namespace = utf8ToBytes("turn-server");

describe("tree", () => {
	test("position and interval as in RFC 7374 §3, for any width (against big integers)", () => {
		fc.assert(
			fc.property(
				fc.uint8Array({ minLength: 1, maxLength: 20 }),
				fc.integer({ min: 2, max: 40 }),
				fc.nat(6),
				(id, b, level) => {
					const k = id.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
					const space = 1n << BigInt(8 * id.length);
					const scaled = (digits: number) => (k * BigInt(b) ** BigInt(digits)) / space;
					expect(treeNodeOf(id, level, b)).toBe(Number(scaled(level)));
					expect(intervalOf(id, level, b)).toBe(Number(scaled(level + 1) % BigInt(b)));
				},
			),
			{ seed: 7 },
		);
	});

	test("as deep as positions fit 16 bits; a branching factor that makes no tree is replaced", () => {
		expect([2, 10, 16, 256, 300, 65536].map(deepestLevel)).toEqual([16, 4, 4, 2, 1, 1]);
		expect([undefined, 0, 1, 2, 2.5, 65537, Number.NaN].map(usableBranchingFactor)).toEqual([10, 10, 10, 2, 2, 10, 10]);
	});

	test("the name of a tree node: namespace, level and node in two octets each (D-32)", () => {
		expect(Array.from(redirResourceName(Uint8Array.of(0x61), 2, 259))).toEqual([0x61, 0, 2, 1, 3]);
	});

	test("outermost, successor", () => {
		const id = (n: number) => Uint8Array.of(n);
		const all = [2, 4, 7].map((n) => id(n));
		expect([1, 2, 3, 4, 7, 8].map((n) => isOutermost(id(n), all))).toEqual([true, true, false, false, true, true]);
		expect(isOutermost(id(5), [])).toBe(true);
		const providers = [7, 2, 4].map((n): RedirProvider => ({ nodeId: id(n), destinations: [] }));
		expect([0, 2, 3, 5, 8].map((n) => successorOf(id(n), providers)?.nodeId[0])).toEqual([2, 2, 4, 7, undefined]);
	});
});

/** Tree nodes without a store: any width of ids, no signatures. */
class BareTree {
	readonly nodes = new Map<string, Map<string, RedirProvider>>();
	readonly service: RedirService;
	readonly log: string[] = [];
	fails = (_line: string): boolean => false;

	constructor(branchingFactor: number) {
		// The name itself as Resource-ID: readable, and without collisions.
		this.service = { namespace: new Uint8Array(), branchingFactor, resourceHash: (name) => name };
	}

	register(id: Uint8Array, startLevel?: number) {
		const provider = { nodeId: id, destinations: [nodeDestination(id)] };
		const machine = new RedirRegistration(this.service, provider, startLevel);
		for (let i = 0; i < 200; i++) {
			const output = machine.poll()!;
			if (output.type === "done") return output.result;
			if (output.type === "find") throw new Error("no Find here");
			const result =
				output.type === "fetch" ? this.#fetch(output.resourceId) : this.#store(output.resourceId, output.kinds);
			machine.handle({ type: "result", token: output.token, result, wallMs: 0 }, 0);
		}
		throw new Error("does not end");
	}

	lookup(key: Uint8Array, startLevel?: number): RedirFound {
		const options = { key, random: (count: number) => new Uint8Array(count) };
		const machine = new RedirLookup(this.service, startLevel === undefined ? options : { ...options, startLevel });
		for (let i = 0; i < 100; i++) {
			const output = machine.poll()!;
			if (output.type === "done") return output.result;
			if (output.type !== "fetch") throw new Error("a lookup only fetches");
			const result = this.#fetch(output.resourceId);
			machine.handle({ type: "result", token: output.token, result, wallMs: 0 }, 0);
		}
		throw new Error("does not end");
	}

	#place(resource: Uint8Array): string {
		return `(${resource[0]! * 256 + resource[1]!},${resource[2]! * 256 + resource[3]!})`;
	}

	#answered(body: Extract<RequestResult, { ok: true }>["body"]): RequestResult {
		return { ok: true, body, from: NOBODY, rttMs: 1 };
	}

	#fetch(resource: Uint8Array): RequestResult {
		const line = `fetch ${this.#place(resource)}`;
		this.log.push(line);
		if (this.fails(line)) return { ok: false, errorCode: ErrorCode.requestTimeout, info: "" };
		const values: FetchedKind["values"][number][] = [];
		for (const { nodeId } of this.nodes.get(this.#place(resource))?.values() ?? []) {
			// type none, destination list of one Node-ID, no namespace, level and node, no extension.
			const list = [1, nodeId.length, ...nodeId];
			const value = Uint8Array.from([0, 0, list.length, ...list, 0, 0, ...resource, 0, 0]);
			values.push({
				signer: { ...NOBODY, nodeId },
				stored: {
					storageTime: 1,
					lifetime: 1,
					value: { model: "dictionary", key: nodeId, value: { exists: true, value } },
					signature: { algorithm: { hash: 4, signature: 3 }, identity: NO_IDENTITY, signatureValue: new Uint8Array() },
					valueBytes: value,
				},
			});
		}
		return this.#answered({ type: "fetch", kinds: [{ kind: KindId.redir, generation: 1, values, discarded: 0 }] });
	}

	#store(resource: Uint8Array, kinds: readonly StoreKind[]): RequestResult {
		const line = `store ${this.#place(resource)}`;
		this.log.push(line);
		if (this.fails(line)) return { ok: false, errorCode: ErrorCode.requestTimeout, info: "" };
		const { key } = kinds[0]!.values[0]!;
		const place = this.nodes.get(this.#place(resource)) ?? new Map<string, RedirProvider>();
		place.set(toHex(key!), { nodeId: key!, destinations: [] });
		this.nodes.set(this.#place(resource), place);
		return this.#answered({ type: "store", kinds: [] });
	}

	holds(place: string): number[] {
		return Array.from(this.nodes.get(place)?.keys() ?? [], (hex) => Number.parseInt(hex, 16)).sort((a, b) => a - b);
	}
}

const NO_IDENTITY = { identityType: 1, hashAlg: 4, certificateHash: new Uint8Array() };
let NOBODY: ReturnType<typeof signerOf>;
{
	const world = new World();
	NOBODY = signerOf(world.identity("nobody@house.example"));
}

describe("walks", () => {
	/** Four bits of id are the upper half of an octet: the same fraction of the ring. */
	const id4 = (n: number) => Uint8Array.of(n << 4);

	test("worked sample of RFC 7374 (B = 4, b = 2): 2, 3, 4, 7 are registered, 5 is looked up in (2,1) and gives 7", () => {
		const tree = new BareTree(2);
		for (const n of [2, 3, 4, 7]) tree.register(id4(n));
		expect(tree.holds("(2,0)")).toEqual([0x20, 0x30]);
		expect(tree.holds("(2,1)")).toEqual([0x40, 0x70]);
		expect(tree.holds("(1,0)")).toEqual([0x20, 0x30, 0x40, 0x70]);
		tree.log.length = 0;
		const found = tree.lookup(id4(5));
		expect(tree.log).toEqual(["fetch (2,1)"]);
		expect(found).toMatchObject({ isAny: false, level: 2, failed: 0 });
		expect(found.provider!.nodeId).toEqual(id4(7));
		expect(found.provider!.destinations).toEqual([nodeDestination(id4(7))]);
	});

	test("registering: start level, up while outermost, down while not alone", () => {
		const tree = new BareTree(2);
		const alone = tree.register(id4(2));
		expect(tree.log).toEqual([
			"fetch (2,0)",
			"store (2,0)",
			"fetch (1,0)",
			"store (1,0)",
			"fetch (0,0)",
			"store (0,0)",
		]);
		expect(alone).toEqual({
			places: [
				{ level: 2, node: 0 },
				{ level: 1, node: 0 },
				{ level: 0, node: 0 },
			],
			failed: 0,
			lowestLevel: 0,
		});
		tree.log.length = 0;
		// 3 is the highest of (2,0) and of its interval on each level; beside 2 in its interval [2,4), so downwards too.
		tree.register(id4(3));
		expect(tree.log).toEqual([
			"fetch (2,0)",
			"store (2,0)",
			"fetch (1,0)",
			"store (1,0)",
			"fetch (0,0)",
			"store (0,0)",
			"fetch (3,1)",
			"store (3,1)",
		]);
	});

	test("nobody after the key: any provider of the root; nobody at all; nothing can be fetched", () => {
		const tree = new BareTree(2);
		expect(tree.lookup(id4(5))).toMatchObject({ provider: undefined, isAny: false, level: 0, failed: 0 });
		tree.register(id4(3));
		const found = tree.lookup(id4(9));
		expect(found.isAny).toBe(true);
		expect(found.provider!.nodeId).toEqual(id4(3));
		tree.fails = () => true;
		expect(tree.lookup(id4(5))).toMatchObject({ provider: undefined, failed: 3 });
	});

	test("a start level that the tree does not have is moved into it", () => {
		const tree = new BareTree(10);
		expect(tree.register(id4(2), 99).places[0]).toEqual({ level: 4, node: 1250 });
		expect(tree.lookup(id4(1), -5).provider!.nodeId).toEqual(id4(2));
	});

	test("a request that fails ends its direction, and is counted", () => {
		const tree = new BareTree(2);
		tree.register(id4(2));
		tree.fails = (line) => line === "store (1,0)";
		expect(tree.register(id4(3))).toMatchObject({ failed: 1, lowestLevel: 1 });
		expect(tree.holds("(3,1)")).toEqual([0x30]);
		tree.fails = () => true;
		expect(tree.register(id4(4))).toEqual({ places: [], failed: 1, lowestLevel: 2 });
	});

	test("after everybody has refreshed once, every lookup finds the closest successor", () => {
		const ids = fc.uniqueArray(fc.uint8Array({ minLength: 2, maxLength: 2 }), {
			minLength: 1,
			maxLength: 25,
			selector: toHex,
		});
		fc.assert(
			fc.property(
				ids,
				fc.constantFrom(2, 3, 10),
				fc.array(fc.uint8Array({ minLength: 2, maxLength: 2 })),
				(all, b, keys) => {
					const tree = new BareTree(b);
					for (let round = 0; round < 2; round++) for (const id of all) tree.register(id);
					const sorted = all.slice().sort(compareBytes);
					for (const key of keys.concat(all)) {
						const expected = sorted.find((id) => compareBytes(id, key) >= 0);
						const found = tree.lookup(key);
						if (expected === undefined) expect(found.isAny).toBe(true);
						else expect(toHex(found.provider!.nodeId)).toBe(toHex(expected));
					}
				},
			),
			{ seed: 8, numRuns: 200 },
		);
	});

	test("against a store: signed, allowed by NODE-ID-MATCH, verified again", () => {
		const world = new World();
		const providers: LocalIdentity[] = [];
		for (let i = 0; i < 6; i++) providers.push(world.identity(`p${i}@house.example`));
		const node = new Node(world, ...providers);
		const service = { namespace, resourceHash };
		for (const { nodeId } of providers.concat(providers)) {
			world.wallMs += 1000;
			const registered = node.run(new RedirRegistration(service, { nodeId, destinations: [nodeDestination(nodeId)] }));
			expect(registered.failed).toBe(0);
		}
		const sorted = providers.map((provider) => provider.nodeId).sort(compareBytes);
		for (let i = 0; i < 20; i++) {
			const key = crypto.random(16);
			const found = node.run(new RedirLookup(service, { key, random: (count) => crypto.random(count) }));
			const expected = sorted.find((id) => compareBytes(id, key) >= 0);
			if (expected === undefined) expect(found.isAny).toBe(true);
			else expect(toHex(found.provider!.nodeId)).toBe(toHex(expected));
		}
	});
});
