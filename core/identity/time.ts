/** Dates without a clock: milliseconds since 1970-01-01T00:00Z to and from the Gregorian calendar in UTC. */

export interface Civil {
	readonly year: number;
	/** 1..12 */
	readonly month: number;
	/** 1..31 */
	readonly day: number;
	readonly hour: number;
	readonly minute: number;
	readonly second: number;
}

const DAY_MS = 86_400_000;
/** Days of 400 Gregorian years, and days from 0000-03-01 to 1970-01-01. */
const ERA_DAYS = 146_097;
const EPOCH_DAYS = 719_468;
const MONTH_DAYS = Object.freeze([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);

/** Milliseconds since 1970, or `undefined` when there is no such moment (month 13, 30 February, second 60). */
export function civilToMs(civil: Civil): number | undefined {
	const { year, month, day, hour, minute, second } = civil;
	if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
	if (hour > 23 || minute > 59 || second > 59) return undefined;
	// Years begin in March here, so that the leap day is the last one.
	const shifted = month <= 2 ? year - 1 : year;
	const era = Math.floor(shifted / 400);
	const yearOfEra = shifted - era * 400;
	const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
	const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
	return (era * ERA_DAYS + dayOfEra - EPOCH_DAYS) * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000;
}

/** The calendar's view of a moment; fractions of a second are dropped. */
export function msToCivil(ms: number): Civil {
	const days = Math.floor(ms / DAY_MS) + EPOCH_DAYS;
	const inDay = Math.floor((ms - Math.floor(ms / DAY_MS) * DAY_MS) / 1000);
	const era = Math.floor(days / ERA_DAYS);
	const dayOfEra = days - era * ERA_DAYS;
	const yearOfEra = Math.floor(
		(dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
	);
	const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
	const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
	const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
	return {
		year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
		month,
		day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
		hour: Math.floor(inDay / 3600),
		minute: Math.floor(inDay / 60) % 60,
		second: inDay % 60,
	};
}

/** "2031-02-03 04:05 UTC", for people. */
export function formatMoment(ms: number): string {
	const { year, month, day, hour, minute } = msToCivil(ms);
	return `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)} ${padded(hour, 2)}:${padded(minute, 2)} UTC`;
}

/** Decimal digits with zeros before them. */
export function padded(value: number, digits: number): string {
	let text = String(value);
	while (text.length < digits) text = `0${text}`;
	return text;
}

function daysOfMonth(year: number, month: number): number {
	const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
	return leap ? 29 : MONTH_DAYS[month - 1]!;
}
