/** What the tests of the peer's host share: directories that go away, a store in memory, clocks and timers that stand still. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { makeCertificationRequest } from "../../../core/identity/pkcs10.ts";
import type { Clock, PrivateKey, RecordBatch, RecordStore } from "../../../hal/hal.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { HouseholdAdmin } from "../../../targets/pi/household/admin.ts";
import type { Founding } from "../../../targets/pi/household/found.ts";
import { Household } from "../../../targets/pi/household/household.ts";
import { type EnrollmentForm, Issuing } from "../../../targets/pi/household/issuing.ts";
import { PiState } from "../../../targets/pi/state/state.ts";
import type { Timers } from "../../../targets/pi/state/timers.ts";

/** A directory that is removed after the test. */
export function scratch(): string {
	const path = mkdtempSync(join(tmpdir(), "ringlet-"));
	onTestFinished(() => rmSync(path, { recursive: true, force: true }));
	return path;
}

/** 2026-01-01T00:00Z */
export const NEW_YEAR = 1_767_225_600_000;

/** A clock that moves only when told. */
export class ManualClock implements Clock {
	#now = 0;
	#wall: number;

	constructor(wallMs = NEW_YEAR) {
		this.#wall = wallMs;
	}

	monotonicMs(): number {
		return this.#now;
	}

	wallMs(): number {
		return this.#wall;
	}

	advance(ms: number): void {
		this.#now += ms;
		this.#wall += ms;
	}
}

/** Timers that fire when told. */
export class ManualTimers implements Timers {
	#pending: { at: number; action: () => void }[] = [];
	#now = 0;

	after(delayMs: number, action: () => void): () => void {
		const entry = { at: this.#now + delayMs, action };
		this.#pending.push(entry);
		return () => {
			this.#pending = this.#pending.filter((other) => other !== entry);
		};
	}

	/** Moves on by `ms`, firing what falls due, in order. */
	advance(ms: number): void {
		const end = this.#now + ms;
		for (;;) {
			const due = this.#pending.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
			if (due === undefined) break;
			this.#now = due.at;
			this.#pending = this.#pending.filter((entry) => entry !== due);
			due.action();
		}
		this.#now = end;
	}

	get pending(): number {
		return this.#pending.length;
	}
}

/** A record store in memory; `failing` makes commits fail. */
export class MemoryStore implements RecordStore {
	readonly records = new Map<string, unknown>();
	failing: string | undefined;

	get(key: string): unknown {
		return this.records.get(key);
	}

	entries(prefix: string): [string, unknown][] {
		return [...this.records].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
	}

	commit(batch: RecordBatch, done: (error?: string) => void): void {
		if (this.failing !== undefined) {
			done(this.failing);
			return;
		}
		for (const [key, value] of batch.put) this.records.set(key, value);
		for (const key of batch.remove) this.records.delete(key);
		done();
	}

	close(): void {}
}

export const HOME = "home.example";
export const crypto = nodeCrypto();

/** A founded household, in memory unless `path` is given, with a clock and timers that stand still. */
export interface TestHouse {
	readonly state: PiState;
	readonly store: MemoryStore;
	readonly clock: ManualClock;
	readonly timers: ManualTimers;
	readonly household: Household;
	readonly admin: HouseholdAdmin;
	readonly issuing: Issuing;
}

export async function foundHouse(founding: Partial<Founding> = {}, wallMs = NEW_YEAR): Promise<TestHouse> {
	const store = new MemoryStore();
	const state = PiState.open({ path: scratch(), openStore: () => store });
	const clock = new ManualClock(wallMs);
	const timers = new ManualTimers();
	const household = await Household.found({ state, crypto, clock, timers }, { overlayName: HOME, ...founding });
	onTestFinished(async () => {
		await household.close();
		await state.close();
	});
	return {
		state,
		store,
		clock,
		timers,
		household,
		admin: new HouseholdAdmin(household),
		issuing: new Issuing(household),
	};
}

/** An enrollment form of a key and name. */
export function form(
	key: PrivateKey,
	userName: string,
	username?: string,
	password?: string,
	nodeIds = 1,
): EnrollmentForm {
	return { username, password, nodeIds, csr: makeCertificationRequest(key, userName) };
}

export const PASSWORD = "correct horse";
