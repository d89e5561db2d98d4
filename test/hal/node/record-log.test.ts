import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommitQueue, type TakeOver } from "../../../hal/node/commit-queue.ts";
import { RECORD_LOG_OCTETS } from "../../../hal/node/limits.ts";
import { type Change, type EncodedBatch, encodeBatch } from "../../../hal/node/record-codec.ts";
import {
	encodeChanges,
	FRAME_OCTETS,
	type LogMark,
	makeLog,
	newLogMark,
	RecordLog,
	readLog,
	readLogMark,
} from "../../../hal/node/record-log.ts";
import { NodeRecordStore } from "../../../hal/node/record-store.ts";
import { scratch } from "./scratch.ts";
import { batchOf, faultAfter } from "./store-story.ts";

const SLOT = 4_096;

function append(log: RecordLog, sequence: number, changes: readonly Change[]): Promise<string | undefined> {
	return new Promise((resolve) => log.append(sequence, encodeChanges(changes), resolve));
}

function changesOf(number: number, octets: number): Change[] {
	return [
		[`key ${number}`, new Uint8Array(octets).fill(number)],
		[`gone ${number}`, undefined],
	];
}

function newLog(): { path: string; mark: LogMark; log: RecordLog } {
	const path = join(scratch(), "log");
	makeLog(path);
	const mark = newLogMark();
	return { path, mark, log: new RecordLog(path, mark.store) };
}

describe("the log of the store", () => {
	test("frames come back in order, also those that a new writer finds", async () => {
		const { path, mark, log } = newLog();
		expect(readLog(path, mark)).toEqual([]);
		for (let n = 1; n <= 5; n++) expect(await append(log, n, changesOf(n, 700 * n))).toBeUndefined();
		log.close();
		const frames = readLog(path, { ...mark, sequence: 2 });
		expect(frames).toEqual([3, 4, 5].map((n) => ({ sequence: n, changes: changesOf(n, 700 * n) })));
		expect(readLog(path, { ...mark, sequence: 5 })).toEqual([]);
		expect(readLog(path, newLogMark())).toEqual([]);
	});

	test("a ring: what lmdb has makes room, what it has not is never overwritten", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.tuple(fc.integer({ min: 0, max: FRAME_OCTETS - 100 }), fc.nat(6)), { maxLength: 60 }),
				async (steps) => {
					const { path, mark, log } = newLog();
					const live: number[] = [];
					let sequence = 0;
					let taken = 0;
					for (const [octets, released] of steps) {
						const changes = changesOf(sequence + 1, octets);
						if (log.hasRoom(encodeChanges(changes))) {
							await append(log, ++sequence, changes);
							live.push(octets);
						} else expect(live.length).toBeGreaterThan(0);
						for (let n = 0; n < released && live.length > 0; n++) {
							live.shift();
							taken++;
						}
						log.release(taken);
						const expected = live.map((size, i) => ({
							sequence: taken + 1 + i,
							changes: changesOf(taken + 1 + i, size),
						}));
						expect(readLog(path, { ...mark, sequence: taken })).toEqual(expected);
					}
					log.close();
					expect(readFileSync(path).length).toBe(RECORD_LOG_OCTETS);
				},
			),
			{ numRuns: 15 },
		);
	});

	test("an empty log has room for the largest frame four times", async () => {
		const { log } = newLog();
		const payload = new Uint8Array(FRAME_OCTETS);
		for (let n = 1; n <= 4; n++) {
			expect(log.hasRoom(payload)).toBe(true);
			expect(log.isHalfFull).toBe(n > 3);
			await new Promise((resolve) => log.append(n, payload, resolve));
		}
		expect(log.hasRoom(new Uint8Array(1))).toBe(false);
		log.release(1);
		expect(log.hasRoom(payload)).toBe(true);
		log.close();
	});

	test("power goes during a write: the frame is as if it had never been, wherever it was cut", async () => {
		const { path, mark, log } = newLog();
		for (let n = 1; n <= 2; n++) await append(log, n, changesOf(n, 50));
		const before = readFileSync(path);
		await append(log, 3, changesOf(3, 6_000));
		log.close();
		const after = readFileSync(path);
		const end = 2 * SLOT + 6_300;
		for (let cut = 2 * SLOT; cut < end; cut += 97) {
			const torn = Buffer.concat([after.subarray(0, cut), before.subarray(cut)]);
			writeFileSync(path, torn);
			const frames = readLog(path, mark);
			// Beyond its last octet nothing of the frame is missing.
			const isWhole = after.subarray(cut).equals(before.subarray(cut));
			expect((frames as unknown[]).length).toBe(isWhole ? 3 : 2);
		}
		// The later sector is there, the first one is not.
		writeFileSync(path, Buffer.concat([before.subarray(0, 3 * SLOT), after.subarray(3 * SLOT)]));
		expect(readLog(path, mark)).toHaveLength(2);
	});

	test("a frame that should be there and is not is a fault", async () => {
		const { path, mark, log } = newLog();
		for (let n = 1; n <= 3; n++) await append(log, n, changesOf(n, 50));
		log.close();
		const octets = readFileSync(path);
		octets[SLOT + 60] = octets[SLOT + 60]! ^ 1;
		writeFileSync(path, octets);
		expect(readLog(path, mark)).toBe(`change 2 is missing in ${path}, 3 is there`);
		expect(readLog(path, { ...mark, sequence: 2 })).toHaveLength(1);
	});

	test("anything else in the file is no frame", () => {
		const { path, mark, log } = newLog();
		log.close();
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 3 * SLOT }), (octets) => {
				writeFileSync(path, octets);
				expect(readLog(path, mark)).toEqual([]);
			}),
		);
		for (const value of [undefined, null, 1, {}, { store: new Uint8Array(3), sequence: 1 }, { store: mark.store }]) {
			expect(readLogMark(value)).toBeUndefined();
		}
		expect(readLogMark({ ...mark })).toEqual(mark);
	});
});

