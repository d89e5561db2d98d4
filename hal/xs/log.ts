/** The log of the device: lines on the serial port, never longer than a screen's. */
import type { Log, LogLevel } from "../hal.ts";

const MAX_LINE = 300;
/** level -> whether it is printed, by the least level wanted */
const ORDER: readonly LogLevel[] = Object.freeze(["debug", "info", "warn", "error"]);

export function xsLog(least: LogLevel): Log {
	const from = ORDER.indexOf(least);
	return (level, event, fields) => {
		if (ORDER.indexOf(level) < from) return;
		let line = `${level} ${event}`;
		if (fields !== undefined) {
			for (const name of Object.keys(fields)) {
				if (fields[name] !== undefined && line.length < MAX_LINE) line += ` ${name}=${String(fields[name])}`;
			}
		}
		trace(`${line.length > MAX_LINE ? line.slice(0, MAX_LINE) : line}\n`);
	};
}
