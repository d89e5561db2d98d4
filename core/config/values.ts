/** Values of the configuration document: the few XML Schema types that RFC 6940 §11.1 uses. All texts are trimmed already. */
import { civilToMs, msToCivil, padded } from "../identity/time.ts";

/** xsd:boolean */
export function booleanValue(text: string): boolean | undefined {
	if (text === "true" || text === "1") return true;
	return text === "false" || text === "0" ? false : undefined;
}

/** A whole number of `least`..`most`, in decimal digits. */
export function integerValue(text: string, least: number, most: number): number | undefined {
	const start = text.charCodeAt(0) === 0x2b ? 1 : 0;
	if (text.length === start || text.length > 16) return undefined;
	const value = digits(text, start, text.length);
	return value !== undefined && value >= least && value <= most ? value : undefined;
}

/**
 * xsd:dateTime as milliseconds since 1970: `2031-02-03T04:05:06Z`, with a fraction and an offset if need be.
 * RFC 6940 §11.1: UTC, so a missing time zone means UTC.
 */
export function dateTimeValue(text: string): number | undefined {
	if (text.length < 19 || text[4] !== "-" || text[7] !== "-" || text[10] !== "T") return undefined;
	if (text[13] !== ":" || text[16] !== ":") return undefined;
	const year = digits(text, 0, 4);
	const month = digits(text, 5, 7);
	const day = digits(text, 8, 10);
	const hour = digits(text, 11, 13);
	const minute = digits(text, 14, 16);
	const second = digits(text, 17, 19);
	if (year === undefined || month === undefined || day === undefined) return undefined;
	if (hour === undefined || minute === undefined || second === undefined) return undefined;
	const ms = civilToMs({ year, month, day, hour, minute, second });
	let at = 19;
	if (text[at] === ".") {
		at++;
		const start = at;
		while (isDigit(text.charCodeAt(at))) at++;
		if (at === start) return undefined;
	}
	const offset = offsetMs(text.slice(at));
	return ms === undefined || offset === undefined ? undefined : ms - offset;
}

/** `2031-02-03T04:05:06Z`; fractions of a second are dropped. */
export function dateTimeText(ms: number): string {
	const { year, month, day, hour, minute, second } = msToCivil(ms);
	const date = `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}`;
	return `${date}T${padded(hour, 2)}:${padded(minute, 2)}:${padded(second, 2)}Z`;
}

/** IPv4 or IPv6 text by its characters; whoever connects to it finds out the rest. */
export function isAddressText(text: string): boolean {
	if (text.length < 2 || text.length > 45) return false;
	let separators = 0;
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		const lower = code | 0x20;
		if (code === 0x2e || code === 0x3a) separators++;
		else if (!isDigit(code) && !(lower >= 0x61 && lower <= 0x66)) return false;
	}
	return separators > 1;
}

/** "", "Z", "+01:00", "-05:30" */
function offsetMs(zone: string): number | undefined {
	if (zone === "" || zone === "Z") return 0;
	const sign = zone[0] === "+" ? 1 : zone[0] === "-" ? -1 : 0;
	const hours = digits(zone, 1, 3);
	const minutes = digits(zone, 4, 6);
	if (sign === 0 || zone.length !== 6 || zone[3] !== ":" || hours === undefined || minutes === undefined)
		return undefined;
	return hours > 14 || minutes > 59 ? undefined : sign * (hours * 60 + minutes) * 60_000;
}

function digits(text: string, start: number, end: number): number | undefined {
	let value = 0;
	for (let i = start; i < end; i++) {
		const code = text.charCodeAt(i);
		if (!isDigit(code)) return undefined;
		value = value * 10 + code - 0x30;
	}
	return end > start ? value : undefined;
}

function isDigit(code: number): boolean {
	return code >= 0x30 && code <= 0x39;
}