/** A queue over a real log and an lmdb that does what the test says. */
class Rig {
	readonly path: string;
	readonly mark: LogMark;
	readonly queue: CommitQueue;
	readonly reports: string[] = [];
	/** What "lmdb" holds, and how far. */
	readonly taken = new Map<string, Uint8Array>();
	upTo = 0;
	takes = 0;
	/** Held back take-overs. */
	readonly waiting: (() => void)[] = [];
	hold = false;
	fault: string | undefined;

	constructor() {
		const { path, mark, log } = newLog();
		this.path = path;
		this.mark = mark;
		const takeOver: TakeOver = (changes, sequence, done) => {
			const now = [...changes];
			const finish = (): void => {
				if (this.fault !== undefined) {
					done(this.fault);
					return;
				}
				this.takes++;
				for (const [key, bytes] of now) {
					if (bytes === undefined) this.taken.delete(key);
					else this.taken.set(key, bytes);
				}
				this.upTo = sequence;
				done();
			};
			if (this.hold) this.waiting.push(finish);
			else setImmediate(finish);
		};
		this.queue = new CommitQueue(log, 0, takeOver);
	}

	commit(name: string, batch: EncodedBatch): Promise<void> {
		return new Promise((resolve) =>
			this.queue.commit(batch, (error) => {
				this.reports.push(error === undefined ? name : `${name}: ${error}`);
				resolve();
			}),
		);
	}

	drained(): Promise<void> {
		return new Promise((resolve) => this.queue.drain(resolve));
	}

	/** Everything that is safe: lmdb, and what the log has beyond it. */
	safe(): Map<string, Uint8Array> {
		const all = new Map(this.taken);
		const frames = readLog(this.path, { ...this.mark, sequence: this.upTo });
		if (typeof frames === "string") throw new Error(frames);
		for (const { changes } of frames) {
			for (const [key, bytes] of changes) {
				if (bytes === undefined) all.delete(key);
				else all.set(key, bytes);
			}
		}
		return all;
	}
}

