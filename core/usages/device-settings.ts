/**
 * DEVICE-SETTINGS: what a door or intercom station does, as one record in the overlay that only the household reads.
 *
 * Ours, no RFC's: a Kind of the private range (RFC 6940 §14.6), dictionary, USER-MATCH, at the house's AOR; the key is the device's
 * user name. The value is CBOR, sealed under a key that the device got when it was paired, since door codes are in it and every member
 * of an overlay can read every value. Peers seal it (`device-settings-seal.ts`), the device opens it here.
 *
 *     version (1) | iv (16) | AES-128-CTR of the CBOR map | HMAC-SHA256 (32) over label, version, device name, iv, ciphertext
 */
import { Decoder } from "cbor-x/decode";
import type { Crypto, MediaCrypto } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes, utf8ToBytes } from "../wire/bytes.ts";
import { readAor } from "./aor.ts";
import { SETTINGS_FIELDS, type SettingsField } from "./device-settings-fields.ts";
import { MAX_SETTINGS_OCTETS } from "./limits.ts";

/** A code that releases the door, and whose it is. */
export interface ReleaseCode {
	readonly name: string;
	/** 2 to 12 digits. */
	readonly code: string;
}

/** What a second press of the same button does while phones ring; "hangUp" also ends a talk. */
export type SecondPress = "ignore" | "restart" | "hangUp";

/** When clocks are put forward an hour. */
export type SummerTime = "none" | "eu" | "us";

/** The settings. `device-settings-fields.ts` has the bounds and what each one is before anybody sets it. */
export interface DeviceSettings {
	/** Counts the changes: a device never takes a record with less than it has. */
	readonly revision: number;
	/** Shown by the phones that ring. */
	readonly displayName: string;
	/** AOR that each button rings, by number; "" and missing ones: the house. */
	readonly buttons: readonly string[];
	readonly debounceMs: number;
	readonly ringLimitS: number;
	readonly secondPress: SecondPress;
	readonly callLimitS: number;
	readonly volume: number;
	readonly isMuted: boolean;
	readonly isChimeOn: boolean;
	readonly chimeMs: number;
	readonly chimeCount: number;
	readonly chimePauseMs: number;
	/** No chime between these minutes of the local day. */
	readonly isNightOn: boolean;
	readonly nightFromMin: number;
	readonly nightToMin: number;
	/** Local standard time, minutes east of UTC. */
	readonly utcOffsetMin: number;
	readonly summerTime: SummerTime;
	readonly doorName: string;
	readonly codes: readonly ReleaseCode[];
	/** AORs that may release the door by a message; "*" is everybody of the household. */
	readonly openers: readonly string[];
	readonly releaseMs: number;
	readonly releaseSpacingMs: number;
	readonly wrongCodes: number;
	readonly lockS: number;
	/** AORs whose calls are answered at once; "*" is everybody of the household. */
	readonly autoAnswer: readonly string[];
	/** What happens to other calls. */
	readonly incoming: "refuse" | "ring";
	/** Fields of later versions; kept for whoever writes the record again. */
	readonly foreign?: Readonly<Record<string, unknown>>;
}

/** What a device does before anybody has set anything. */
export function defaultDeviceSettings(): DeviceSettings {
	const settings: Record<string, unknown> = {};
	for (const name of Object.keys(SETTINGS_FIELDS)) {
		const { initial } = SETTINGS_FIELDS[name as keyof typeof SETTINGS_FIELDS] as SettingsField;
		settings[name] = initial;
	}
	return settings as unknown as DeviceSettings;
}

/** How `readDeviceSettings` treats fields it does not know. */
export interface ReadOptions {
	/** Into `foreign`; the device, which writes no settings, does without. */
	readonly keepForeign?: boolean;
}

/**
 * Checks plain data field by field; what is missing has its first value. Refused with the field's name and its bounds. Fields of later
 * versions are no fault.
 */
