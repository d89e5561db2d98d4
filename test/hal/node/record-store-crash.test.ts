/**
 * The promise of the store: what it acknowledged survives a kill at any instant, and what is there is a whole number of batches.
 * A program commits without end and prints each number once it is acknowledged; it is killed after a random count; the store is
 * opened again and held against what was printed. `RINGLET_CRASH_ROUNDS=200` for the long run.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { NodeRecordStore } from "../../../hal/node/record-store.ts";
import { ended, onLines, run, scratch } from "./scratch.ts";
import { faultAfter, type Mode } from "./store-story.ts";

const ROUNDS = Number(process.env.RINGLET_CRASH_ROUNDS ?? 20);
const SEED = Number(process.env.RINGLET_CRASH_SEED ?? 7);

/** Mulberry32. */
function generator(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

interface Round {
	readonly acknowledged: number;
	readonly errors: readonly string[];
	readonly end: number | NodeJS.Signals;
}

/** Runs the writer from batch `start` and kills it once `count` more are acknowledged. */
async function killAfter(path: string, start: number, count: number, mode: Mode): Promise<Round> {
	const child = run("./store-writer.ts", [path, String(start), mode, "1000000"]);
	let acknowledged = start - 1;
	const errors: string[] = [];
	onLines(child, (line) => {
		if (line === "open") {
			if (count === 0) child.kill("SIGKILL");
			return;
		}
		if (line.startsWith("error")) errors.push(line);
		else acknowledged = Number(line);
		if (acknowledged - start + 1 >= count) child.kill("SIGKILL");
	});
	const end = await ended(child);
	return { acknowledged, errors, end };
}

test(
	`nothing acknowledged is lost, nothing is torn: ${ROUNDS} kills, seed ${SEED}`,
	async () => {
		const random = generator(SEED);
		const path = join(scratch(), "store");
		let start = 0;
		for (let round = 0; round < ROUNDS; round++) {
			const count = Math.floor(random() * 60);
			const mode: Mode = random() < 0.5 ? "chain" : "stream";
			const { acknowledged, errors, end } = await killAfter(path, start, count, mode);
			expect({ end, errors }).toEqual({ end: "SIGKILL", errors: [] });
			const store = new NodeRecordStore({ path });
			const { last, fault } = faultAfter(new Map(store.entries("")));
			expect(fault).toBeUndefined();
			// More may be there than was printed: committed, and killed before it could say so.
			expect(last).toBeGreaterThanOrEqual(acknowledged);
			start = last + 1;
			await new Promise<void>((resolve) => store.close(resolve));
		}
		expect(start).toBeGreaterThan(ROUNDS * 10);
	},
	60_000 + ROUNDS * 3_000,
);
