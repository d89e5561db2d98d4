/** The future of a simulated world: events by time, and in the order of their making where times are equal. A binary heap. */

export class EventQueue<E> {
	readonly #heap: { at: number; order: number; event: E }[] = [];
	#made = 0;

	get size(): number {
		return this.#heap.length;
	}

	/** The time of the next event; Infinity when there is none. */
	nextAt(): number {
		return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
	}

	add(at: number, event: E): void {
		const heap = this.#heap;
		const entry = { at, order: this.#made++, event };
		let child = heap.length;
		heap.push(entry);
		while (child > 0) {
			const parent = (child - 1) >> 1;
			if (!isBefore(entry, heap[parent]!)) break;
			heap[child] = heap[parent]!;
			child = parent;
		}
		heap[child] = entry;
	}

	/** Takes out the next event. */
	take(): E | undefined {
		const heap = this.#heap;
		const first = heap[0];
		const last = heap.pop();
		if (first === undefined || last === undefined) return undefined;
		if (heap.length > 0) {
			let parent = 0;
			for (;;) {
				let child = 2 * parent + 1;
				if (child >= heap.length) break;
				if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
				if (!isBefore(heap[child]!, last)) break;
				heap[parent] = heap[child]!;
				parent = child;
			}
			heap[parent] = last;
		}
		return first.event;
	}
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}
