/**
 * The text of a MESSAGE to a device, as people type it and as a dashboard sends it:
 *
 *     open [door] [id=anything] [at=1790000000]      status      hangup      mute      unmute      volume 60
 *
 * `id` and `at` (seconds since 1970) are for senders that repeat: one id is carried out once, an old one not at all.
 */
import { utf8ToBytes } from "../wire/bytes.ts";
import { decimal } from "../wire/decimal.ts";
import { MAX_COMMAND_OCTETS } from "./limits.ts";

const MOST_DIGITS = 11;
const MOST_NUMBER = 99_999_999_999;

export interface Command {
	readonly verb: "open" | "status" | "hangup" | "mute" | "unmute" | "volume";
	/** Of the text, or of the request it came in. */
	readonly id: string;
	readonly who: string;
	/** "" when none is named. */
	readonly door: string;
	/** 0..100; -1 when none is named. */
	readonly volume: number;
	/** 0 when it does not say. */
	readonly madeAtMs: number;
}

/** Reads a command; `undefined` when it is none. `requestId` stands in for an id in the text. */
export function readCommand(text: string, who: string, requestId: string): Command | undefined {
	if (text.length > MAX_COMMAND_OCTETS || utf8ToBytes(text).length > MAX_COMMAND_OCTETS) return undefined;
	const words = text.trim().split(" ");
	const verb = (words[0] ?? "").toLowerCase();
	let id = requestId;
	let door = "";
	let madeAtMs = 0;
	for (let i = 1; i < words.length; i++) {
		const word = words[i]!;
		if (word === "") continue;
		if (word.startsWith("id=") && word.length > 3) id = word.slice(3);
		else if (word.startsWith("at=")) {
			madeAtMs = decimal(word.slice(3), MOST_NUMBER, MOST_DIGITS) * 1000;
			if (madeAtMs <= 0) return undefined;
		} else door = door === "" ? word : `${door} ${word}`;
	}
	const volume = verb === "volume" ? decimal(door, MOST_NUMBER, MOST_DIGITS) : -1;
	switch (verb) {
		case "open":
			return { verb, id, who, door, volume, madeAtMs };
		case "volume":
			return volume < 0 || volume > 100 ? undefined : { verb, id, who, door: "", volume, madeAtMs };
		case "status":
		case "hangup":
		case "mute":
		case "unmute":
			return door === "" ? { verb, id, who, door, volume, madeAtMs } : undefined;
		default:
			return undefined;
	}
}
