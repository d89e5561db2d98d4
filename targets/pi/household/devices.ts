/**
 * What the household keeps for each of its devices besides the certificate: the key that seals its settings, and the settings. Builds
 * changes; `Household` commits them.
 */

import { isRefused } from "../../../core/machine.ts";
import {
	type DeviceSettings,
	decodeDeviceSettings,
	defaultDeviceSettings,
	readDeviceSettings,
} from "../../../core/usages/device-settings.ts";
import { encodeDeviceSettings } from "../../../core/usages/device-settings-seal.ts";
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { MAX_DEVICES, SETTINGS_KEY_OCTETS } from "./limits.ts";

/** A record `pi/device/<aor>` (sealed). */
export interface DeviceRecord {
	readonly aor: string;
	/** Made anew whenever another key is paired under this name: who had it before reads nothing that comes later. */
	readonly settingsKey: Uint8Array;
	/** The CBOR map of core/usages/device-settings.ts; undefined before somebody has set something. */
	readonly settings: Uint8Array | undefined;
	readonly createdMs: number;
}

export class Devices {
	readonly #byAor = new Map<string, DeviceRecord>();
	readonly #random: (count: number) => Uint8Array;

	constructor(random: (count: number) => Uint8Array) {
		this.#random = random;
	}

	load(state: PiState): void {
		for (const [, value] of state.listSealed(StatePrefix.device)) this.apply(value as DeviceRecord);
	}

	get(aor: string): DeviceRecord | undefined {
		return this.#byAor.get(aor);
	}

	/** All, sorted by name. */
	list(): DeviceRecord[] {
		return [...this.#byAor.values()].sort((a, b) => (a.aor < b.aor ? -1 : 1));
	}

	/** The record of a device, or a new one. Limit (MAX_DEVICES): a `UserError`. */
	wanted(aor: string, wallMs: number): DeviceRecord {
		const known = this.#byAor.get(aor);
		if (known !== undefined) return known;
		if (this.#byAor.size >= MAX_DEVICES)
			throw new UserError(`the household has ${MAX_DEVICES} devices already`, "revoke one first");
		return { aor, settingsKey: this.#random(SETTINGS_KEY_OCTETS), settings: undefined, createdMs: wallMs };
	}

	/** The record for a key that has just been paired: settings stay, the settings key is new. */
	paired(aor: string, wallMs: number): DeviceRecord {
		const known = this.#byAor.get(aor);
		const created = { aor, settings: undefined, createdMs: wallMs };
		return { ...(known ?? created), settingsKey: this.#random(SETTINGS_KEY_OCTETS) };
	}

	key(aor: string): string {
		return StatePrefix.device + aor;
	}

	/** After the commit. */
	apply(record: DeviceRecord): void {
		this.#byAor.set(record.aor, record);
	}

	/** After the commit. */
	forget(aor: string): void {
		this.#byAor.delete(aor);
	}
}

/** The settings of a record, as a device has them before anybody has set anything where there are none. */
export function settingsOf(record: Pick<DeviceRecord, "settings" | "aor">): DeviceSettings {
	if (record.settings === undefined) return defaultDeviceSettings();
	const settings = decodeDeviceSettings(record.settings, { keepForeign: true });
	if (isRefused(settings))
		throw new UserError(`the settings of ${record.aor}: ${settings.refused}`, "restore the state directory");
	return settings;
}

/**
 * The record with other settings. The revision grows with every change, and beyond what a backup from before could have given out.
 * Throws a `UserError` that names the setting and its bounds.
 */
export function withSettings(
	record: DeviceRecord,
	changes: Readonly<Record<string, unknown>>,
	wallMs: number,
): DeviceRecord {
	const before = settingsOf(record);
	const revision = Math.max(before.revision + 1, Math.floor(wallMs / 1000));
	const settings = readDeviceSettings({ ...before, ...changes, revision }, { keepForeign: true });
	if (isRefused(settings)) throw new UserError(settings.refused, "see `ringlet device settings NAME --show`");
	const encoded = encodeDeviceSettings({
		...settings,
		...(before.foreign === undefined ? {} : { foreign: before.foreign }),
	});
	if (!(encoded instanceof Uint8Array)) throw new UserError(encoded.refused, "shorten the lists");
	return { ...record, settings: encoded };
}
