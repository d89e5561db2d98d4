import { describe, expect, test } from "vitest";
import { Trust } from "../../../../core/identity/trust.ts";
import { isRefused } from "../../../../core/machine.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import { readJoinUrl } from "../../../../targets/pi/household/join-url.ts";
import { MAX_ACCOUNTS, MAX_GROUP_MEMBERS, MAX_NAME, MAX_PASSWORD } from "../../../../targets/pi/household/limits.ts";
import { digestVerifiers } from "../../../../targets/pi/household/passwords.ts";
import { crypto, form, foundHouse, HOME, PASSWORD } from "../support.ts";

const HERE = [{ address: "192.0.2.1", port: 6085 }];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("accounts", () => {
	test("add, list, change the password, remove; the name with or without domain; all of it survives a restart", async () => {
		const { admin, household, state, clock, timers } = await foundHouse();
		expect(await admin.addAccount("alice", PASSWORD)).toMatchObject({
			aor: `alice@${HOME}`,
			confirmed: [],
			waiting: [],
		});
		await admin.addAccount(`bob@${HOME}`, PASSWORD);
		expect(admin.listAccounts()).toEqual([
			{ name: "alice", aor: `alice@${HOME}`, kind: "user", members: [] },
			{ name: "bob", aor: `bob@${HOME}`, kind: "user", members: [] },
		]);
		expect(household.snapshot().accounts[0]).toMatchObject(digestVerifiers("alice", HOME, PASSWORD));
		await admin.changePassword("alice", "another one");
		await admin.removeAccount("bob");
		const again = await Household.open({ state, crypto, clock, timers });
		expect(again?.snapshot().accounts).toEqual([
			{
				name: "alice",
				aor: `alice@${HOME}`,
				kind: "user",
				members: [],
				...digestVerifiers("alice", HOME, "another one"),
			},
		]);
		expect(await again?.accounts.authenticates("alice", "another one")).toBe(true);
		expect(await again?.accounts.authenticates("alice", PASSWORD)).toBe(false);
		expect(await again?.accounts.authenticates("bob", PASSWORD)).toBe(false);
		expect(again?.version.sequence).toBe(household.version.sequence);
	});

	test("RFC 7616 §3.9.1: the digest verifiers", () => {
		// The RFC's own example: user Mufasa, realm http-auth@example.org, password "Circle of Life".
		expect(digestVerifiers("Mufasa", "http-auth@example.org", "Circle of Life")).toEqual({
			ha1Md5: "3d78807defe7de2157e2b0b6573a855f",
			ha1Sha256: "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
		});
	});

	test.each([
		["Alice", /Alice: not a name; write alice/],
		["a b", /a b: not a name; use a-z/],
		["-x", /not a name/],
		["", /no name given/],
		[undefined, /no name given/],
		["alice@other.example", /this household is home\.example; write alice or alice@home\.example/],
		["peer-1", /reserved/],
		["configuration", /reserved/],
		["x".repeat(MAX_NAME + 1), /longer than 32 characters/],
	])("the name %s is refused with a reason", async (name, message) => {
		const { admin } = await foundHouse();
		await expect(admin.addAccount(name, PASSWORD)).rejects.toThrow(message);
	});

	test("refusals change nothing", async () => {
		const { admin, household } = await foundHouse();
		await admin.addAccount("alice", PASSWORD);
		const { version } = household;
		await expect(admin.addAccount("alice", PASSWORD)).rejects.toThrow(/exists already; choose another/);
		await expect(admin.addAccount("bob", "short")).rejects.toThrow(/shorter than 8/);
		await expect(admin.addAccount("bob", "x".repeat(MAX_PASSWORD + 1))).rejects.toThrow(/longer than 128/);
		await expect(admin.changePassword("bob", PASSWORD)).rejects.toThrow(/bob@home\.example: no such account/);
		await expect(admin.removeAccount("bob")).rejects.toThrow(/no such account; see/);
		expect(household.version).toEqual(version);
	});

	test("two at the same time with one name: one wins", async () => {
		const { admin } = await foundHouse();
		const both = await Promise.allSettled([admin.addAccount("alice", PASSWORD), admin.addAccount("alice", PASSWORD)]);
		expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
	});

	test("limit: as many accounts as MAX_ACCOUNTS", async () => {
		const { admin } = await foundHouse();
		for (let i = 0; i < MAX_ACCOUNTS; i++) await admin.addGroup(`g${i}`);
		await expect(admin.addAccount("alice", PASSWORD)).rejects.toThrow(/256 accounts already; remove one first/);
	});

	test("a disk that is full: the account is not there, before and after", async () => {
		const { admin, household, store } = await foundHouse();
		store.failing = "disk full";
		await expect(admin.addAccount("alice", PASSWORD)).rejects.toThrow(/disk full/);
		store.failing = undefined;
		expect(admin.listAccounts()).toEqual([]);
		expect(household.version.sequence).toBe(1);
		await admin.addAccount("alice", PASSWORD);
	});
});