export function readDeviceSettings(value: unknown, options: ReadOptions = {}): DeviceSettings | Refused {
	if (!isPlainObject(value)) return refuse("settings are a map");
	const settings: Record<string, unknown> = {};
	for (const name of Object.keys(SETTINGS_FIELDS)) {
		const field = SETTINGS_FIELDS[name as keyof typeof SETTINGS_FIELDS] as SettingsField;
		const given = value[name];
		const fault = given === undefined ? "" : faultOf(field, given);
		if (fault !== "") return refuse(`${name}: ${fault}`);
		settings[name] = given === undefined ? field.initial : given;
	}
	if (options.keepForeign === true) {
		const foreign = foreignFields(value);
		if (foreign !== undefined) settings.foreign = foreign;
	}
	return settings as unknown as DeviceSettings;
}

function foreignFields(value: Record<string, unknown>): Record<string, unknown> | undefined {
	let foreign: Record<string, unknown> | undefined;
	for (const name of Object.keys(value)) {
		if (name in SETTINGS_FIELDS || name === "foreign") continue;
		foreign ??= {};
		foreign[name] = value[name];
	}
	return foreign;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What is wrong with a value, in words; "" when nothing is. */
function faultOf(field: SettingsField, value: unknown): string {
	switch (field.kind) {
		case "number": {
			const isFine = Number.isSafeInteger(value) && Number(value) >= field.least && Number(value) <= field.most;
			return isFine ? "" : `a whole number from ${field.least} to ${field.most}`;
		}
		case "boolean":
			return typeof value === "boolean" ? "" : "true or false";
		case "choice":
			return field.of.includes(value as string) ? "" : `one of ${field.of.join(", ")}`;
		case "text":
			return isText(value, field.most) ? "" : `a text of at most ${field.most} octets`;
		case "aors":
			return faultOfAors(field, value);
		case "codes":
			return faultOfCodes(field.most, value);
	}
}

/** Text without control characters, which would end up in a SIP header. */
function isText(value: unknown, most: number): value is string {
	if (typeof value !== "string" || value.length > most || utf8ToBytes(value).length > most) return false;
	for (let i = 0; i < value.length; i++) {
		const code = value.charCodeAt(i);
		if (code < 0x20 || code === 0x7f) return false;
	}
	return true;
}

function faultOfAors(field: SettingsField & { kind: "aors" }, value: unknown): string {
	if (!Array.isArray(value) || value.length > field.most) return `a list of at most ${field.most} addresses`;
	for (const one of value as unknown[]) {
		if (one === field.special) continue;
		// As certificates have it: without scheme, so that lists are compared as texts.
		if (typeof one !== "string" || readAor(one)?.text !== one) return "addresses are written user@domain";
	}
	return "";
}

const LEAST_CODE_DIGITS = 2;
const MOST_CODE_DIGITS = 12;
const MOST_CODE_NAME = 32;

function faultOfCodes(most: number, value: unknown): string {
	if (!Array.isArray(value) || value.length > most) return `a list of at most ${most} codes`;
	const codes = value as unknown[];
	for (const [i, one] of codes.entries()) {
		if (!isPlainObject(one) || !isText(one.name, MOST_CODE_NAME))
			return `each has a name of at most ${MOST_CODE_NAME} octets`;
		const { code } = one;
		if (!isDigits(code)) return `a code is ${LEAST_CODE_DIGITS} to ${MOST_CODE_DIGITS} digits`;
		// A code that begins another would always win, and tell whoever tries that he is half way.
		for (let j = 0; j < i; j++) {
			const other = (codes[j] as unknown as ReleaseCode).code;
			if (other.startsWith(code) || code.startsWith(other)) return "no code may begin with another one";
		}
	}
	return "";
}

function isDigits(value: unknown): value is string {
	if (typeof value !== "string" || value.length < LEAST_CODE_DIGITS || value.length > MOST_CODE_DIGITS) return false;
	for (let i = 0; i < value.length; i++) {
		const code = value.charCodeAt(i);
		if (code < 48 || code > 57) return false;
	}
	return true;
}

/** Reads the CBOR map of settings. */
export function decodeDeviceSettings(bytes: Uint8Array, options: ReadOptions = {}): DeviceSettings | Refused {
	if (bytes.length > MAX_SETTINGS_OCTETS) return refuse(`settings above ${MAX_SETTINGS_OCTETS} octets`);
	let value: unknown;
	try {
		// A copy of its own: strings and lists may point into what is decoded.
		const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
		value = decoder.decode(bytes.slice() as Parameters<Decoder["decode"]>[0]);
	} catch {
		return refuse("settings are not CBOR");
	}
	return readDeviceSettings(value, options);
}

/** First octet of a sealed record. */
export const SEAL_VERSION = 1;
export const SEAL_IV_OCTETS = 16;
export const SEAL_MAC_OCTETS = 32;
const HEADER_OCTETS = 1 + SEAL_IV_OCTETS;
const AES_KEY_OCTETS = 16;

/** The two keys made of a device's settings key, and what the MAC covers besides the octets. */
export interface SealKeys {
	readonly cipherKey: Uint8Array;
	readonly macKey: Uint8Array;
}

/** Separate keys for separate uses: HMAC of the settings key over a label each. */
export function deriveSealKeys(crypto: Crypto, settingsKey: Uint8Array): SealKeys {
	return {
		cipherKey: crypto.hmac("sha256", settingsKey, utf8ToBytes("ringlet settings cipher")).slice(0, AES_KEY_OCTETS),
		macKey: crypto.hmac("sha256", settingsKey, utf8ToBytes("ringlet settings mac")),
	};
}

/** MAC of a sealed record (without its own MAC): a record is good for one device and one version of the format. */
export function sealMac(crypto: Crypto, macKey: Uint8Array, deviceName: string, body: Uint8Array): Uint8Array {
	const name = utf8ToBytes(deviceName);
	const length = Uint8Array.of(name.length >> 8, name.length & 0xff);
	return crypto.hmac("sha256", macKey, concatBytes(utf8ToBytes("ringlet settings record"), length, name, body));
}

/** What `openDeviceSettings` needs. */
export interface OpenOptions {
	readonly crypto: Crypto & MediaCrypto;
	/** 32 octets. */
	readonly settingsKey: Uint8Array;
	/** User name of the device, as in its certificate. */
	readonly deviceName: string;
	/** Revision of the settings in use, 0 for none. */
	readonly lastRevision: number;
}

/** Octets of the CBOR map in a sealed record; refused when it is damaged, for another device, or not of the household. */
export function unsealDeviceSettings(sealed: Uint8Array, options: OpenOptions): Uint8Array | Refused {
	if (sealed.length > MAX_SETTINGS_OCTETS + HEADER_OCTETS + SEAL_MAC_OCTETS)
		return refuse("sealed settings are too long");
	if (sealed.length < HEADER_OCTETS + SEAL_MAC_OCTETS) return refuse("sealed settings are too short");
	if (sealed[0] !== SEAL_VERSION) return refuse(`version ${sealed[0]} of sealed settings is unknown`, 0);
	const { cipherKey, macKey } = deriveSealKeys(options.crypto, options.settingsKey);
	const body = sealed.subarray(0, sealed.length - SEAL_MAC_OCTETS);
	const mac = sealMac(options.crypto, macKey, options.deviceName, body);
	let difference = 0;
	for (let i = 0; i < SEAL_MAC_OCTETS; i++) difference |= mac[i]! ^ sealed[body.length + i]!;
	if (difference !== 0) return refuse("sealed settings: wrong key, wrong device, or changed", body.length);
	const plain = body.slice(HEADER_OCTETS);
	options.crypto.aesCtr(cipherKey).apply(body.subarray(1, HEADER_OCTETS), plain, 0, plain.length);
	return plain;
}

/** The settings in a sealed record; refused also when it is older than what is in use. */
export function openDeviceSettings(sealed: Uint8Array, options: OpenOptions): DeviceSettings | Refused {
	const plain = unsealDeviceSettings(sealed, options);
	if (!(plain instanceof Uint8Array)) return plain;
	const settings = decodeDeviceSettings(plain);
	if (isRefused(settings)) return settings;
	if (settings.revision < options.lastRevision)
		return refuse(`revision: ${settings.revision} is older than ${options.lastRevision}`);
	return settings;
}
