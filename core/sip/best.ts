/** Final answers of branches: what they are worth, and how they go on. RFC 3261 §16.7 items 3 and 6. */
import { HeadEdit } from "./edit.ts";
import { Header } from "./header-names.ts";
import { LINE, type SipMessage } from "./message.ts";

/** The head without our Via; "" when no Via remains: then it was meant for us (RFC 3261 §16.7 item 3). */
export function withoutTopVia(response: SipMessage): string {
	const line = response.find(Header.via);
	const via = response.via();
	if (line < 0 || via === undefined) return "";
	if (via.next < 0 && response.find(Header.via, line + LINE) < 0) return "";
	const edit = new HeadEdit(response);
	edit.removeVia(via, line);
	return edit.toText();
}

/**
 * RFC 3261 §16.7 item 6: a 6xx before all; then the lowest class; within 4xx those that a new request could heal, and last those
 * that say least about the callee.
 */
export function rankOf(status: number): number {
	if (status >= 600) return 0;
	const rank = Math.floor(status / 100) * 10;
	switch (status) {
		case 401:
		case 407:
			return rank;
		case 415:
		case 420:
		case 484:
			return rank + 1;
		case 480:
			return rank + 3;
		case 487:
			return rank + 4;
		case 408:
		case 430:
			return rank + 5;
		case 503:
			return rank + 5;
		default:
			return rank + 2;
	}
}
