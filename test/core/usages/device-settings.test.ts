import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRefused, type Refused } from "../../../core/machine.ts";
import {
	type DeviceSettings,
	decodeDeviceSettings,
	defaultDeviceSettings,
	openDeviceSettings,
	readDeviceSettings,
	SEAL_IV_OCTETS,
	unsealDeviceSettings,
} from "../../../core/usages/device-settings.ts";
import { SETTINGS_FIELDS } from "../../../core/usages/device-settings-fields.ts";
import { encodeDeviceSettings, sealDeviceSettings } from "../../../core/usages/device-settings-seal.ts";
import { MAX_BUTTONS, MAX_RELEASE_CODES, MAX_SETTINGS_AORS, MAX_SETTINGS_OCTETS } from "../../../core/usages/limits.ts";
import type { Crypto, MediaCrypto } from "../../../hal/hal.ts";
import { nobleCrypto } from "../../../hal/noble.ts";

/** An oracle of its own: node:crypto. */
const crypto: Crypto & MediaCrypto = {
	...nobleCrypto({ random: (count) => new Uint8Array(randomBytes(count)) }),
	aesCtr: (key) => ({
		apply(counter, data, from, to) {
			data.set(createCipheriv("aes-128-ctr", key, counter).update(data.subarray(from, to)), from);
		},
	}),
	hmacKey: (name, key) => ({
		digestInto: (data, from, to, out) => out.set(createHmac(name, key).update(data.subarray(from, to)).digest()),
	}),
};
const settingsKey = new Uint8Array(32).fill(7);
const deviceName = "frontdoor@home.example";
const options = { crypto, settingsKey, deviceName, lastRevision: 0 };

function bytesOf(result: Uint8Array | Refused): Uint8Array {
	if (!(result instanceof Uint8Array)) throw new Error(result.refused);
	return result;
}

function reason(result: object): string {
	return isRefused(result as DeviceSettings | Refused) ? (result as Refused).refused : "";
}

const SETTINGS: DeviceSettings = {
	...defaultDeviceSettings(),
	revision: 5,
	displayName: "Haustür",
	buttons: ["", "attic@home.example"],
	codes: [
		{ name: "family", code: "2580" },
		{ name: "gardener", code: "77" },
	],
	openers: ["anna@home.example"],
	autoAnswer: ["*"],
};

describe("reading", () => {
	test("what is missing has its first value", () => {
		expect(readDeviceSettings({})).toEqual(defaultDeviceSettings());
		expect(readDeviceSettings({ volume: 10 })).toEqual({ ...defaultDeviceSettings(), volume: 10 });
	});

	test("first values are within their own bounds", () => {
		expect(reason(readDeviceSettings({ ...defaultDeviceSettings() }))).toBe("");
	});

	test.each([
		["ringLimitS", 9, "ringLimitS: a whole number from 10 to 180"],
		["ringLimitS", 181, "ringLimitS: a whole number from 10 to 180"],
		["debounceMs", 29, "debounceMs: a whole number from 30 to 50"],
		["debounceMs", 51, "debounceMs: a whole number from 30 to 50"],
		["volume", 50.5, "volume: a whole number from 0 to 100"],
		["volume", "50", "volume: a whole number from 0 to 100"],
		["volume", Number.NaN, "volume: a whole number from 0 to 100"],
		["isMuted", 1, "isMuted: true or false"],
		["secondPress", "explode", "secondPress: one of ignore, restart, hangUp"],
		["displayName", "x".repeat(65), "displayName: a text of at most 64 octets"],
		["displayName", "ü".repeat(33), "displayName: a text of at most 64 octets"],
		["displayName", "a\r\nBye: b", "displayName: a text of at most 64 octets"],
		["openers", "anna@home.example", `openers: a list of at most ${MAX_SETTINGS_AORS} addresses`],
		["openers", ["sip:anna@home.example"], "openers: addresses are written user@domain"],
		["openers", [""], "openers: addresses are written user@domain"],
		["buttons", ["*"], "buttons: addresses are written user@domain"],
		["codes", [{ name: "a", code: "1" }], "codes: a code is 2 to 12 digits"],
		["codes", [{ name: "a", code: "12a" }], "codes: a code is 2 to 12 digits"],
		["codes", [{ code: "12" }], "codes: each has a name of at most 32 octets"],
		["codes", [["a", "12"]], "codes: each has a name of at most 32 octets"],
	])("%s = %j is refused by name", (name, value, words) => {
		expect(reason(readDeviceSettings({ [name]: value }))).toBe(words);
	});

	test("no code may begin with another one, whichever comes first", () => {
		const words = "codes: no code may begin with another one";
		for (const codes of [
			["12", "123"],
			["123", "12"],
			["12", "12"],
		])
			expect(reason(readDeviceSettings({ codes: codes.map((code) => ({ name: "", code })) }))).toBe(words);
	});

	test.each([
		["buttons", MAX_BUTTONS, () => ""],
		["codes", MAX_RELEASE_CODES, (i: number) => ({ name: "", code: `${10 + i}` })],
		["openers", MAX_SETTINGS_AORS, (i: number) => `u${i}@home.example`],
		["autoAnswer", MAX_SETTINGS_AORS, (i: number) => `u${i}@home.example`],
	] as const)("%s takes %i and not one more", (name, most, make) => {
		const list = Array.from({ length: most + 1 }, (_, i) => make(i));
		expect(reason(readDeviceSettings({ [name]: list.slice(0, most) }))).toBe("");
		expect(reason(readDeviceSettings({ [name]: list }))).toContain(`${name}: a list of at most ${most}`);
	});

	test("anything but a map is refused", () => {
		for (const value of [null, 1, "x", [], new Map(), new Uint8Array(3), undefined])
			expect(reason(readDeviceSettings(value))).toBe("settings are a map");
	});

	test("fields of later versions are no fault, and kept on request", () => {
		const value = { volume: 3, camera: { fps: 5 } };
		expect(readDeviceSettings(value)).toEqual({ ...defaultDeviceSettings(), volume: 3 });
		const kept = readDeviceSettings(value, { keepForeign: true }) as DeviceSettings;
		expect(kept.foreign).toEqual({ camera: { fps: 5 } });
		const again = decodeDeviceSettings(bytesOf(encodeDeviceSettings(kept)), { keepForeign: true });
		expect(again).toEqual(kept);
	});

	test("a foreign field cannot stand in for a known one", () => {
		const settings = { ...defaultDeviceSettings(), foreign: { volume: 1000 } };
		expect((decodeDeviceSettings(bytesOf(encodeDeviceSettings(settings))) as DeviceSettings).volume).toBe(70);
	});

	test("every field has bounds that are tested by their own name", () => {
		for (const name of Object.keys(SETTINGS_FIELDS))
			expect(reason(readDeviceSettings({ [name]: Object.freeze({}) })), name).toMatch(new RegExp(`^${name}: `));
	});

	test("octets that are not CBOR, or too many of them", () => {
		expect(reason(decodeDeviceSettings(Uint8Array.of(0xff)))).not.toBe("");
		expect(reason(decodeDeviceSettings(new Uint8Array(MAX_SETTINGS_OCTETS + 1)))).toContain("above");
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				decodeDeviceSettings(bytes);
			}),
		);
	});

	test("settings with all lists full fit into a record", () => {
		const aors = Array.from({ length: MAX_SETTINGS_AORS }, (_, i) => `resident-number-${i}@home-of-somebody.example`);
		const full: DeviceSettings = {
			...SETTINGS,
			buttons: aors.slice(0, MAX_BUTTONS),
			openers: aors,
			autoAnswer: aors,
			codes: Array.from({ length: MAX_RELEASE_CODES }, (_, i) => ({
				name: "n".repeat(32),
				code: `${10 + i}0000000000`,
			})),
		};
		expect(decodeDeviceSettings(bytesOf(encodeDeviceSettings(full)))).toEqual(full);
		const long = `${"a".repeat(230)}@home.example`;
		const tooLong = { ...full, openers: aors.map((_, i) => `${i}${long}`) };
		expect(reason(encodeDeviceSettings(tooLong))).toContain("above");
	});
});

