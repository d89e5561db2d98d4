/** The local time of day, for the night mode of the chime. No time zone database: an offset and three rules for summer time. */
import { civilToMs, msToCivil } from "../identity/time.ts";
import type { DeviceSettings, SummerTime } from "../usages/device-settings.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const DAY_MIN = 1440;
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 4;
const MARCH = 3;
const OCTOBER = 10;
const NOVEMBER = 11;

/** True between `nightFromMin` and `nightToMin` of the local day, over midnight too. Equal ones: never. */
export function isNight(settings: DeviceSettings, wallMs: number): boolean {
	if (!settings.isNightOn) return false;
	const minute = localMinute(wallMs, settings.utcOffsetMin, settings.summerTime);
	const { nightFromMin, nightToMin } = settings;
	if (nightFromMin <= nightToMin) return minute >= nightFromMin && minute < nightToMin;
	return minute >= nightFromMin || minute < nightToMin;
}

/** Minute of the local day, 0..1439. */
export function localMinute(wallMs: number, utcOffsetMin: number, summerTime: SummerTime): number {
	const summerMin = isSummer(wallMs, utcOffsetMin, summerTime) ? 60 : 0;
	const minutes = Math.floor(wallMs / MINUTE_MS) + utcOffsetMin + summerMin;
	return ((minutes % DAY_MIN) + DAY_MIN) % DAY_MIN;
}

/** EU: last Sunday of March to last Sunday of October, 01:00 UTC. US: second Sunday of March to first Sunday of November, 02:00 local. */
function isSummer(wallMs: number, utcOffsetMin: number, summerTime: SummerTime): boolean {
	if (summerTime === "none") return false;
	const { year } = msToCivil(wallMs);
	if (summerTime === "eu") {
		const from = lastSunday(year, MARCH) * DAY_MS + HOUR_MS;
		return wallMs >= from && wallMs < lastSunday(year, OCTOBER) * DAY_MS + HOUR_MS;
	}
	const standardMs = wallMs + utcOffsetMin * MINUTE_MS;
	const from = firstSunday(year, MARCH) + 7;
	// Summer ends at 02:00 summer time, which is 01:00 standard time.
	return standardMs >= from * DAY_MS + 2 * HOUR_MS && standardMs < firstSunday(year, NOVEMBER) * DAY_MS + HOUR_MS;
}

/** Days from 1970-01-01 to a day of the calendar (`month` 1..12). */
function dayNumber(year: number, month: number, day: number): number {
	return (civilToMs({ year, month, day, hour: 0, minute: 0, second: 0 }) ?? 0) / DAY_MS;
}

/** 0 = Sunday. */
function weekday(day: number): number {
	return (((day + FIRST_WEEKDAY) % 7) + 7) % 7;
}

function firstSunday(year: number, month: number): number {
	const day = dayNumber(year, month, 1);
	return day + ((7 - weekday(day)) % 7);
}

/** Of a month with 31 days. */
function lastSunday(year: number, month: number): number {
	const day = dayNumber(year, month, 31);
	return day - weekday(day);
}
