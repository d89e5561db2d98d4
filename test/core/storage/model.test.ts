/**
 * The store against a model of a few lines: random stores, fetches, time, expiry, failing disks and restarts give the same answers.
 * The model keeps a list of values per place; the store keeps everything else.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { APPEND_INDEX } from "../../../core/wire/codes.ts";
import type { StoredData, StoredDataValue } from "../../../core/wire/store.ts";
import type { RecordBatch } from "../../../hal/hal.ts";
import { contents, entry, item, Kind, resourceOf, single, T0, World } from "./support.ts";

interface ModelValue {
	readonly text: string;
	readonly storageTime: number;
	readonly endsMs: number;
	/** Its writer was told that it is stored: the batch was on disk. */
	acknowledged: boolean;
}

/** Place -> value, for each of a few users and Kinds. */
class Model {
	readonly values = new Map<string, ModelValue>();
}

/** A batch on its way to disk, and the value that is acknowledged with it. */
interface InFlight {
	readonly change: RecordBatch;
	readonly value: ModelValue;
}

interface Real {
	readonly world: World;
	readonly inFlight: InFlight[];
	readonly users: readonly LocalIdentity[];
}

const KINDS = [Kind.userSingle, Kind.userArray, Kind.userDictionary];
const modelKey = (user: number, kind: number, place: number | string) => `${user}/${kind}/${place}`;

function valueAt(kind: number, place: number, text: string): StoredDataValue {
	if (kind === Kind.userSingle) return single(text);
	return kind === Kind.userArray ? entry(place, text) : item(Uint8Array.of(place), text);
}

/** Live values of one Kind in the model, by place. */
function liveOf(model: Model, user: number, kind: number, nowMs: number): Map<string, ModelValue> {
	const prefix = modelKey(user, kind, "");
	const live = new Map<string, ModelValue>();
	for (const [key, value] of model.values) {
		if (key.startsWith(prefix) && value.endsMs > nowMs) live.set(key.slice(prefix.length), value);
	}
	return live;
}

interface StoreArguments {
	readonly user: number;
	readonly kind: number;
	readonly place: number;
	readonly text: string;
	readonly timeOffset: number;
	readonly lifetimeS: number;
	/** How many batches (oldest first) the disk finishes after this, and whether it can write them. */
	readonly finishes: number;
	readonly ok: boolean;
}

class Store implements fc.Command<Model, Real> {
	readonly #a: StoreArguments;

	constructor(a: StoreArguments) {
		this.#a = a;
	}

	check(): boolean {
		return true;
	}

	run(model: Model, { world, users, inFlight }: Real): void {
		const { user, kind, text, timeOffset, lifetimeS, finishes, ok } = this.#a;
		const who = users[user]!;
		const resource = resourceOf(who.userName);
		const live = liveOf(model, user, kind, world.wallMs);
		let place = kind === Kind.userSingle ? 0 : this.#a.place;
		const isAppend = kind === Kind.userArray && place === 0;
		const sent = isAppend ? APPEND_INDEX : place;
		if (isAppend) place = Math.max(-1, ...Array.from(live.keys(), Number)) + 1;
		const storageTime = world.wallMs + timeOffset;
		const before = live.get(`${place}`);
		const isTooOld = before !== undefined && storageTime <= before.storageTime;
		const isTooMuch = before === undefined && live.size >= 8;
		const stored = world.sign(who, resource, kind, valueAt(kind, sent, text), { storageTime, lifetimeS });
		const result = world.store(who, resource, kind, [stored]);
		expect(result.ok).toBe(!isTooOld && !isTooMuch);
		if (!result.ok) return;
		const value = { text, storageTime, endsMs: world.wallMs + lifetimeS * 1000, acknowledged: false };
		model.values.set(modelKey(user, kind, place), value);
		inFlight.push({ change: result.change, value });
		finish(world, inFlight, finishes, ok);
	}

	toString(): string {
		return `store ${JSON.stringify(this.#a)}`;
	}
}

/** The disk comes to the oldest batches: in order, each written or failed. */
function finish(world: World, inFlight: InFlight[], count: number, ok: boolean): void {
	for (const { change, value } of inFlight.splice(0, count)) {
		if (ok) world.write(change);
		world.storage.settled(change, ok);
		if (ok) value.acknowledged = true;
	}
}

class FetchAll implements fc.Command<Model, Real> {
	check(): boolean {
		return true;
	}

	run(model: Model, { world, users }: Real): void {
		for (let user = 0; user < users.length; user++) {
			const resource = resourceOf(users[user]!.userName);
			for (const kind of KINDS) {
				const expected = new Map<string, string>();
				for (const [place, value] of liveOf(model, user, kind, world.wallMs)) expected.set(place, value.text);
				const found = new Map<string, string>();
				for (const stored of world.values(resource, kind)) {
					if (!stored.value.value.exists) continue;
					expect(world.verifier.verifyStored(resource, kind, stored, [], world.wallMs)).toHaveProperty("nodeId");
					found.set(placeText(stored), contents(stored));
				}
				expect(sorted(found)).toEqual(sorted(expected));
			}
		}
	}

