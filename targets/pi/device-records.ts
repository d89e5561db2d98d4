/**
 * The settings of the household's devices, kept in the overlay: every peer seals and stores them as its house identity, and refreshes
 * them, so that a device finds them whichever peers live. What is stored is newest by its revision, whoever stored it last.
 */

import { DEVICE_SETTINGS_KIND } from "../../core/config/kinds.ts";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { isRefused } from "../../core/machine.ts";
import { sealDeviceSettings } from "../../core/usages/device-settings-seal.ts";
import { equalBytes, utf8ToBytes } from "../../core/wire/bytes.ts";
import type { Crypto, Log, MediaCrypto } from "../../hal/hal.ts";
import { settingsOf } from "./household/devices.ts";
import type { HouseholdDevice } from "./household/types.ts";
import type { OverlayHost } from "./overlay-host.ts";
import type { OwnRecords } from "./own-records.ts";

/** A device's settings stay for a day without any peer of the household refreshing them. */
export const SETTINGS_LIFETIME_S = 86_400;

export interface DeviceRecordsOptions {
	readonly host: OverlayHost;
	readonly records: Pick<OwnRecords, "keepValue" | "removeValue">;
	readonly crypto: Crypto & MediaCrypto;
	readonly log: Log;
}

interface Kept {
	readonly identity: LocalIdentity;
	readonly settings: Uint8Array;
	readonly settingsKey: Uint8Array;
}

export class DeviceRecords {
	readonly #options: DeviceRecordsOptions;
	/** By AOR. */
	readonly #kept = new Map<string, Kept>();

	constructor(options: DeviceRecordsOptions) {
		this.#options = options;
	}

	/** The devices of the household, and our identity for the house: what is new is stored, what is gone is taken back. */
	follow(devices: readonly HouseholdDevice[], identity: LocalIdentity | undefined): void {
		const wanted = devices.filter(({ settings, settingsKey }) => settings !== undefined && settingsKey !== undefined);
		for (const [aor] of this.#kept)
			if (identity === undefined || !wanted.some((device) => device.aor === aor)) this.#drop(aor);
		if (identity !== undefined) for (const device of wanted) this.#keep(device, identity);
	}

	#keep({ aor, settings, settingsKey }: HouseholdDevice, identity: LocalIdentity): void {
		if (settings === undefined || settingsKey === undefined) return;
		const known = this.#kept.get(aor);
		const isSame = known !== undefined && equalBytes(known.settings, settings) && known.identity === identity;
		if (isSame && equalBytes(known.settingsKey, settingsKey)) return;
		const { crypto, records, host, log } = this.#options;
		const value = sealDeviceSettings(settingsOf({ aor, settings }), { crypto, settingsKey, deviceName: aor });
		if (isRefused(value)) {
			log("error", "device.settings", { device: aor, reason: value.refused });
			return;
		}
		this.#kept.set(aor, { identity, settings, settingsKey });
		records.keepValue(nameOf(aor), {
			resourceId: host.node.resourceId(utf8ToBytes(identity.userName)),
			kind: DEVICE_SETTINGS_KIND,
			as: identity.nodeId,
			key: utf8ToBytes(aor),
			value,
			lifetimeS: SETTINGS_LIFETIME_S,
		});
	}

	#drop(aor: string): void {
		this.#kept.delete(aor);
		this.#options.records.removeValue(nameOf(aor));
	}
}

function nameOf(aor: string): string {
	return `settings/${aor}`;
}