describe("groups", () => {
	test("name their members, or nobody for all; a removed member leaves them", async () => {
		const { admin } = await foundHouse();
		for (const name of ["alice", "bob"]) await admin.addAccount(name, PASSWORD);
		await admin.addGroup("everyone");
		await admin.addGroup("upstairs", ["alice", `bob@${HOME}`]);
		await admin.removeAccount("bob");
		expect(admin.listAccounts().map(({ name, members }) => [name, members])).toEqual([
			["alice", []],
			["everyone", []],
			["upstairs", ["alice"]],
		]);
		// An emptied group would ring everybody: not by accident.
		await expect(admin.removeAccount("alice")).rejects.toThrow(
			/only member of upstairs@home\.example; change or remove upstairs first/,
		);
		await admin.setMembers("upstairs", []);
		await admin.removeAccount("alice");
	});

	test("refusals", async () => {
		const { admin } = await foundHouse();
		await admin.addAccount("alice", PASSWORD);
		await admin.addGroup("everyone");
		await expect(admin.addGroup("all", ["nobody"])).rejects.toThrow(/nobody@home\.example: no such account/);
		await expect(admin.addGroup("all", ["everyone"])).rejects.toThrow(/a group cannot be in a group/);
		await expect(admin.addGroup("all", new Array(MAX_GROUP_MEMBERS + 1).fill("alice"))).rejects.toThrow(
			/more than 64 members/,
		);
		await expect(admin.changePassword("everyone", PASSWORD)).rejects.toThrow(/a group has no password/);
		await expect(admin.setMembers("alice", [])).rejects.toThrow(/not a group/);
	});
});

describe("invitations", () => {
	test("a peer's, a device's and an account's", async () => {
		const { admin, household } = await foundHouse();
		await expect(admin.invite({ role: "peer" })).rejects.toThrow(/nobody knows yet where .*; start the daemon first/);
		const peer = await admin.invite({ role: "peer", addresses: HERE });
		expect(readJoinUrl(peer.url)).toEqual({
			addresses: HERE,
			overlayName: HOME,
			code: peer.code,
			fingerprint: household.authority.fingerprint,
			name: undefined,
		});
		const device = await admin.invite({ role: "device", name: "frontdoor", addresses: HERE });
		expect(readJoinUrl(device.url).name).toBe("frontdoor");
		await admin.addAccount("alice", PASSWORD);
		expect(readJoinUrl((await admin.invite({ role: "account", name: "alice", addresses: HERE })).url).name).toBe(
			"alice",
		);
		expect(
			admin
				.listCodes()
				.map((code) => code.role)
				.sort(),
		).toEqual(["account", "device", "peer"]);
		expect(JSON.stringify(admin.listCodes())).not.toContain("mac");
		await admin.cancelCode(peer.code.slice(0, 4).toLowerCase());
		await expect(admin.cancelCode(peer.code.slice(0, 4))).rejects.toThrow(/no such code/);
		await expect(admin.invite({ role: "device", name: "alice", addresses: HERE })).rejects.toThrow(/is an account/);
		await expect(admin.invite({ role: "account", name: "bob", addresses: HERE })).rejects.toThrow(/no such account/);
	});
});

