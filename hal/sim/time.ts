/** Virtual time: nothing happens between two events, so it jumps from one to the next. */
import type { Clock } from "../hal.ts";
import { EventQueue } from "./queue.ts";

/** 2026-03-01T12:00Z: the wall clock of a simulated world at its start, unless told otherwise. */
export const WORLD_START_MS = 1_772_366_400_000;

/** Events at one instant beyond this are a loop that stops time: our own bug. */
const EVENTS_AT_ONCE = 2_000_000;

export class VirtualTime implements Clock {
	readonly #queue = new EventQueue<() => void>();
	#wallOffsetMs: number;
	#now = 0;
	#atOnce = 0;
	/** Events that have happened. */
	events = 0;

	constructor(wallMs = WORLD_START_MS) {
		this.#wallOffsetMs = wallMs;
	}

	/** Milliseconds since the world began; not always whole. */
	get now(): number {
		return this.#now;
	}

	monotonicMs(): number {
		return this.#now;
	}

	wallMs(): number {
		return Math.floor(this.#now + this.#wallOffsetMs);
	}

	/** Somebody sets the wall clock. */
	setWall(wallMs: number): void {
		this.#wallOffsetMs = wallMs - this.#now;
	}

	/** Something happens at this time (now at the earliest), after whatever was planned for the same time before. */
	at(time: number, event: () => void): void {
		this.#queue.add(Math.max(time, this.#now), event);
	}

	after(ms: number, event: () => void): void {
		this.at(this.#now + ms, event);
	}

	/** The time of the next event; Infinity when nothing will ever happen. */
	nextAt(): number {
		return this.#queue.nextAt();
	}

	/** Jumps to the next event and lets it happen. */
	step(): void {
		const at = this.#queue.nextAt();
		this.#atOnce = at > this.#now ? 0 : this.#atOnce + 1;
		if (this.#atOnce > EVENTS_AT_ONCE) throw new Error(`time stands still at ${this.#now} ms`);
		this.#now = at;
		this.events++;
		this.#queue.take()?.();
	}

	/** Lets so much time pass. */
	advance(ms: number): void {
		const end = this.#now + ms;
		while (this.#queue.nextAt() <= end) this.step();
		this.#now = end;
	}

	/** Lets time pass until the condition holds after an event; false when it did not within the time. */
	until(condition: () => boolean, withinMs: number): boolean {
		const end = this.#now + withinMs;
		while (!condition()) {
			if (this.#queue.nextAt() > end) {
				this.#now = end;
				return false;
			}
			this.step();
		}
		return true;
	}
}
