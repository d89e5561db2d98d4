/** The helper that keeps values stored (RFC 6940 §7.4.1, §7.1). */
import { describe, expect, test } from "vitest";
import { type KeptValue, Refresher, type RefresherOutput } from "../../../core/overlay/refresh.ts";
import { bytesToUtf8, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { DICTIONARY_KIND, SINGLE_KIND } from "./support/household.ts";
import { type Member, World } from "./support/world.ts";

/** A refresher bound to a member, as a host does it. */
class Keeper {
	readonly member: Member;
	readonly refresher: Refresher;
	readonly outputs: RefresherOutput[] = [];

	constructor(member: Member, limit = 8) {
		this.member = member;
		const { node } = member;
		this.refresher = new Refresher({ node, random: () => 0.5, limit });
		const set = member.results.set.bind(member.results);
		member.results.set = (token, result) => {
			if (this.refresher.owns(token)) {
				const { world } = member;
				world.at(world.now, () => this.do((now) => this.refresher.handle({ type: "result", token, result }, now)));
			}
			return set(token, result);
		};
	}

	do<T>(run: (now: number) => T): T {
		const { world } = this.member;
		const result = run(world.now);
		for (let output = this.refresher.poll(); output !== undefined; output = this.refresher.poll())
			this.outputs.push(output);
		this.member.drain();
		const at = this.refresher.deadline();
		if (at < Number.POSITIVE_INFINITY) {
			world.at(Math.max(at, world.now), () => {
				if (this.refresher.deadline() <= world.now) this.do((now) => this.refresher.handle({ type: "timeout" }, now));
			});
		}
		return result;
	}

	told(type: RefresherOutput["type"]): number {
		return this.outputs.filter((output) => output.type === type).length;
	}
}

function bench(): { world: World; a: Member; keeper: Keeper; value: KeptValue } {
	const world = new World();
	const a = world.peer("a");
	const resourceId = a.node.resourceId(utf8ToBytes(a.identity.userName));
	const value = { resourceId, kind: SINGLE_KIND, as: a.id, value: utf8ToBytes("one"), lifetimeS: 100 };
	return { world, a, keeper: new Keeper(a), value };
}

function texts(a: Member, resource: Uint8Array, kind = SINGLE_KIND): string[] {
	const { body } = a.ok("fetch", (node, now) => node.fetch(resource, [{ kind }], now));
	return body.kinds[0]!.values.filter(({ stored }) => stored.value.value.exists).map(({ stored }) =>
		bytesToUtf8(stored.value.value.value),
	);
}

describe("a kept value", () => {
	test("is stored now and again at 70 % of its lifetime, as long as it is kept", () => {
		const { world, a, keeper, value } = bench();
		keeper.do((now) => keeper.refresher.keep("v", value, now));
		world.advance(10);
		expect(keeper.told("stored")).toBe(1);
		world.advance(69_980);
		expect(keeper.told("stored")).toBe(1);
		world.advance(100);
		expect(keeper.told("stored")).toBe(2);
		world.advance(1_000_000);
		expect(texts(a, value.resourceId)).toEqual(["one"]);
		expect(keeper.told("stored")).toBe(16);
		expect(keeper.told("failed")).toBe(0);
	});

	test("is replaced under its name, and removed with exists = false", () => {
		const { world, a, keeper, value } = bench();
		keeper.do((now) => keeper.refresher.keep("v", value, now));
		// While the first store is under way.
		keeper.do((now) => keeper.refresher.keep("v", { ...value, value: utf8ToBytes("two") }, now));
		world.advance(3_000);
		expect(texts(a, value.resourceId)).toEqual(["two"]);
		keeper.do((now) => keeper.refresher.remove("v", now));
		world.advance(100);
		expect(keeper.told("removed")).toBe(1);
		expect(texts(a, value.resourceId)).toEqual([]);
		world.advance(200_000);
		expect(keeper.refresher.deadline()).toBe(Number.POSITIVE_INFINITY);
		keeper.do((now) => keeper.refresher.remove("v", now));
	});

	test("refused as too old (our clock was set back): the stored time plus one is used", () => {
		const { world, a, keeper, value } = bench();
		keeper.do((now) => keeper.refresher.keep("v", { ...value, lifetimeS: 1000 }, now));
		world.advance(100);
		a.input({ type: "clock", wallMs: 1_772_366_400_000 + world.now - 100_000 });
		keeper.do((now) => keeper.refresher.keep("v", { ...value, value: utf8ToBytes("later") }, now));
		world.advance(100);
		expect(keeper.told("failed")).toBe(1);
		expect(keeper.told("stored")).toBe(2);
		expect(texts(a, value.resourceId)).toEqual(["later"]);
	});

	test("refused for good: tried again with growing pauses", () => {
		const { world, a, keeper, value } = bench();
		keeper.do((now) => keeper.refresher.keep("v", { ...value, resourceId: a.id }, now));
		world.advance(200_000);
		const failures = keeper.told("failed");
		expect(failures).toBeGreaterThan(5);
		expect(failures).toBeLessThan(12);
		expect(keeper.told("stored")).toBe(0);
	});

	test("a dictionary entry keeps its key; `again` stores everything once more", () => {
		const { world, a, keeper, value } = bench();
		keeper.do((now) => keeper.refresher.keep("v", { ...value, kind: DICTIONARY_KIND, key: a.id }, now));
		world.advance(100);
		keeper.do((now) => keeper.refresher.again(now));
		world.advance(1_000);
		expect(keeper.told("stored")).toBe(2);
		expect(texts(a, value.resourceId, DICTIONARY_KIND)).toEqual(["one"]);
	});

	test("an array value finds its index: it is appended once, then replaced", () => {
		const { world, a, keeper } = bench();
		const kind = KindId.certificateByNode;
		const resourceId = a.node.resourceId(a.id);
		const der = a.identity.chain[0]!;
		const value = { resourceId, kind, as: a.id, isArray: true, value: der, lifetimeS: 100 };
		keeper.do((now) => keeper.refresher.keep("certificate", value, now));
		world.advance(500_000);
		expect(keeper.told("stored")).toBe(8);
		const { body } = a.ok("fetch", (node, now) => node.fetch(resourceId, [{ kind }], now));
		expect(body.kinds[0]!.values.length).toBe(1);
		// A new life finds it, too.
		const second = new Keeper(a);
		second.do((now) => second.refresher.keep("certificate", value, now));
		world.advance(100);
		expect(second.told("stored")).toBe(1);
		const again = a.ok("fetch", (node, now) => node.fetch(resourceId, [{ kind }], now));
		expect(again.body.kinds[0]!.values.length).toBe(1);
		second.do((now) => second.refresher.remove("certificate", now));
		world.advance(100);
		expect(second.told("removed")).toBe(1);
	});

	test("more than the limit: refused", () => {
		const { a, value } = bench();
		const keeper = new Keeper(a, 1);
		expect(keeper.do((now) => keeper.refresher.keep("v", value, now))).toBe(true);
		expect(keeper.do((now) => keeper.refresher.keep("w", value, now))).toBe(false);
		expect(keeper.do((now) => keeper.refresher.keep("v", value, now))).toBe(true);
	});
});
