/** Devices as people see them: codes, list, settings, reset, revocation. */
import { describe, expect, test } from "vitest";
import { makeCertificationRequest } from "../../../../core/identity/pkcs10.ts";
import { defaultDeviceSettings } from "../../../../core/usages/device-settings.ts";
import type { PrivateKey } from "../../../../hal/hal.ts";
import { DeviceAdmin } from "../../../../targets/pi/household/device-admin.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import { MAX_DEVICES, PAIRING_AGAIN_MS } from "../../../../targets/pi/household/limits.ts";
import type { IssueResult } from "../../../../targets/pi/household/types.ts";
import { crypto, foundHouse, HOME, type TestHouse } from "../support.ts";

const HERE = [{ address: "192.0.2.1", port: 6085 }];
const FRONTDOOR = `frontdoor@${HOME}`;

type Made = Extract<IssueResult, { certificate: Uint8Array }>;

async function houseWithDevices(): Promise<TestHouse & { devices: DeviceAdmin }> {
	const house = await foundHouse();
	return { ...house, devices: new DeviceAdmin(house.household, house.admin) };
}

async function code(house: TestHouse, name = "frontdoor"): Promise<string> {
	return (await house.admin.invite({ role: "device", name, addresses: HERE })).code;
}

function enroll(house: TestHouse, key: PrivateKey, password: string, name = "frontdoor"): Promise<IssueResult> {
	const csr = makeCertificationRequest(key, `${name}@${HOME}`);
	return house.issuing.enroll({ username: name, password, nodeIds: 1, csr });
}

async function paired(house: TestHouse, name = "frontdoor"): Promise<Made> {
	const result = await enroll(house, crypto.generateKey(), await code(house, name), name);
	if (!("certificate" in result)) throw new Error(result.refused);
	return result;
}

describe("pairing", () => {
	test("the answer has a settings key; a lost answer is given again for an hour, without the code", async () => {
		const house = await houseWithDevices();
		const key = crypto.generateKey();
		const text = await code(house);
		const first = (await enroll(house, key, text)) as Made;
		expect(first.userName).toBe(FRONTDOOR);
		expect(first.settingsKey).toHaveLength(32);
		expect(((await enroll(house, key, text)) as Made).settingsKey).toEqual(first.settingsKey);
		house.clock.advance(PAIRING_AGAIN_MS + 1);
		const renewed = (await enroll(house, key, text)) as Made;
		expect(renewed.certificate.length).toBeGreaterThan(300);
		expect(renewed.settingsKey).toBeUndefined();
	});

	test("five wrong tries burn the code; used and expired ones are refused", async () => {
		const house = await houseWithDevices();
		const text = await code(house);
		const wrong = `${text.slice(0, -1)}${text.endsWith("0") ? "1" : "0"}`;
		for (let i = 0; i < 5; i++) expect(await enroll(house, crypto.generateKey(), wrong)).toHaveProperty("refused");
		expect(await enroll(house, crypto.generateKey(), text)).toEqual({ refused: "failed_authentication" });
		const late = await code(house);
		house.clock.advance(3_600_001);
		expect(await enroll(house, crypto.generateKey(), late)).toEqual({ refused: "failed_authentication" });
		const good = await code(house);
		expect(await enroll(house, crypto.generateKey(), good)).toHaveProperty("certificate");
		expect(await enroll(house, crypto.generateKey(), good)).toEqual({ refused: "failed_authentication" });
	});

	test("the name of the house is nobody's, and every peer gets an identity for it", async () => {
		const house = await houseWithDevices();
		await expect(house.admin.invite({ role: "device", name: "house", addresses: HERE })).rejects.toThrow(/reserved/);
		await expect(house.admin.addAccount("house", "a long password")).rejects.toThrow(/reserved/);
		const aor = `house@${HOME}`;
		const csr = makeCertificationRequest(crypto.generateKey(), aor);
		expect(await house.issuing.hosted(house.household.founder, [{ aor, csr }])).toEqual([
			{ certificate: expect.any(Uint8Array), userName: aor },
		]);
	});
});

