import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readConfigDocument } from "../../../../core/config/document.ts";
import { verifyConfigSignature } from "../../../../core/config/verify.ts";
import { Trust } from "../../../../core/identity/trust.ts";
import { Verifier } from "../../../../core/identity/verify.ts";
import { isRefused } from "../../../../core/machine.ts";
import { readAddresses } from "../../../../targets/pi/household/address-book.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import {
	ADDRESS_BATCH_MS,
	CERTIFICATE_LIFETIME_MS,
	DOCUMENT_RENEW_MS,
	MAINTENANCE_MS,
	MAX_ADDRESSES_PER_PEER,
	SIGNER_LIFETIME_MS,
} from "../../../../targets/pi/household/limits.ts";
import { openMembership } from "../../../../targets/pi/household/membership.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { crypto, form, foundHouse, HOME, NEW_YEAR, scratch, type TestHouse } from "../support.ts";

const DAY = 86_400_000;

function documentOf(house: TestHouse) {
	const read = readConfigDocument(house.household.document, crypto);
	if (isRefused(read)) throw new Error(read.refused);
	return read;
}

describe("founding", () => {
	test("makes CA, signer, own identity and a signed first document", async () => {
		const house = await foundHouse();
		const { household, state } = house;
		const read = documentOf(house);
		const { config } = read;
		expect(config).toMatchObject({
			instanceName: HOME,
			sequence: 1,
			topologyPlugin: "EXP-OVERLAY",
			noIce: true,
			profile: "house",
			nodeIdLength: 16,
			maxMessageSize: 16_384,
			badNodes: [],
		});
		expect(config.requiredKinds.map((kind) => kind.name)).toContain("SIP-REGISTRATION");
		expect(config.rootCerts).toEqual([household.authority.root.der]);
		const trust = new Trust({ crypto, roots: [household.authority.root], overlayName: HOME, nodeIdLength: 16 });
		expect(verifyConfigSignature(read, config, new Verifier(trust, crypto), NEW_YEAR)).toBeUndefined();
		const membership = openMembership(state, crypto);
		expect(membership?.identity.userName).toMatch(/^peer-[0-9a-f]{16}@home\.example$/);
		expect(membership?.identity.nodeId).toEqual(household.founder);
		expect(isRefused(trust.check(membership?.identity.certificate.der ?? new Uint8Array(), [], NEW_YEAR))).toBe(false);
		expect(readFileSync(state.directory.caPath, "utf8")).toBe(household.authority.rootPem);
	});

	test.each([
		["mesh", "EXP-OVERLAY"],
		["chord", "CHORD-RELOAD"],
		["chord-self-tuning", "CHORD-SELF-TUNING"],
	] as const)("topology %s is %s in the document", async (topology, plugin) => {
		const { household } = await foundHouse({ topology, profile: "rfc" });
		expect(household.config).toMatchObject({ topologyPlugin: plugin, profile: "rfc", chordUpdateIntervalS: 600 });
	});

	test("a name that is none is refused and leaves nothing behind", async () => {
		for (const overlayName of ["home", "Home.example", "-x.example", ""]) {
			const state = PiState.open({ path: scratch() });
			const { clock, timers } = await foundHouse();
			await expect(Household.found({ state, crypto, clock, timers }, { overlayName })).rejects.toThrow(
				/not an overlay name; choose/,
			);
			expect(state.list("pi/")).toEqual([]);
			await state.close();
		}
	});

	test("a commit that fails founds nothing; a second household is refused", async () => {
		const { state, store, clock, timers } = await foundHouse();
		await expect(Household.found({ state, crypto, clock, timers }, { overlayName: HOME })).rejects.toThrow(
			/belongs to a household already/,
		);
		store.records.clear();
		store.failing = "disk full";
		await expect(Household.found({ state, crypto, clock, timers }, { overlayName: HOME })).rejects.toThrow(/disk full/);
		store.failing = undefined;
		expect(await Household.open({ state, crypto, clock, timers })).toBeUndefined();
		expect(openMembership(state, crypto)).toBeUndefined();
	});
});

describe("addresses", () => {
	test("are collected and make one document, the latest first", async () => {
		const { household, timers, clock } = await foundHouse();
		const seen: Uint8Array[] = [];
		household.onDocument((document) => seen.push(document));
		const [a, b] = [crypto.random(16), crypto.random(16)];
		const first = household.announce(a, { link: [{ address: "192.0.2.1", port: 6084 }], enrollment: [] });
		const second = household.announce(b, {
			link: [{ address: "2001:db8::1", port: 6084 }],
			enrollment: [{ address: "2001:db8::1", port: 6085 }],
		});
		timers.advance(ADDRESS_BATCH_MS - 1);
		expect(seen).toHaveLength(0);
		timers.advance(1);
		await Promise.all([first, second]);
		expect(seen).toHaveLength(1);
		expect(household.config.sequence).toBe(2);
		expect(household.config.bootstrapNodes).toEqual([
			{ address: "2001:db8::1", port: 6084 },
			{ address: "192.0.2.1", port: 6084 },
		]);
		expect(household.config.enrollmentServers).toEqual(["https://[2001:db8::1]:6085/enroll"]);
		// The same again is no news; another soon after waits for its turn.
		await household.announce(a, { link: [{ address: "192.0.2.1", port: 6084 }], enrollment: [] });
		expect(timers.pending).toBe(0);
		const third = household.announce(a, { link: [{ address: "192.0.2.9", port: 6084 }], enrollment: [] });
		clock.advance(ADDRESS_BATCH_MS);
		timers.advance(ADDRESS_BATCH_MS);
		expect(seen).toHaveLength(1);
		await Promise.all([household.addresses.flush(), third]);
		expect(household.config.bootstrapNodes[0]).toEqual({ address: "192.0.2.9", port: 6084 });
		expect(household.config.sequence).toBe(3);
	});

	test("only short lists of real addresses are taken", () => {
		const good = { address: "192.0.2.1", port: 6084 };
		expect(readAddresses({ link: [good] })).toEqual({ link: [good], enrollment: [] });
		for (const wrong of [
			{ link: [{ address: "pi.local", port: 1 }] },
			{ link: [{ address: "fe80::1%eth0", port: 1 }] },
			{ link: [{ address: "192.0.2.1", port: 0 }] },
			{ link: [{ address: "192.0.2.1", port: 1.5 }] },
			{ link: "192.0.2.1" },
			{ link: new Array(MAX_ADDRESSES_PER_PEER + 1).fill(good) },
			{ enrollment: [{ address: "a b", port: 1 }] },
			{ link: [null] },
		])
			expect(() => readAddresses(wrong)).toThrow(/not a/);
		expect(readAddresses(undefined)).toEqual({ link: [], enrollment: [] });
	});
});

