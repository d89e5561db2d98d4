import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RecordBatch, RecordStore } from "../../../hal/hal.ts";
import { RECORD_KEY_OCTETS } from "../../../hal/node/limits.ts";
import { MemoryStore } from "../../../hal/node/memory-store.ts";
import { NodeRecordStore, STORE_SCHEMA } from "../../../hal/node/record-store.ts";
import { checkStoreFile } from "../../../hal/node/store-file.ts";
import { ended, onLines, run, scratch } from "./scratch.ts";
import { batchOf } from "./store-story.ts";

function commit(
	store: RecordStore,
	put: RecordBatch["put"],
	remove: readonly string[] = [],
): Promise<string | undefined> {
	return new Promise((resolve) => store.commit({ put, remove }, resolve));
}

function closed(store: NodeRecordStore): Promise<void> {
	return new Promise((resolve) => store.close(resolve));
}

function all(store: RecordStore, prefix = ""): (readonly [string, unknown])[] {
	return [...store.entries(prefix)];
}

const stores: [string, () => RecordStore][] = [
	["memory", () => new MemoryStore()],
	["lmdb", () => new NodeRecordStore({ path: join(scratch(), "store") })],
];

describe.each(stores)("a record store: %s", (_name, make) => {
	test("what was committed can be read; what was removed cannot", async () => {
		const store = make();
		expect(store.get("a")).toBeUndefined();
		expect(
			await commit(store, [
				["a", 1],
				["b", { c: [true, "x"] }],
			]),
		).toBeUndefined();
		expect(store.get("a")).toBe(1);
		expect(store.get("b")).toEqual({ c: [true, "x"] });
		expect(await commit(store, [["a", 2]], ["b", "never there"])).toBeUndefined();
		expect(all(store)).toEqual([["a", 2]]);
		store.close();
	});

	test("a change is reported after commit has returned, and seen from then on", async () => {
		const store = make();
		let reported = false;
		const done = new Promise<void>((resolve) => {
			store.commit({ put: [["a", 1]], remove: [] }, () => {
				reported = true;
				expect(store.get("a")).toBe(1);
				resolve();
			});
		});
		expect(reported).toBe(false);
		await done;
		store.close();
	});

	test("batches are reported in order and applied in order", async () => {
		const store = make();
		const order: number[] = [];
		const last = Promise.all(
			[0, 1, 2, 3, 4].map(
				(n) =>
					new Promise<void>((resolve) =>
						store.commit({ put: [["n", n]], remove: n === 2 ? ["n"] : [] }, () => {
							order.push(n);
							resolve();
						}),
					),
			),
		);
		await last;
		expect(order).toEqual([0, 1, 2, 3, 4]);
		expect(store.get("n")).toBe(4);
		expect(await commit(store, [["n", 5]], ["n"])).toBeUndefined();
		expect(store.get("n")).toBeUndefined();
		store.close();
	});

	test("entries of a prefix, in the order of the keys' UTF-8 octets", async () => {
		const store = make();
		const keys = ["b", "a/2", "a/10", "a", "a/", "a0", "a/\u{10ffff}", "a/\uffff", "a/é", "\u{10000}x", "\uffffy"];
		await commit(
			store,
			keys.map((key) => [key, key] as const),
		);
		const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
		expect(all(store).map(([key]) => key)).toEqual(sorted);
		for (const prefix of ["a", "a/", "a/1", "b", "c", "\u{10000}", "\uffff", "a/\u{10ffff}"]) {
			expect(all(store, prefix).map(([key]) => key)).toEqual(sorted.filter((key) => key.startsWith(prefix)));
		}
		store.close();
	});

	test("byte strings come back as plain octets of their own", async () => {
		const store = make();
		const bytes = new Uint8Array([1, 2, 3]);
		await commit(store, [["k", { bytes, nested: [bytes.subarray(1)] }]]);
		bytes[0] = 9;
		const value = store.get("k") as { bytes: Uint8Array; nested: Uint8Array[] };
		expect(value.bytes.constructor).toBe(Uint8Array);
		expect([...value.bytes]).toEqual([1, 2, 3]);
		expect([...value.nested[0]!]).toEqual([2, 3]);
		expect(value.bytes.buffer.byteLength).toBe(3);
		const [entry] = all(store) as [string, { bytes: Uint8Array }][];
		await commit(store, [["k", { bytes: new Uint8Array([7, 7, 7]) }]]);
		expect([...value.bytes, ...entry![1].bytes]).toEqual([1, 2, 3, 1, 2, 3]);
		store.close();
	});

	test("a batch with one thing that cannot be stored changes nothing", async () => {
		const store = make();
		await commit(store, [["a", 1]]);
		const long = "k".repeat(RECORD_KEY_OCTETS + 1);
		const wide = "é".repeat(RECORD_KEY_OCTETS / 2 + 1);
		for (const key of ["", long, wide]) {
			expect(
				await commit(store, [
					["a", 2],
					[key, 1],
				]),
			).toMatch("not a record key");
			expect(await commit(store, [["a", 2]], [key])).toMatch("not a record key");
		}
		const throwing = {
			toJSON: 1,
			get x(): never {
				throw new Error("no");
			},
		};
		expect(
			await commit(store, [
				["a", 2],
				["b", throwing],
			]),
		).toMatch("not plain data");
		expect(all(store)).toEqual([["a", 1]]);
		expect(await commit(store, [["k".repeat(RECORD_KEY_OCTETS), 1]])).toBeUndefined();
		store.close();
	});

	test("any plain data comes back as it was", async () => {
		const store = make();
		const plain = fc.letrec((tie) => ({
			value: fc.oneof(
				{ depthSize: "small" },
				fc.string({ unit: "binary" }).filter((text) => !/\p{Surrogate}/u.test(text)),
				fc.integer(),
				fc.maxSafeInteger(),
				fc.double({ noNaN: true }),
				fc.boolean(),
				fc.constant(null),
				fc.uint8Array({ maxLength: 300 }),
				fc.array(tie("value"), { maxLength: 5 }),
				fc.dictionary(
					fc.string({ minLength: 1 }).filter((key) => key !== "__proto__"),
					tie("value"),
					{ maxKeys: 5 },
				),
			),
		})).value;
		await fc.assert(
			fc.asyncProperty(plain, async (value) => {
				expect(await commit(store, [["k", value]])).toBeUndefined();
				expect(JSON.stringify(store.get("k"))).toBe(JSON.stringify(value));
			}),
			{ numRuns: 60 },
		);
		store.close();
	});

	test("closing: commits under way are reported, later ones refused, twice is once", async () => {
		const store = make();
		const before = commit(store, [["a", 1]]);
		store.close();
		store.close();
		expect(await commit(store, [["a", 2]])).toBe("the store is closed");
		expect(await before).toBeUndefined();
	});
});

