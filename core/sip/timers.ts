/**
 * All timers of the room in one binary heap: starting and stopping cost O(log n), the next deadline is at the top, nothing is scanned.
 */

/** Whoever owns a timer is told when it fires; the letter is the RFC's name of it. */
export interface TimerOwner {
	expire(letter: string, now: number): void;
}

/** One timer: idle, or somewhere in the heap. Made once for its owner and started again and again. */
export class Timer {
	readonly owner: TimerOwner;
	/** The RFC's letter, or a word for timers of our own. */
	letter = "";
	at = 0;
	/** Place in the heap; -1 when idle. */
	place = -1;

	constructor(owner: TimerOwner) {
		this.owner = owner;
	}

	get isRunning(): boolean {
		return this.place >= 0;
	}
}

/** The heap. */
export class TimerHeap {
	readonly #heap: Timer[] = [];

	/** Timers running. */
	get size(): number {
		return this.#heap.length;
	}

	/** When the next timer fires; `Infinity` without one. */
	next(): number {
		return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0]!.at;
	}

	/** Starts a timer, anew when it was running. */
	start(timer: Timer, letter: string, at: number): void {
		timer.letter = letter;
		if (timer.place >= 0) this.stop(timer);
		timer.at = at;
		timer.place = this.#heap.length;
		this.#heap.push(timer);
		this.#up(timer);
	}

	stop(timer: Timer): void {
		const place = timer.place;
		if (place < 0) return;
		timer.place = -1;
		const last = this.#heap.pop()!;
		if (last === timer) return;
		this.#heap[place] = last;
		last.place = place;
		this.#up(last);
		this.#down(last);
	}

	/** The next timer due at `now`, stopped; `undefined` when none is. */
	pop(now: number): Timer | undefined {
		const first = this.#heap[0];
		if (first === undefined || first.at > now) return undefined;
		this.stop(first);
		return first;
	}

	#up(timer: Timer): void {
		const heap = this.#heap;
		let place = timer.place;
		while (place > 0) {
			const parent = (place - 1) >> 1;
			const above = heap[parent]!;
			if (above.at <= timer.at) break;
			heap[place] = above;
			above.place = place;
			place = parent;
		}
		heap[place] = timer;
		timer.place = place;
	}

	#down(timer: Timer): void {
		const heap = this.#heap;
		const length = heap.length;
		let place = timer.place;
		for (;;) {
			let child = 2 * place + 1;
			if (child >= length) break;
			if (child + 1 < length && heap[child + 1]!.at < heap[child]!.at) child++;
			const below = heap[child]!;
			if (below.at >= timer.at) break;
			heap[place] = below;
			below.place = place;
			place = child;
		}
		heap[place] = timer;
		timer.place = place;
	}
}
