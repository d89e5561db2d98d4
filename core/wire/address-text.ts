/** IP addresses as people write them: dotted decimals, and RFC 4291 §2.2 / RFC 5952 for IPv6. */
import { hexDigit } from "./bytes.ts";
import { decimal } from "./decimal.ts";

/** Text of four or sixteen octets: "192.0.2.1", "2001:db8::1" (RFC 5952 form). Other lengths give "". */
export function formatAddress(addr: Uint8Array): string {
	if (addr.length === 4) return `${addr[0]}.${addr[1]}.${addr[2]}.${addr[3]}`;
	if (addr.length !== 16) return "";
	const run = longestZeroRun(addr);
	let text = "";
	for (let i = 0; i < 8; i++) {
		if (i === run.start) {
			text += "::";
			i += run.length - 1;
			continue;
		}
		if (text !== "" && text[text.length - 1] !== ":") text += ":";
		text += groupAt(addr, i).toString(16);
	}
	return text;
}

function groupAt(addr: Uint8Array, i: number): number {
	return (addr[2 * i]! << 8) | addr[2 * i + 1]!;
}

/** RFC 5952 §4.2: the first longest run of two or more zero groups. */
function longestZeroRun(addr: Uint8Array): { start: number; length: number } {
	let start = -1;
	let length = 1;
	for (let i = 0; i < 8; ) {
		let end = i;
		while (end < 8 && groupAt(addr, end) === 0) end++;
		if (end - i > length) {
			start = i;
			length = end - i;
		}
		i = end + 1;
	}
	return { start, length };
}

/** Four or sixteen octets of an address in text; `undefined` when it is none (brackets, zones and ports are not part of it). */
export function parseAddress(text: string): Uint8Array | undefined {
	return text.indexOf(":") < 0 ? parseIPv4(text) : parseIPv6(text);
}

function parseIPv4(text: string): Uint8Array | undefined {
	const parts = text.split(".");
	if (parts.length !== 4) return undefined;
	const addr = new Uint8Array(4);
	for (let i = 0; i < 4; i++) {
		const part = parts[i]!;
		// One way to write each number: without leading zeros.
		const value = part.length > 1 && part[0] === "0" ? -1 : decimal(part, 255, 3);
		if (value < 0) return undefined;
		addr[i] = value;
	}
	return addr;
}

function parseIPv6(text: string): Uint8Array | undefined {
	const gap = text.indexOf("::");
	if (gap >= 0 && text.indexOf("::", gap + 1) >= 0) return undefined;
	const head = gap < 0 ? text : text.slice(0, gap);
	const tail = gap < 0 ? "" : text.slice(gap + 2);
	const left = octetsOf(head, gap < 0);
	const right = octetsOf(tail, true);
	if (left === undefined || right === undefined) return undefined;
	const known = left.length + right.length;
	if (gap < 0 ? known !== 16 : known > 14) return undefined;
	const addr = new Uint8Array(16);
	for (let i = 0; i < left.length; i++) addr[i] = left[i]!;
	for (let i = 0; i < right.length; i++) addr[16 - right.length + i] = right[i]!;
	return addr;
}

/** Octets of groups between colons; the last may be an IPv4 address where that `mayBeIPv4`. */
function octetsOf(text: string, mayBeIPv4: boolean): number[] | undefined {
	const octets: number[] = [];
	if (text === "") return octets;
	const groups = text.split(":");
	for (let i = 0; i < groups.length; i++) {
		const group = groups[i]!;
		if (mayBeIPv4 && i === groups.length - 1 && group.indexOf(".") >= 0) {
			const addr = parseIPv4(group);
			if (addr === undefined) return undefined;
			octets.push(addr[0]!, addr[1]!, addr[2]!, addr[3]!);
			continue;
		}
		const value = hexGroup(group);
		if (value < 0) return undefined;
		octets.push(value >> 8, value & 0xff);
	}
	return octets;
}

/** One to four hex digits, or -1. */
function hexGroup(text: string): number {
	if (text.length === 0 || text.length > 4) return -1;
	let value = 0;
	for (let i = 0; i < text.length; i++) {
		const digit = hexDigit(text.charCodeAt(i));
		if (digit < 0) return -1;
		value = value * 16 + digit;
	}
	return value;
}