describe("the memory store's faults for tests", () => {
	test("manual settling, a failure, a power cut", async () => {
		const store = new MemoryStore({ manual: true });
		const reports: (string | undefined)[] = [];
		const report = (error?: string): number => reports.push(error);
		for (let n = 0; n < 3; n++) store.commit({ put: [["n", n]], remove: [] }, report);
		store.settle(1);
		expect(store.get("n")).toBe(0);
		store.failNext("disk full");
		store.settle(1);
		expect(store.get("n")).toBe(0);
		store.crash();
		store.settle();
		expect(reports).toEqual([undefined, "disk full"]);
		expect(store.get("n")).toBe(0);
	});
});

describe("the store on disk", () => {
	async function filled(count: number): Promise<string> {
		const path = join(scratch(), "store");
		const store = new NodeRecordStore({ path });
		for (let n = 0; n < count; n++) await new Promise((resolve) => store.commit(batchOf(n), resolve));
		await commit(store, [
			["large", new Uint8Array(50_000).fill(7)],
			["end", 1],
		]);
		await closed(store);
		return path;
	}

	test("survives closing and opening; directory and files belong to the owner only", async () => {
		const path = await filled(9);
		const store = new NodeRecordStore({ path, mustExist: true });
		expect(store.get("last")).toBe(8);
		expect((store.get("large") as Uint8Array).length).toBe(50_000);
		await closed(store);
		const modes = [path, join(path, "data.mdb"), join(path, "lock.mdb")].map((name) => statSync(name).mode & 0o777);
		expect(modes).toEqual([0o700, 0o600, 0o600]);
	});

	test("a missing store is one clear error for readers and for who says it must exist", () => {
		const path = join(scratch(), "none");
		expect(() => new NodeRecordStore({ path, mustExist: true })).toThrow(`record store ${path}: there is none`);
		expect(() => new NodeRecordStore({ path, readOnly: true })).toThrow(`record store ${path}: there is none`);
		const file = join(scratch(), "file");
		writeFileSync(file, "x");
		expect(() => new NodeRecordStore({ path: file })).toThrow("it is not a directory");
	});

	test("one writer; readers see its commits and cannot commit", async () => {
		const path = await filled(1);
		const writer = new NodeRecordStore({ path });
		expect(() => new NodeRecordStore({ path })).toThrow(`it is in use by process ${process.pid}`);
		const reader = new NodeRecordStore({ path, readOnly: true });
		await commit(writer, [["seen", 1]]);
		// A reader keeps its snapshot for one turn of the event loop.
		await new Promise((resolve) => setTimeout(resolve, 1));
		expect(reader.get("seen")).toBe(1);
		expect(await commit(reader, [["seen", 2]])).toBe("the store is open for reading");
		await closed(reader);
		expect(await commit(writer, [["seen", 3]])).toBeUndefined();
		await closed(writer);
		await closed(new NodeRecordStore({ path }));
	});

	test("another process: refused while the writer lives, read meanwhile, taken over after it was killed", async () => {
		const path = join(scratch(), "store");
		const child = run("./store-writer.ts", [path, "0", "stream", ""]);
		await new Promise<void>((resolve) => onLines(child, (line) => line === "20" && resolve()));
		expect(() => new NodeRecordStore({ path })).toThrow(`it is in use by process ${child.pid}`);
		const reader = new NodeRecordStore({ path, readOnly: true });
		expect(reader.get("last")).toBeGreaterThanOrEqual(20);
		await closed(reader);
		child.kill("SIGKILL");
		expect(await ended(child)).toBe("SIGKILL");
		const store = new NodeRecordStore({ path });
		expect(store.get("last")).toBeGreaterThanOrEqual(20);
		await closed(store);
	});

	test("a schema of the future is refused", async () => {
		const path = await filled(1);
		const { open } = await import("lmdb");
		const { encodeRecord } = await import("../../../hal/node/record-codec.ts");
		const raw = open({ path, noSubdir: false, overlappingSync: false, encoding: "binary", keyEncoding: "binary" });
		const meta = raw.openDB({ name: "meta", encoding: "binary", keyEncoding: "binary" });
		meta.putSync(Buffer.from("schema"), encodeRecord({ version: STORE_SCHEMA + 1 }));
		await raw.close();
		for (const readOnly of [true, false]) {
			expect(() => new NodeRecordStore({ path, readOnly })).toThrow(`its schema is ${STORE_SCHEMA + 1}`);
		}
	});

	test("a full disk: commits are refused with the reason, what was there stays", async () => {
		const path = await filled(3);
		const full = new NodeRecordStore({ path, freeOctets: 2 ** 60 });
		expect(await commit(full, [["more", 1]])).toMatch(/^the disk is full: \d+ octets free$/);
		expect(full.get("last")).toBe(2);
		await closed(full);
		const store = new NodeRecordStore({ path });
		expect(await commit(store, [["more", 1]])).toBeUndefined();
		await closed(store);
	});

	test("a disk that fails: nothing acknowledged is lost, and no further commit is tried", async () => {
		const path = join(scratch(), "store");
		// The shell's limit on the size of a file stands in for the failure.
		const child = run("./store-writer.ts", [path, "0", "growing", "100000"], "ulimit -f 400;");
		const lines: string[] = [];
		onLines(child, (line) => lines.push(line));
		await ended(child);
		const last = Number(lines.findLast((line) => Number.isInteger(Number(line))));
		expect(last).toBeGreaterThan(10);
		// lmdb may have spoilt the process in the attempt; when it has not, the reason is told and the store stays shut.
		for (const line of lines.slice(last + 2))
			expect(line).toMatch(/^(error|after the store has failed, start again:) .*large/);
		const store = new NodeRecordStore({ path });
		expect(store.get("last")).toBe(last);
		expect(all(store, "item/")).toHaveLength(last + 1);
		expect(await commit(store, [["more", new Uint8Array(100_000)]])).toBeUndefined();
		await closed(store);
	});

	test("damage is found before lmdb maps the file: one clear error, and the process lives", async () => {
		const path = await filled(40);
		const data = join(path, "data.mdb");
		const whole = readFileSync(data);
		expect(checkStoreFile(data)).toBe("sound");
		const expectFault = (bytes: Buffer, words: RegExp): void => {
			writeFileSync(data, bytes);
			expect(() => new NodeRecordStore({ path })).toThrow(words);
			expect(() => new NodeRecordStore({ path, readOnly: true })).toThrow(/^record store .*damaged: /);
		};
		expectFault(Buffer.from("not lmdb at all"), /shorter than a header/);
		expectFault(Buffer.alloc(8_192, "text "), /not an lmdb file/);
		expectFault(whole.subarray(0, 5_000), /shorter than its two headers/);
		expectFault(whole.subarray(0, 8_192), /page \d+ is missing/);
		const second = Buffer.from(whole);
		second.fill(0, 4_096, 8_192);
		expectFault(second, /second header/);
		const zeroed = Buffer.from(whole);
		zeroed.fill(0, 8_192);
		expectFault(zeroed, /page \d+ is damaged/);
		writeFileSync(data, whole);
		const store = new NodeRecordStore({ path });
		expect(store.get("last")).toBe(39);
		await closed(store);
	});

	test("truncated anywhere, or any page overwritten: sound, new or a fault, and a sound one can be read", async () => {
		const path = await filled(12);
		const data = join(path, "data.mdb");
		const whole = readFileSync(data);
		let faults = 0;
		for (let at = 0; at < whole.length; at += 1_024) {
			writeFileSync(data, whole);
			truncateSync(data, at);
			if (typeof checkStoreFile(data) === "object") faults++;
		}
		expect(faults).toBeGreaterThan(whole.length / 4_096);
		for (let page = 0; page * 4_096 < whole.length; page++) {
			const bad = Buffer.from(whole);
			for (let i = 0; i < 4_096; i++) bad[page * 4_096 + i] = (i * 167 + page) & 0xff;
			writeFileSync(data, bad);
			const state = checkStoreFile(data);
			if (state === "sound") {
				// A page no snapshot uses any more, or one of a large value.
				const store = new NodeRecordStore({ path });
				expect(store.get("last")).toBe(11);
				await closed(store);
			}
		}
	});

	test("creation interrupted by a power cut begins anew", async () => {
		for (const left of [Buffer.alloc(0), Buffer.alloc(4_096), Buffer.alloc(8_192)]) {
			const path = join(scratch(), "store");
			mkdirSync(path);
			writeFileSync(join(path, "data.mdb"), left);
			expect(() => new NodeRecordStore({ path, readOnly: true })).toThrow("there is none yet");
			const store = new NodeRecordStore({ path });
			expect(await commit(store, [["a", 1]])).toBeUndefined();
			await closed(store);
		}
	});

	test("a record that is not CBOR is one clear error and leaves the others readable", async () => {
		const path = await filled(1);
		const { open } = await import("lmdb");
		const raw = open({ path, noSubdir: false, overlappingSync: false, encoding: "binary", keyEncoding: "binary" });
		const records = raw.openDB({ name: "records", encoding: "binary", keyEncoding: "binary" });
		records.putSync(Buffer.from("bad"), new Uint8Array([0x5f, 0xff, 0xff, 0x9b]));
		await raw.close();
		const store = new NodeRecordStore({ path });
		expect(() => store.get("bad")).toThrow('record store: the record "bad" is damaged');
		expect(store.get("last")).toBe(0);
		await closed(store);
	});
});