describe("sealing", () => {
	test("opens what was sealed", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options));
		expect(openDeviceSettings(sealed, options)).toEqual(SETTINGS);
	});

	test("nothing of it can be read", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options));
		expect(Buffer.from(sealed).includes("2580")).toBe(false);
		expect(Buffer.from(sealed).includes("gardener")).toBe(false);
	});

	test("two seals of one record differ: the IV is new each time", () => {
		const one = bytesOf(sealDeviceSettings(SETTINGS, options));
		const other = bytesOf(sealDeviceSettings(SETTINGS, options));
		expect(one.subarray(1, 1 + SEAL_IV_OCTETS)).not.toEqual(other.subarray(1, 1 + SEAL_IV_OCTETS));
	});

	test("any octet changed, cut off or added is refused", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options));
		for (let i = 0; i < sealed.length; i++) {
			const changed = sealed.slice();
			changed[i] = changed[i]! ^ 1;
			expect(reason(openDeviceSettings(changed, options)), `octet ${i}`).not.toBe("");
			expect(reason(openDeviceSettings(sealed.subarray(0, i), options)), `${i} octets`).not.toBe("");
		}
		expect(reason(openDeviceSettings(Uint8Array.of(...sealed, 0), options))).not.toBe("");
		expect(reason(openDeviceSettings(new Uint8Array(100_000), options))).toBe("sealed settings are too long");
	});

	test("a record of another device or key is refused", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options));
		const words = "sealed settings: wrong key, wrong device, or changed";
		expect(reason(openDeviceSettings(sealed, { ...options, deviceName: "backdoor@home.example" }))).toBe(words);
		expect(reason(openDeviceSettings(sealed, { ...options, settingsKey: new Uint8Array(32) }))).toBe(words);
	});

	test("an older record is refused, the same one is not", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options));
		expect(reason(openDeviceSettings(sealed, { ...options, lastRevision: 6 }))).toBe("revision: 5 is older than 6");
		expect(reason(openDeviceSettings(sealed, { ...options, lastRevision: 5 }))).toBe("");
	});

	test("settings out of bounds are not sealed", () => {
		expect(reason(sealDeviceSettings({ ...SETTINGS, volume: 101 }, options))).toContain("volume: ");
	});

	test("a record of a later version of the format says so", () => {
		const sealed = bytesOf(sealDeviceSettings(SETTINGS, options)).slice();
		sealed[0] = 2;
		expect(reason(unsealDeviceSettings(sealed, options))).toBe("version 2 of sealed settings is unknown");
	});
});
