/** Methods the core knows by name, so that reading one makes no new string. RFC 3261 and the registry "SIP Methods". */

import { type Source, standsAt } from "./syntax.ts";

/** What this element answers itself or forwards knowingly; sent in Allow. */
export const ALLOW =
	"INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, SUBSCRIBE, NOTIFY, REFER";

/** The method in `[start, end)`. Methods are case-sensitive (RFC 3261 §7.1). */
export function methodAt(source: Source, start: number, end: number): string {
	const guess = guessMethod(source.octets[start]!, source.octets[start + 2]!, end - start);
	return guess !== "" && standsAt(source.octets, start, end, guess) ? guess : source.text.slice(start, end);
}

/** The one method of this length that could be meant, "" when there is none. */
function guessMethod(first: number, third: number, length: number): string {
	switch (length) {
		case 3:
			return first === 0x41 ? "ACK" : "BYE";
		case 4:
			return "INFO";
		case 5:
			return first === 0x50 ? "PRACK" : "REFER";
		case 6:
			return first === 0x49 ? "INVITE" : first === 0x43 ? "CANCEL" : first === 0x4e ? "NOTIFY" : "UPDATE";
		case 7:
			return first === 0x4f ? "OPTIONS" : third === 0x53 ? "MESSAGE" : "PUBLISH";
		case 8:
			return "REGISTER";
		case 9:
			return "SUBSCRIBE";
		default:
			return "";
	}
}

/** True for a method of the registry that this core knows. */
export function isKnownMethod(method: string): boolean {
	return guessMethod(method.charCodeAt(0), method.charCodeAt(2), method.length) === method;
}

/** RFC 3261 §12.1, RFC 6665, RFC 3515: methods that make no dialog and whose requests need no Record-Route. */
export function needsNoRecordRoute(method: string): boolean {
	switch (method) {
		case "ACK":
		case "BYE":
		case "CANCEL":
		case "OPTIONS":
		case "MESSAGE":
		case "INFO":
		case "PRACK":
		case "UPDATE":
		case "REGISTER":
		case "PUBLISH":
			return true;
		default:
			// RFC 3261 §16.6 item 4: a method not understood may make a dialog.
			return false;
	}
}
