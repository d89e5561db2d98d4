/** What batch number n does to the store, so that a reader knows what must be there after any number of them. */
import type { RecordBatch } from "../../../hal/hal.ts";

/** One batch after the other; many at once; one after the other without removing anything. */
export type Mode = "chain" | "stream" | "growing";

/** Each batch makes its own record, moves a pointer, counts in two places, and removes the record five before. */
export function batchOf(number: number): RecordBatch {
	return {
		put: [
			[`item/${number}`, { number, bytes: new Uint8Array(40 + (number % 700)).fill(number & 0xff) }],
			["last", number],
			["total", { count: number + 1 }],
		],
		remove: number >= 5 ? [`item/${number - 5}`] : [],
	};
}

/** Why the records are not those after exactly the batches 0..last; `undefined` when they are. */
export function faultAfter(records: ReadonlyMap<string, unknown>): { last: number; fault: string | undefined } {
	const last = (records.get("last") as number | undefined) ?? -1;
	const wanted = new Set<string>();
	for (let n = Math.max(0, last - 4); n <= last; n++) wanted.add(`item/${n}`);
	const items = [...records.keys()].filter((key) => key.startsWith("item/"));
	if (items.length !== wanted.size || !items.every((key) => wanted.has(key))) {
		return { last, fault: `after ${last}: items ${items.join(" ")}` };
	}
	for (const key of items) {
		const item = records.get(key) as { number: number; bytes: Uint8Array };
		const isWhole = key === `item/${item.number}` && item.bytes.length === 40 + (item.number % 700);
		if (!isWhole || !item.bytes.every((octet) => octet === (item.number & 0xff)))
			return { last, fault: `${key} is torn` };
	}
	const total = (records.get("total") as { count: number } | undefined)?.count ?? 0;
	return { last, fault: total === last + 1 ? undefined : `after ${last}: total ${total}` };
}