function batch(key: string, octets: number): EncodedBatch {
	return encodeBatch({ put: [[key, new Uint8Array(octets)]], remove: [] }) as EncodedBatch;
}

describe("the way of a change", () => {
	test("reported when it stands in the log; batches that wait share a write", async () => {
		const rig = new Rig();
		rig.hold = true;
		const all = Promise.all(Array.from({ length: 50 }, (_, n) => rig.commit(`${n}`, batch(`k${n}`, 10))));
		await all;
		expect(rig.reports).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`));
		expect(rig.takes).toBe(0);
		// The first one went alone, the others waited for it.
		expect(readLog(rig.path, rig.mark)).toHaveLength(2);
		expect(rig.safe().size).toBe(50);
		expect(rig.queue.pending.size).toBe(50);
		rig.hold = false;
		await rig.drained();
		expect(rig.taken.size).toBe(50);
		expect(rig.queue.pending.size).toBe(0);
	});

	test("batches of any size: reported in order, safe when reported, all taken over in the end", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 60 }), async (sizes) => {
				const rig = new Rig();
				const expected = new Map<string, number>();
				const all = sizes.map((octets, n) =>
					rig.commit(`${n}`, batch(`k${n % 7}`, octets)).then(() => {
						expect([...rig.safe().keys()]).toContain(`k${n % 7}`);
					}),
				);
				for (const [n, octets] of sizes.entries()) expected.set(`k${n % 7}`, octets);
				await Promise.all(all);
				await rig.drained();
				expect(rig.reports).toEqual(sizes.map((_, n) => `${n}`));
				expect(rig.taken.size).toBe(expected.size);
				for (const [key, octets] of expected) expect(rig.taken.get(key)!.length).toBeGreaterThanOrEqual(octets);
				expect(rig.queue.owed(batch("x", 1))).toBeLessThan(40_000);
			}),
			{ numRuns: 15 },
		);
	});

	test("a log that is full waits for lmdb, also when the batches are empty", async () => {
		const rig = new Rig();
		const empty: EncodedBatch = { changes: [], octets: 0 };
		for (let n = 0; n < 3 * (RECORD_LOG_OCTETS / SLOT); n++) await rig.commit(`${n}`, empty);
		rig.hold = true;
		const many = Array.from({ length: 40 }, (_, n) => rig.commit(`m${n}`, batch(`k${n}`, 15_000)));
		while (rig.waiting.length === 0) await new Promise(setImmediate);
		await new Promise((resolve) => setTimeout(resolve, 20));
		expect(rig.reports.length).toBeLessThan(3 * 32 + 40);
		rig.hold = false;
		for (const finish of rig.waiting.splice(0)) finish();
		await Promise.all(many);
		await rig.drained();
		expect(rig.taken.size).toBe(40);
	});

	test("a change made while lmdb takes over an older one of the same record stays ahead", async () => {
		const rig = new Rig();
		rig.hold = true;
		await rig.commit("old", batch("k", 10));
		while (rig.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
		await rig.commit("new", batch("k", 20));
		await rig.commit("gone", encodeBatch({ put: [], remove: ["other"] }) as EncodedBatch);
		for (const finish of rig.waiting.splice(0)) finish();
		expect(rig.queue.pending.get("k")!.length).toBeGreaterThanOrEqual(20);
		expect(rig.queue.pending.has("other")).toBe(true);
		rig.hold = false;
		await rig.drained();
		expect(rig.taken.get("k")!.length).toBeGreaterThanOrEqual(20);
	});

	test("lmdb fails: what was reported stands in the log, nothing more is tried", async () => {
		const rig = new Rig();
		await rig.commit("first", batch("a", 10));
		rig.fault = "no space";
		const large = rig.commit("large", batch("b", 100_000));
		const after = rig.commit("after", batch("c", 10));
		await Promise.all([large, after]);
		const words = "the store has failed, start again: no space";
		expect(rig.reports).toEqual(["first", `large: ${words}`, `after: ${words}`]);
		expect(rig.queue.failure).toBe(words);
		expect([...rig.safe().keys()]).toEqual(["a"]);
		await rig.drained();
		expect(rig.takes).toBe(0);
	});
});

describe("the store behind the log", () => {
	/** The files as a power cut leaves them: a copy of what is on the disk at this moment. */
	function cut(path: string): string {
		const copy = join(scratch(), "store");
		mkdirSync(copy);
		for (const name of ["data.mdb", "log"]) copyFileSync(join(path, name), join(copy, name));
		return copy;
	}

	test("power cut after any report: everything reported is there, whether lmdb had it or not", async () => {
		const path = join(scratch(), "store");
		const store = new NodeRecordStore({ path });
		for (let n = 0; n < 90; n++) {
			await new Promise((resolve) => store.commit(batchOf(n), resolve));
			if (n % 9 !== 0) continue;
			// Read only: the copy names this process, which runs, as its writer.
			const left = new NodeRecordStore({ path: cut(path), readOnly: true });
			expect(faultAfter(new Map(left.entries("")))).toEqual({ last: n, fault: undefined });
			await new Promise<void>((resolve) => left.close(resolve));
		}
		await new Promise<void>((resolve) => store.close(resolve));
	});

	test("changes in the log and in lmdb are seen as one, in the order of the keys", async () => {
		const path = join(scratch(), "store");
		const commit = (store: NodeRecordStore, put: [string, unknown][], remove: string[] = []): Promise<unknown> =>
			new Promise((resolve) => store.commit({ put, remove }, resolve));
		const first = new NodeRecordStore({ path });
		await commit(first, [
			["a", 1],
			["c", 1],
			["d", 1],
			["p/x", 1],
		]);
		await new Promise<void>((resolve) => first.close(resolve));
		const store = new NodeRecordStore({ path });
		await commit(
			store,
			[
				["b", 2],
				["c", 2],
				["p/w", 2],
				["p/y", 2],
			],
			["d"],
		);
		const expected = [
			["a", 1],
			["b", 2],
			["c", 2],
			["p/w", 2],
			["p/x", 1],
			["p/y", 2],
		];
		const reader = new NodeRecordStore({ path, readOnly: true });
		for (const one of [store, reader]) {
			expect([...one.entries("")]).toEqual(expected);
			expect([...one.entries("p/")]).toEqual(expected.slice(3));
			expect([one.get("c"), one.get("d"), one.get("a")]).toEqual([2, undefined, 1]);
		}
		await new Promise<void>((resolve) => reader.close(resolve));
		await new Promise<void>((resolve) => store.close(resolve));
	});

	test("a log of other data is left alone; one that is not finished is made anew", async () => {
		const path = join(scratch(), "store");
		const store = new NodeRecordStore({ path });
		await new Promise((resolve) => store.commit(batchOf(0), resolve));
		const other = join(scratch(), "store");
		mkdirSync(other);
		copyFileSync(join(path, "log"), join(other, "log"));
		const fresh = new NodeRecordStore({ path: other });
		expect([...fresh.entries("")]).toEqual([]);
		await new Promise<void>((resolve) => fresh.close(resolve));
		await new Promise<void>((resolve) => store.close(resolve));
		writeFileSync(join(path, "log"), new Uint8Array(5_000));
		const again = new NodeRecordStore({ path });
		expect(again.get("last")).toBe(0);
		expect(statSync(join(path, "log"))).toMatchObject({ size: RECORD_LOG_OCTETS, mode: 0o100600 });
		await new Promise<void>((resolve) => again.close(resolve));
	});
});
