/** The process's half of tools/xs-host/xs/ask.ts: a question is a JSON head, a newline and octets; so is its answer. */

const NEWLINE = 10;

/** What every head has. */
export interface QuestionHead {
	readonly op: string;
	/** Of the parts behind the head. */
	readonly lengths: readonly number[];
}

export type Result = readonly [head: Readonly<Record<string, unknown>>, bytes?: Uint8Array];

/** The octets of the answer; what `answer` throws is told to who asked. */
export function answerQuestion<Head extends QuestionHead>(
	question: Buffer,
	answer: (head: Head, parts: readonly Uint8Array[]) => Result,
): Uint8Array {
	let result: Result;
	try {
		const end = question.indexOf(NEWLINE);
		const head = JSON.parse(question.toString("utf8", 0, end)) as Head;
		const parts: Uint8Array[] = [];
		let at = end + 1;
		for (const length of head.lengths) {
			parts.push(new Uint8Array(question.subarray(at, at + length)));
			at += length;
		}
		result = answer(head, parts);
	} catch (error) {
		result = [{ error: error instanceof Error ? error.message : String(error) }];
	}
	return message(...result);
}

/** A head and octets as they travel. */
export function message(head: Readonly<Record<string, unknown>>, bytes: Uint8Array = new Uint8Array(0)): Uint8Array {
	return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]);
}
