/** Seals DEVICE-SETTINGS: the peers' half of `device-settings.ts`, apart from it so that a device carries no encoder. */
import { Encoder } from "cbor-x";
import type { Crypto, MediaCrypto } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes } from "../wire/bytes.ts";
import {
	type DeviceSettings,
	deriveSealKeys,
	readDeviceSettings,
	SEAL_IV_OCTETS,
	SEAL_VERSION,
	sealMac,
} from "./device-settings.ts";
import { MAX_SETTINGS_OCTETS } from "./limits.ts";

/** The CBOR map of settings, fields of later versions included; refused when they are not within their bounds. */
export function encodeDeviceSettings(settings: DeviceSettings): Uint8Array | Refused {
	const checked = readDeviceSettings(settings);
	if (isRefused(checked)) return checked;
	const encoder = new Encoder({ useRecords: false, variableMapSize: true, mapsAsObjects: true, tagUint8Array: false });
	const bytes = new Uint8Array(encoder.encode({ ...settings.foreign, ...checked }));
	return bytes.length > MAX_SETTINGS_OCTETS ? refuse(`settings above ${MAX_SETTINGS_OCTETS} octets`) : bytes;
}

/** What `sealDeviceSettings` needs. */
export interface SealOptions {
	readonly crypto: Crypto & MediaCrypto;
	/** 32 octets. */
	readonly settingsKey: Uint8Array;
	/** User name of the device, as in its certificate. */
	readonly deviceName: string;
}

/** The value to store. Whoever changes settings gives them a greater `revision` first. */
export function sealDeviceSettings(settings: DeviceSettings, options: SealOptions): Uint8Array | Refused {
	const plain = encodeDeviceSettings(settings);
	if (!(plain instanceof Uint8Array)) return plain;
	const { cipherKey, macKey } = deriveSealKeys(options.crypto, options.settingsKey);
	const iv = options.crypto.random(SEAL_IV_OCTETS);
	options.crypto.aesCtr(cipherKey).apply(iv, plain, 0, plain.length);
	const body = concatBytes(Uint8Array.of(SEAL_VERSION), iv, plain);
	return concatBytes(body, sealMac(options.crypto, macKey, options.deviceName, body));
}
