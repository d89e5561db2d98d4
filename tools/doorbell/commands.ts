/** The words a doorbell on a PC understands: on stdin with --json, and behind the keys of the terminal. */

export type DoorbellCommand =
	| { readonly type: "press"; readonly button: number; readonly ms: number }
	| { readonly type: "hangup" }
	| { readonly type: "contact"; readonly isOpen: boolean }
	| { readonly type: "network"; readonly isUp: boolean }
	| { readonly type: "pair"; readonly code: string }
	| { readonly type: "settings" }
	| { readonly type: "status" }
	| { readonly type: "quit" };

/** How long a press lasts unless said otherwise, milliseconds. */
export const PRESS_MS = 120;
/** Longest line that is read. */
export const MAX_LINE = 2_048;

export const COMMANDS = `press [BUTTON [MS]]   hangup   contact open|closed   network up|down
pair CODE   settings   status   quit`;

/** Reads one line; a text says what is wrong with it. */
export function readCommand(line: string): DoorbellCommand | string {
	if (line.length > MAX_LINE) return "the line is too long";
	const [word = "", ...rest] = line.trim().split(/\s+/);
	const [first = "", second = ""] = rest;
	switch (word) {
		case "press": {
			const [button, ms] = [number(first, 0, 15, 0), number(second, 1, 60_000, PRESS_MS)];
			if (button === undefined || ms === undefined) return "press [BUTTON 0..15 [MS 1..60000]]";
			return { type: "press", button, ms };
		}
		case "contact":
			if (first !== "open" && first !== "closed") return "contact open|closed";
			return { type: "contact", isOpen: first === "open" };
		case "network":
			if (first !== "up" && first !== "down") return "network up|down";
			return { type: "network", isUp: first === "up" };
		case "pair":
			return first === "" ? "pair CODE" : { type: "pair", code: first };
		case "hangup":
		case "settings":
		case "status":
		case "quit":
			return { type: word };
		default:
			return `unknown: ${word.slice(0, 40)}; there are: ${COMMANDS.split(/\s{2,}|\n/).join(", ")}`;
	}
}

function number(text: string, least: number, most: number, otherwise: number): number | undefined {
	if (text === "") return otherwise;
	const value = Number(text);
	return Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}
