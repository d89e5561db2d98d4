/** Commits batch after batch and prints each number once it is acknowledged: the program the crash tests kill. */
import { writeSync } from "node:fs";
import { NodeRecordStore } from "../../../hal/node/record-store.ts";
import { batchOf, type Mode } from "./store-story.ts";

// A program given by --eval has no name among its arguments.
const [path, start, mode, count] = process.argv.slice(1) as [string, string, Mode, string];
const store = new NodeRecordStore({ path });

/** Written at once: a line that waits in a buffer would be an acknowledgement nobody saw. */
function say(line: string): void {
	writeSync(1, `${line}\n`);
}

function commit(number: number, last: number, finished: () => void): void {
	const batch = batchOf(number);
	store.commit(mode === "growing" ? { put: batch.put, remove: [] } : batch, (error) => {
		say(error === undefined ? `${number}` : `error ${error}`);
		if (error !== undefined || number === last) finished();
		else commit(number + 1, last, finished);
	});
}

const first = Number(start);
say("open");
if (mode !== "stream") {
	commit(first, first + Number(count) - 1, () => {
		store.commit({ put: [["after", true]], remove: [] }, (error) => {
			say(`after ${error}`);
			process.exit();
		});
	});
} else {
	// A stream of batches that do not wait for each other: many share a transaction.
	let next = first;
	setInterval(() => {
		for (let i = 0; i < 7; i++) {
			const number = next++;
			store.commit(batchOf(number), (error) => say(error === undefined ? `${number}` : `error ${error}`));
		}
	}, 1);
}