describe("list, settings, reset, revoke", () => {
	test("a device from its code to its end", async () => {
		const house = await houseWithDevices();
		const { devices, household } = house;
		expect(devices.list()).toEqual([]);
		const text = await code(house);
		expect(devices.list()).toMatchObject([{ name: "frontdoor", aor: FRONTDOOR, state: "waiting", revision: 0 }]);
		// Set before it is paired, they are there when it is.
		const settings = await devices.settings("frontdoor", { volume: "40", buttons: "house,anna", codes: "post:4711" });
		expect(settings).toMatchObject({
			volume: 40,
			buttons: ["", `anna@${HOME}`],
			codes: [{ name: "post", code: "4711" }],
		});
		const first = (await enroll(house, crypto.generateKey(), text)) as Made;
		expect(devices.list()).toMatchObject([{ state: "paired", codeUntilMs: undefined, revision: settings.revision }]);
		expect(household.snapshot().devices).toMatchObject([{ aor: FRONTDOOR, settingsKey: first.settingsKey }]);
		expect(await devices.settings("frontdoor", { isMuted: "yes" })).toMatchObject({ volume: 40, isMuted: true });

		const again = await devices.reset("frontdoor", { addresses: HERE });
		expect(devices.list()).toMatchObject([{ state: "waiting" }]);
		expect(household.snapshot().devices).toEqual([]);
		expect(household.config.badNodes).toHaveLength(1);
		const second = (await enroll(house, crypto.generateKey(), again.code)) as Made;
		expect(second.settingsKey).not.toEqual(first.settingsKey);
		expect(await devices.settings("frontdoor")).toMatchObject({ volume: 40, isMuted: true });

		const { nodeIds } = await devices.revoke("frontdoor");
		expect(nodeIds).toHaveLength(1);
		expect(household.config.badNodes).toHaveLength(2);
		expect(devices.list()).toMatchObject([{ state: "revoked", revision: 0 }]);
		expect(household.snapshot().devices).toEqual([]);
	});

	test("settings survive a restart of the household, sealed", async () => {
		const house = await houseWithDevices();
		await paired(house);
		const { revision } = await house.devices.settings("frontdoor", { doorName: "garden gate" });
		const stored = [...house.state.store.entries("pi/device/")][0]?.[1];
		expect(JSON.stringify(stored)).not.toContain("garden");
		await house.household.close();
		const { state, clock } = house;
		const household = await Household.open({ state, crypto, clock });
		if (household === undefined) throw new Error("no household");
		expect(await new DeviceAdmin(household, house.admin).settings("frontdoor")).toMatchObject({ revision });
	});

	test("what is wrong is named: no such device, no such setting, out of bounds; nothing is changed then", async () => {
		const house = await houseWithDevices();
		await paired(house);
		const { devices } = house;
		await expect(devices.settings("cellar")).rejects.toThrow(/cellar@home.example: no such device/);
		await expect(devices.revoke("cellar")).rejects.toThrow(/no such device/);
		for (const [set, why] of [
			[{ loudness: "3" }, /loudness: no setting; the settings are displayName/],
			[{ revision: "3" }, /revision: no setting/],
			[{ volume: "101" }, /volume: a whole number from 0 to 100/],
			[{ volume: "" }, /volume: a whole number/],
			[{ isMuted: "perhaps" }, /isMuted: true or false/],
			[{ codes: "post" }, /codes: a code is 2 to 12 digits/],
			[{ openers: "@" }, /openers: addresses are written/],
			[{ incoming: "sing" }, /incoming: one of refuse, ring/],
		] as const)
			await expect(devices.settings("frontdoor", set)).rejects.toThrow(why);
		expect(await devices.settings("frontdoor")).toEqual(defaultDeviceSettings());
	});

	test(`there are no more than ${MAX_DEVICES} devices`, async () => {
		const house = await houseWithDevices();
		const { devices, registry, clock } = house.household;
		const late = await code(house);
		const record = { role: "device", holder: undefined, issuedMs: 0, revokedMs: undefined, nodeIds: [] } as const;
		for (let i = 0; i < MAX_DEVICES; i++) {
			const notAfterMs = clock.wallMs() + 1_000_000;
			registry.apply({ ...record, key: `${i}`, userName: `door${i}@${HOME}`, notAfterMs });
		}
		await expect(code(house, "another")).rejects.toThrow(/64 devices already; revoke one first/);
		expect(await enroll(house, crypto.generateKey(), late)).toEqual({ refused: "Node-IDs_not_available" });
		for (let i = 0; i < MAX_DEVICES; i++) devices.apply(devices.wanted(`door${i}@${HOME}`, 0));
		expect(() => devices.wanted(FRONTDOOR, 0)).toThrow(/64 devices already; revoke one first/);
	});
});