	toString(): string {
		return "fetch all";
	}
}

function placeText(stored: StoredData): string {
	if (stored.value.model === "single") return "0";
	return stored.value.model === "array" ? `${stored.value.index}` : `${stored.value.key[0]}`;
}

const sorted = (map: Map<string, string>) => Array.from(map).sort((a, b) => (a[0] < b[0] ? -1 : 1));

class Wait implements fc.Command<Model, Real> {
	readonly #ms: number;
	readonly #sweeps: boolean;

	constructor(ms: number, sweeps: boolean) {
		this.#ms = ms;
		this.#sweeps = sweeps;
	}

	check(): boolean {
		return true;
	}

	run(_model: Model, { world, inFlight }: Real): void {
		world.wallMs += this.#ms;
		if (!this.#sweeps) return;
		const change = world.storage.expire(world.wallMs);
		finish(world, inFlight, inFlight.length, true);
		world.commit(change);
	}

	toString(): string {
		return `wait ${this.#ms}${this.#sweeps ? " and sweep" : ""}`;
	}
}

class Restart implements fc.Command<Model, Real> {
	readonly #writes: boolean;

	constructor(writes: boolean) {
		this.#writes = writes;
	}

	check(): boolean {
		return true;
	}

	run(model: Model, { world, users, inFlight }: Real): void {
		// Killed: what is in flight is lost, or was written a moment before.
		if (this.#writes && inFlight.length > 0) world.write(inFlight[0]!.change);
		inFlight.length = 0;
		const { broken, change } = world.restart();
		expect(broken).toBe(0);
		world.commit(change);
		// What was not acknowledged may be gone; then what stood there before it may be back. The model learns which.
		for (let user = 0; user < users.length; user++) {
			for (const kind of KINDS) {
				const onDisk = new Map<string, StoredData>();
				for (const stored of world.values(resourceOf(users[user]!.userName), kind)) {
					if (stored.value.value.exists) onDisk.set(placeText(stored), stored);
				}
				const prefix = modelKey(user, kind, "");
				for (const [key, value] of model.values) {
					if (!key.startsWith(prefix)) continue;
					const place = key.slice(prefix.length);
					const stored = onDisk.get(place);
					if (value.acknowledged) {
						expect(stored?.storageTime).toBe(value.endsMs > world.wallMs ? value.storageTime : undefined);
					} else if (stored === undefined) model.values.delete(key);
					else if (stored.storageTime !== value.storageTime) {
						const endsMs = endOf(world, stored);
						model.values.set(key, {
							text: contents(stored),
							storageTime: stored.storageTime,
							endsMs,
							acknowledged: true,
						});
					}
				}
			}
		}
	}

	toString(): string {
		return `restart${this.#writes ? " after a write" : ""}`;
	}
}

/** From the record itself: a fetched lifetime is rounded down. */
function endOf(world: World, stored: StoredData): number {
	for (const record of world.disk.values()) {
		const r = record as { storageTime?: number; receivedMs: number; lifetime: number; signature: Uint8Array };
		if (r.storageTime === stored.storageTime && includes(r.signature, stored.signature.signatureValue)) {
			return r.receivedMs + r.lifetime * 1000;
		}
	}
	throw new Error("not on disk");
}

function includes(whole: Uint8Array, part: Uint8Array): boolean {
	return Buffer.from(whole).includes(Buffer.from(part));
}

test("random stores, time, disks and restarts give the answers of the model", () => {
	const store = fc.record({
		user: fc.nat(1),
		kind: fc.constantFrom(...KINDS),
		place: fc.nat(9),
		text: fc.string({ maxLength: 8, unit: fc.constantFrom("a", "b", "c") }),
		timeOffset: fc.integer({ min: -3, max: 3 }),
		lifetimeS: fc.constantFrom(0, 1, 5, 60),
		finishes: fc.nat(3),
		ok: fc.constantFrom(true, true, false),
	});
	const commands = fc.commands(
		[
			store.map((a) => new Store(a)),
			fc.constant(new FetchAll()),
			fc.tuple(fc.constantFrom(1, 999, 1000, 7000, 61_000), fc.boolean()).map(([ms, sweeps]) => new Wait(ms, sweeps)),
			fc.boolean().map((writes) => new Restart(writes)),
		],
		{ maxCommands: 60, size: "max" },
	);
	const shared = new World();
	const users = [shared.identity("alice@house.example"), shared.identity("bob@house.example")];
	fc.assert(
		fc.property(commands, (list) => {
			fc.modelRun(() => {
				shared.wallMs = T0;
				shared.disk = new Map();
				shared.restart();
				return { model: new Model(), real: { world: shared, users, inFlight: [] } };
			}, list);
		}),
		{ numRuns: 200, seed: 20260101 },
	);
});
