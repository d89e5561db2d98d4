/** A restless house: peers come, end, lose power, leave and return with their disks; what was acknowledged stays. */
import { expect, test } from "vitest";
import { bytesToUtf8, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import type { SeededRandom } from "../../../hal/sim/random.ts";
import { SINGLE_KIND } from "./support/household.ts";
import { type Member, World } from "./support/world.ts";

const STEPS = 10;

class Churn {
	readonly world: World;
	readonly topology: string;
	readonly random: SeededRandom;
	readonly alive: Member[] = [];
	readonly dead: Member[] = [];
	/** What each writer last had acknowledged; undefined while it is unknown whether a store went through. */
	readonly latest = new Map<string, string | undefined>();
	#count = 0;

	constructor(seed: number, topology: string) {
		this.world = new World({ seed, latencyMs: 1 + (seed % 30) });
		this.topology = topology;
		this.random = this.world.household.random.fork();
	}

	#any(list: readonly Member[]): Member {
		return list[this.random.below(list.length)]!;
	}

	add(former?: Member): void {
		const { alive, world, topology } = this;
		const life = former === undefined ? {} : { identity: former.identity, disk: former.disk };
		const peer = world.peer(`p${this.#count++}`, { topology, ...life });
		const bootstrap = alive.length === 0 ? [] : [this.#any(alive).endpoint, this.#any(alive).endpoint];
		peer.do((node, now) => node.start({ first: alive.length === 0, bootstrap }, now));
		world.until(() => peer.event("joined").length > 0, 120_000);
		alive.push(peer);
	}

	#lose(how: (peer: Member) => void): void {
		if (this.alive.length <= 3) return;
		const peer = this.#any(this.alive);
		this.alive.splice(this.alive.indexOf(peer), 1);
		this.dead.push(peer);
		how(peer);
	}

	step(): void {
		const { world } = this;
		switch (this.random.below(5)) {
			case 0:
				this.#lose((peer) => world.kill(peer));
				return;
			case 1:
				this.#lose((peer) => world.unplug(peer));
				return;
			case 2:
				this.#lose((peer) => {
					peer.do((node, now) => node.leave(now));
					world.advance(3_000);
					world.kill(peer);
				});
				return;
			case 3:
				if (this.dead.length === 0) return;
				this.add(this.dead.splice(this.random.below(this.dead.length), 1)[0]);
				return;
			default:
				this.add();
		}
	}

	resource(writer: Member): Uint8Array {
		return writer.node.resourceId(utf8ToBytes(writer.identity.userName));
	}

	store(writer: Member, text: string): void {
		const value = { exists: true, value: utf8ToBytes(text), lifetimeS: 36_000 };
		const kinds = [{ kind: SINGLE_KIND, values: [value] }];
		const result = writer.ask((node, now) => node.store(this.resource(writer), kinds, now));
		this.latest.set(toHex(writer.id), result.ok ? text : undefined);
	}

	read(reader: Member, writer: Member): string | undefined {
		const result = reader.ask((node, now) => node.fetch(this.resource(writer), [{ kind: SINGLE_KIND }], now));
		if (!result.ok || result.body.type !== "fetch") return undefined;
		const value = result.body.kinds[0]!.values[0]?.stored.value.value;
		return value === undefined ? undefined : bytesToUtf8(value.value);
	}

	/** Peers whose disk has the values of `writer`. */
	holders(writer: Member): number {
		const resource = toHex(this.resource(writer));
		return this.alive.filter(({ disk }) => [...disk.keys()].some((key) => key.includes(resource))).length;
	}
}

const cases = [104, 113, 117, 122].flatMap((seed) => [[seed, "CHORD-RELOAD"] as const, [seed, "EXP-OVERLAY"] as const]);

test.each(cases)("seed %d, %s", (seed, topology) => {
	const churn = new Churn(seed, topology);
	const { world, alive } = churn;
	for (let i = 0; i < 6; i++) churn.add();
	world.advance(10_000);
	const writers = alive.slice(0, 4);
	const isWriter = (peer: Member) => writers.some((writer) => toHex(writer.id) === toHex(peer.id));
	for (const writer of writers) churn.store(writer, "first");
	for (let i = 0; i < STEPS; i++) {
		churn.step();
		world.advance(churn.random.below(20_000));
		for (const peer of alive.filter(isWriter)) churn.store(peer, `${i}`);
		world.advance(12_000);
	}
	world.advance(120_000);
	for (const writer of writers) {
		const expected = churn.latest.get(toHex(writer.id));
		for (const reader of alive) if (expected !== undefined) expect(churn.read(reader, writer)).toBe(expected);
		expect(churn.holders(writer)).toBe(3);
	}
});