describe("upkeep", () => {
	test("the document is signed anew before it is two months old, also when the household is only opened then", async () => {
		const house = await foundHouse();
		const { household, clock, timers, state } = house;
		household.start();
		clock.advance(DOCUMENT_RENEW_MS - 1);
		await household.maintain();
		expect(household.config.sequence).toBe(1);
		clock.advance(1);
		timers.advance(MAINTENANCE_MS);
		await household.maintain();
		expect(household.config.sequence).toBe(2);
		expect(household.config.expirationMs).toBe(clock.wallMs() + 365 * DAY);
		clock.advance(DOCUMENT_RENEW_MS);
		const again = await Household.open({ state, crypto, clock, timers });
		expect(again?.config.sequence).toBe(3);
		await again?.close();
	});

	test("the signer's certificate is renewed with its key and Node-ID", async () => {
		const house = await foundHouse();
		const { household, clock } = house;
		const before = household.config.configurationSigners;
		clock.advance(SIGNER_LIFETIME_MS / 2 + DAY);
		await household.maintain();
		expect(household.config.configurationSigners).toEqual(before);
		const read = documentOf(house);
		clock.advance(SIGNER_LIFETIME_MS / 2);
		const trust = new Trust({ crypto, roots: [household.authority.root], overlayName: HOME, nodeIdLength: 16 });
		expect(verifyConfigSignature(read, read.config, new Verifier(trust, crypto), clock.wallMs())).toBeUndefined();
	});

	test("a bad-node goes when its certificate has run out, and its key is forgotten a year later", async () => {
		const { household, issuing, admin, clock } = await foundHouse();
		await admin.addAccount("alice", "long enough");
		await issuing.enroll(form(crypto.generateKey(), `alice@${HOME}`, "alice", "long enough"));
		await admin.revoke("alice");
		expect(household.config.badNodes).toHaveLength(1);
		clock.advance(CERTIFICATE_LIFETIME_MS + 1);
		await household.maintain();
		expect(household.config.badNodes).toHaveLength(0);
		expect(household.registry.size).toBe(3);
		clock.advance(CERTIFICATE_LIFETIME_MS);
		await household.maintain();
		expect(household.registry.find((one) => one.role === "account")).toEqual([]);
	});

	test("a clock that is before the founding signs nothing", async () => {
		const { household, issuing, admin, clock } = await foundHouse();
		const { code } = await admin.invite({ role: "peer", addresses: [{ address: "192.0.2.1", port: 6085 }] });
		clock.advance(-NEW_YEAR);
		await expect(household.maintain()).rejects.toThrow(
			/clock says 1970-01-01T00:00:00.000Z, before this household was founded; set the clock/,
		);
		const name = `peer-0123456789abcdef@${HOME}`;
		await expect(issuing.enroll(form(crypto.generateKey(), name, name, code))).rejects.toThrow(/set the clock/);
	});

	test("a restored household starts a new epoch with a newer document", async () => {
		const { household, state, store, clock, timers } = await foundHouse();
		const { version } = household;
		store.records.set("pi/household", {
			...(store.records.get("pi/household") as object),
			configSequence: 1001,
			restored: true,
		});
		const again = await Household.open({ state, crypto, clock, timers });
		expect(again?.version.epoch).not.toBe(version.epoch);
		expect(again?.config.sequence).toBe(1002);
		const third = await Household.open({ state, crypto, clock, timers });
		expect(third?.version).toEqual(again?.version);
	});

	test("a damaged record is an error that names it", async () => {
		const { state, store, clock, timers } = await foundHouse();
		store.records.set("pi/household-document", new Uint8Array(3));
		await expect(Household.open({ state, crypto, clock, timers })).rejects.toThrow(
			/record pi\/household-document: .*; restore/,
		);
		store.records.delete("pi/ca");
		await expect(Household.open({ state, crypto, clock, timers })).rejects.toThrow(
			/record pi\/ca: missing or damaged; restore/,
		);
	});
});

test("the TLS certificate covers the overlay name and the hosts, and is kept until they change or it is old", async () => {
	const { household, clock } = await foundHouse();
	const first = await household.serverIdentity(["192.0.2.1", "pi.local", "fd00::1", "not a host"]);
	expect(first.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
	expect(await household.serverIdentity(["fd00::1", "pi.local", "192.0.2.1", "not a host"])).toEqual(first);
	const moved = await household.serverIdentity(["192.0.2.2"]);
	expect(moved.cert).not.toBe(first.cert);
	expect(moved.key).toBe(first.key);
	clock.advance((CERTIFICATE_LIFETIME_MS * 2) / 3);
	expect((await household.serverIdentity(["192.0.2.2"])).cert).not.toBe(moved.cert);
});
