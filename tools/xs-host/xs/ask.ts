/** Questions to the process around the engine: a JSON head, a newline, octets; the answer has the same form. */
import { concatBytes } from "../../../core/wire/bytes.ts";

declare const issueCommand: (question: ArrayBuffer) => ArrayBuffer;

const NEWLINE = 10;
const coder = new TextEncoder();
const decoder = new TextDecoder();

export interface Answer {
	readonly head: Readonly<Record<string, unknown>>;
	readonly bytes: Uint8Array;
}

/** Asks; `parts` go after the head, their lengths in it. Throws what the other side says went wrong. */
export function ask(head: Readonly<Record<string, unknown>>, ...parts: readonly Uint8Array[]): Answer {
	const lengths = parts.map((part) => part.length);
	const question = concatBytes(coder.encode(`${JSON.stringify({ ...head, lengths })}\n`), ...parts);
	const whole = new Uint8Array(issueCommand(question.buffer as ArrayBuffer));
	const end = whole.indexOf(NEWLINE);
	const answer = JSON.parse(decoder.decode(whole.slice(0, end))) as Record<string, unknown>;
	if (answer.error !== undefined) throw new Error(String(answer.error));
	return { head: answer, bytes: whole.slice(end + 1) };
}
