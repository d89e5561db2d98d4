/** Which settings a peer keeps in the overlay: those of devices in force, sealed for each, stored anew when something has changed. */
import { expect, test } from "vitest";
import { DEVICE_SETTINGS_KIND } from "../../../core/config/kinds.ts";
import type { KeptValue } from "../../../core/overlay/refresh.ts";
import { defaultDeviceSettings, openDeviceSettings } from "../../../core/usages/device-settings.ts";
import { encodeDeviceSettings } from "../../../core/usages/device-settings-seal.ts";
import { nodeMediaCrypto } from "../../../hal/node/media-crypto.ts";
import { DeviceRecords } from "../../../targets/pi/device-records.ts";
import type { HouseholdDevice } from "../../../targets/pi/household/types.ts";
import { HOUSE, OverlayPeer } from "./composed.ts";
import { crypto, DOMAIN, good, Realm } from "./realm.ts";

const DOOR = `frontdoor@${DOMAIN}`;
const all = { ...crypto, ...nodeMediaCrypto() };

function device(aor: string, volume: number, settingsKey = new Uint8Array(32).fill(9)): HouseholdDevice {
	const settings = good(encodeDeviceSettings({ ...defaultDeviceSettings(), revision: volume, volume }));
	return { aor, nodeIds: [], settings, settingsKey };
}

test("stored once for each change; taken back with the device; nothing without an identity for the house", async () => {
	const realm = new Realm();
	const house = realm.identity({ userName: HOUSE });
	const { host, log } = await OverlayPeer.open(realm);
	const story: string[] = [];
	let kept: KeptValue | undefined;
	const records = {
		keepValue: (name: string, value: KeptValue): void => {
			story.push(`keep ${name}`);
			kept = value;
		},
		removeValue: (name: string): void => void story.push(`remove ${name}`),
	};
	const followed = new DeviceRecords({ host, records, crypto: all, log: log.log });
	const told = (): string[] => story.splice(0);

	followed.follow([device(DOOR, 40)], undefined);
	expect(told()).toEqual([]);
	followed.follow([device(DOOR, 40), { aor: `new@${DOMAIN}`, nodeIds: [] }], house);
	expect(told()).toEqual([`keep settings/${DOOR}`]);
	expect(kept).toMatchObject({ kind: DEVICE_SETTINGS_KIND, as: house.nodeId, lifetimeS: 86_400 });
	expect(Buffer.from(kept?.key ?? []).toString()).toBe(DOOR);
	const opened = { crypto: all, settingsKey: new Uint8Array(32).fill(9), deviceName: DOOR, lastRevision: 0 };
	expect(good(openDeviceSettings(kept?.value ?? new Uint8Array(), opened))).toMatchObject({ volume: 40 });

	followed.follow([device(DOOR, 40)], house);
	expect(told()).toEqual([]);
	followed.follow([device(DOOR, 41)], house);
	followed.follow([device(DOOR, 41, new Uint8Array(32).fill(8))], house);
	expect(told()).toEqual([`keep settings/${DOOR}`, `keep settings/${DOOR}`]);
	followed.follow([device(DOOR, 41, new Uint8Array(32).fill(8))], realm.identity({ userName: HOUSE }));
	expect(told()).toEqual([`keep settings/${DOOR}`]);
	followed.follow([], house);
	expect(told()).toEqual([`remove settings/${DOOR}`]);
});
