/** The fields of DEVICE-SETTINGS: bounds, and what holds before anybody sets them. Reader, defaults and docs/device.md follow this table. */
import { MAX_BUTTONS, MAX_RELEASE_CODES, MAX_SETTINGS_AORS } from "./limits.ts";

export type SettingsField =
	| { readonly kind: "number"; readonly least: number; readonly most: number; readonly initial: number }
	| { readonly kind: "boolean"; readonly initial: boolean }
	| { readonly kind: "choice"; readonly of: readonly string[]; readonly initial: string }
	/** `most` in octets. */
	| { readonly kind: "text"; readonly most: number; readonly initial: string }
	/** Addresses, or a word of its own meaning. */
	| { readonly kind: "aors"; readonly most: number; readonly special: string; readonly initial: readonly string[] }
	| { readonly kind: "codes"; readonly most: number; readonly initial: readonly never[] };

function number(initial: number, least: number, most: number): SettingsField {
	return Object.freeze({ kind: "number", least, most, initial });
}

function boolean(initial: boolean): SettingsField {
	return Object.freeze({ kind: "boolean", initial });
}

function choice(initial: string, ...of: readonly string[]): SettingsField {
	return Object.freeze({ kind: "choice", of: Object.freeze(of), initial });
}

function text(initial: string, most: number): SettingsField {
	return Object.freeze({ kind: "text", most, initial });
}

function aors(most: number, special: string, initial: readonly string[]): SettingsField {
	return Object.freeze({ kind: "aors", most, special, initial: Object.freeze(initial) });
}

export const SETTINGS_FIELDS = Object.freeze({
	revision: number(0, 0, Number.MAX_SAFE_INTEGER),
	displayName: text("", 64),
	buttons: aors(MAX_BUTTONS, "", []),
	debounceMs: number(30, 30, 50),
	ringLimitS: number(60, 10, 180),
	secondPress: choice("ignore", "ignore", "restart", "hangUp"),
	callLimitS: number(180, 30, 3600),
	volume: number(70, 0, 100),
	isMuted: boolean(false),
	isChimeOn: boolean(true),
	chimeMs: number(400, 50, 2000),
	chimeCount: number(1, 1, 5),
	chimePauseMs: number(600, 200, 5000),
	isNightOn: boolean(false),
	nightFromMin: number(1320, 0, 1439),
	nightToMin: number(420, 0, 1439),
	utcOffsetMin: number(0, -840, 840),
	summerTime: choice("none", "none", "eu", "us"),
	doorName: text("door", 32),
	codes: Object.freeze({ kind: "codes", most: MAX_RELEASE_CODES, initial: Object.freeze([]) }) as SettingsField,
	openers: aors(MAX_SETTINGS_AORS, "*", []),
	releaseMs: number(3000, 200, 15_000),
	releaseSpacingMs: number(5000, 2000, 60_000),
	wrongCodes: number(3, 1, 10),
	lockS: number(300, 10, 3600),
	autoAnswer: aors(MAX_SETTINGS_AORS, "*", []),
	incoming: choice("refuse", "refuse", "ring"),
});