describe("revocation", () => {
	async function houseWithPeer() {
		const house = await foundHouse();
		const { admin, issuing } = house;
		await admin.addAccount("alice", PASSWORD);
		const { code } = await admin.invite({ role: "peer", addresses: HERE });
		const name = `peer-0123456789abcdef@${HOME}`;
		const key = crypto.generateKey();
		await issuing.enroll(form(key, name, name, code));
		const peer = house.household.registry.find((one) => one.userName === name)[0]?.nodeIds[0] ?? new Uint8Array();
		const hostedKey = crypto.generateKey();
		await issuing.hosted(peer, [{ aor: `alice@${HOME}`, csr: form(hostedKey, `alice@${HOME}`).csr }]);
		await issuing.enroll(form(crypto.generateKey(), `alice@${HOME}`, "alice", PASSWORD, 2));
		return { ...house, name, key, peer, hostedKey };
	}

	test("a peer: its Node-ID and all it holds for hosted users become bad-node; its key gets nothing more", async () => {
		const { admin, household, issuing, name, key, peer, hostedKey } = await houseWithPeer();
		void household.announce(peer, { link: [{ address: "192.0.2.7", port: 6084 }], enrollment: [] });
		await household.addresses.flush();
		const documents: Uint8Array[] = [];
		household.onDocument((document) => documents.push(document));
		const { sequence } = household.config;
		const { nodeIds } = await admin.revoke(name);
		expect(nodeIds).toHaveLength(2);
		expect(documents).toHaveLength(1);
		expect(household.config.sequence).toBe(sequence + 1);
		expect(household.config.badNodes.map(hex).sort()).toEqual([...nodeIds].sort());
		expect(household.config.bootstrapNodes).toEqual([]);
		expect(household.snapshot().peers.map((one) => one.userName)).not.toContain(name);
		expect(await issuing.enroll(form(key, name))).toEqual({ refused: "failed_authentication" });
		expect(await issuing.hosted(peer, [{ aor: `alice@${HOME}`, csr: form(hostedKey, `alice@${HOME}`).csr }])).toEqual([
			{ refused: "bad_CSR" },
		]);
		await expect(admin.revoke(name)).rejects.toThrow(/no certificate in force/);
	});

	test("a Node-ID: all Node-IDs of its certificate", async () => {
		const { admin, household } = await houseWithPeer();
		const own = household.registry.find((one) => one.role === "account")[0]?.nodeIds ?? [];
		expect(own).toHaveLength(2);
		expect((await admin.revoke(hex(own[1] ?? new Uint8Array()))).nodeIds.sort()).toEqual(own.map(hex).sort());
	});

	test("an account that is removed: everything in its name", async () => {
		const { admin, issuing, household, clock } = await houseWithPeer();
		const own = await issuing.enroll(form(crypto.generateKey(), `alice@${HOME}`, "alice", PASSWORD));
		const der = "certificate" in own ? own.certificate : new Uint8Array();
		const believed = (): boolean => {
			const { badNodes } = household.config;
			const roots = [household.authority.root];
			const trust = new Trust({ crypto, roots, overlayName: HOME, nodeIdLength: 16, badNodes });
			return !isRefused(trust.check(der, [], clock.wallMs()));
		};
		expect(believed()).toBe(true);
		await admin.removeAccount("alice");
		// One hosted, two of the first enrollment, one of the second.
		expect(household.config.badNodes).toHaveLength(4);
		expect(believed()).toBe(false);
	});

	test("never the household itself, never nothing", async () => {
		const { admin, household } = await foundHouse();
		await expect(admin.revoke(hex(household.founder))).rejects.toThrow(/the household itself/);
		await expect(admin.revoke("configuration")).rejects.toThrow(/the household itself/);
		await expect(admin.revoke("0".repeat(32))).rejects.toThrow(/no certificate in force/);
		await expect(admin.revoke(undefined)).rejects.toThrow(/no certificate in force/);
	});
});
