import { describe, expect, test } from "vitest";
import { readCertificate } from "../../../../core/identity/certificate.ts";
import { isRefused } from "../../../../core/machine.ts";
import { Codes, readCode } from "../../../../targets/pi/household/codes.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import { Issuing } from "../../../../targets/pi/household/issuing.ts";
import {
	CERTIFICATE_LIFETIME_MS,
	CODE_TRIES,
	INVITE_LIFETIME_MS,
	MAX_CODES,
	MAX_HOSTED_BATCH,
	MAX_ISSUED,
	MAX_NODE_IDS,
	MAX_NODES_PER_ACCOUNT,
	MAX_PEERS,
	PAIRING_LIFETIME_MS,
} from "../../../../targets/pi/household/limits.ts";
import { Registry } from "../../../../targets/pi/household/registry.ts";
import type { Issued, IssueResult } from "../../../../targets/pi/household/types.ts";
import { crypto, form, foundHouse, HOME, NEW_YEAR, PASSWORD, type TestHouse } from "../support.ts";

const HERE = [{ address: "192.0.2.1", port: 6085 }];
const PEER = `peer-0123456789abcdef@${HOME}`;
const ALICE = `alice@${HOME}`;
const DOOR = `frontdoor@${HOME}`;
const refusedAuthentication = { refused: "failed_authentication" };

function certificateOf(result: IssueResult) {
	if ("refused" in result) throw new Error(result.refused);
	const certificate = readCertificate(result.certificate, crypto);
	if (isRefused(certificate)) throw new Error(certificate.refused);
	return certificate;
}

const peerCode = async (house: TestHouse): Promise<string> =>
	(await house.admin.invite({ role: "peer", addresses: HERE })).code;
const doorCode = async (house: TestHouse, replace = false): Promise<string> =>
	(await house.admin.invite({ role: "device", name: "frontdoor", replace, addresses: HERE })).code;
/** The same code with another end. */
const wrong = (code: string): string => code.slice(0, -1) + (code.endsWith("0") ? "1" : "0");

describe("codes", () => {
	test("a peer's code gives one certificate with a random Node-ID, for a year", async () => {
		const house = await foundHouse();
		const key = crypto.generateKey();
		const code = await peerCode(house);
		const certificate = certificateOf(await house.issuing.enroll(form(key, PEER, PEER, code)));
		expect(certificate.userName).toBe(PEER);
		expect(certificate.overlayName).toBe(HOME);
		expect(certificate.nodeIds).toHaveLength(1);
		expect(certificate.notAfterMs - NEW_YEAR).toBe(CERTIFICATE_LIFETIME_MS);
		expect(house.household.snapshot().peers.map((peer) => peer.userName)).toContain(PEER);
		const other = `peer-ffffffffffffffff@${HOME}`;
		expect(await house.issuing.enroll(form(crypto.generateKey(), other, other, code))).toEqual(refusedAuthentication);
	});

	test("typed by hand: small letters, spaces, O for 0, the name without domain", async () => {
		const house = await foundHouse();
		const code = (await doorCode(house)).toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l");
		expect(
			certificateOf(await house.issuing.enroll(form(crypto.generateKey(), DOOR, "frontdoor", code))).userName,
		).toBe(DOOR);
		expect(readCode("K7QF-3M9X-2TP")).toBeUndefined();
		expect(readCode("K7QF-3M9X-2TPU")).toBeUndefined();
	});

	test("the fifth wrong try burns a code; tries survive a restart", async () => {
		const house = await foundHouse();
		const code = await peerCode(house);
		const attempt = (issuing: Issuing, text: string) => issuing.enroll(form(crypto.generateKey(), PEER, PEER, text));
		for (let i = 1; i < CODE_TRIES - 1; i++)
			expect(await attempt(house.issuing, wrong(code))).toEqual(refusedAuthentication);
		const { state, clock, timers } = house;
		const restarted = await Household.open({ state, crypto, clock, timers });
		if (restarted === undefined) throw new Error("no household");
		const issuing = new Issuing(restarted);
		expect(await attempt(issuing, wrong(code))).toEqual(refusedAuthentication);
		expect(restarted.codes.list(NEW_YEAR)).toMatchObject([{ tries: CODE_TRIES - 1 }]);
		expect(await attempt(issuing, wrong(code))).toEqual(refusedAuthentication);
		expect(restarted.codes.list(NEW_YEAR)).toEqual([]);
		expect(await attempt(issuing, code)).toEqual(refusedAuthentication);
		expect(state.list("pi/code/")).toEqual([]);
	});

	test("one try before the limit the right code is still good", async () => {
		const house = await foundHouse();
		const code = await peerCode(house);
		const key = crypto.generateKey();
		for (let i = 1; i < CODE_TRIES; i++) await house.issuing.enroll(form(key, PEER, PEER, wrong(code)));
		certificateOf(await house.issuing.enroll(form(key, PEER, PEER, code)));
	});

	test("a code is good until its millisecond, and no longer", async () => {
		const house = await foundHouse();
		const code = await peerCode(house);
		const door = await doorCode(house);
		house.clock.advance(PAIRING_LIFETIME_MS);
		expect(await house.issuing.enroll(form(crypto.generateKey(), DOOR, "frontdoor", door))).toEqual(
			refusedAuthentication,
		);
		house.clock.advance(INVITE_LIFETIME_MS - PAIRING_LIFETIME_MS - 1);
		certificateOf(await house.issuing.enroll(form(crypto.generateKey(), PEER, PEER, code)));
		const late = await peerCode(house);
		house.clock.advance(INVITE_LIFETIME_MS);
		expect(await house.issuing.enroll(form(crypto.generateKey(), PEER, PEER, late))).toEqual(refusedAuthentication);
		expect(house.state.list("pi/code/")).toEqual([]);
	});

	test("a code is bound to its role and name, and is not used up by another name", async () => {
		const house = await foundHouse();
		const key = crypto.generateKey();
		const code = await doorCode(house);
		const unavailable = { refused: "username_not_available" };
		expect(await house.issuing.enroll(form(key, `backdoor@${HOME}`, "backdoor", code))).toEqual(unavailable);
		expect(await house.issuing.enroll(form(key, `backdoor@${HOME}`, "frontdoor", code))).toEqual(unavailable);
		expect(await house.issuing.enroll(form(key, PEER, PEER, code))).toEqual(unavailable);
		const invite = await peerCode(house);
		expect(await house.issuing.enroll(form(key, DOOR, DOOR, invite))).toEqual(unavailable);
		expect(await house.issuing.enroll(form(key, DOOR, DOOR, code, 2))).toEqual({ refused: "Node-IDs_not_available" });
		certificateOf(await house.issuing.enroll(form(key, DOOR, "frontdoor", code)));
	});

	test("two with one code at the same time: one gets the certificate", async () => {
		const house = await foundHouse();
		const code = await peerCode(house);
		const names = [PEER, `peer-ffffffffffffffff@${HOME}`];
		const results = await Promise.all(
			names.map((name) => house.issuing.enroll(form(crypto.generateKey(), name, name, code))),
		);
		expect(results.filter((result) => "certificate" in result)).toHaveLength(1);
	});

	test("a device's name is taken until the device is replaced; the old one is revoked then", async () => {
		const house = await foundHouse();
		const old = crypto.generateKey();
		const before = certificateOf(await house.issuing.enroll(form(old, DOOR, "frontdoor", await doorCode(house))));
		await expect(doorCode(house)).rejects.toThrow(
			/frontdoor@home\.example: a device has this name; choose another name, or replace/,
		);
		const after = certificateOf(
			await house.issuing.enroll(form(crypto.generateKey(), DOOR, "frontdoor", await doorCode(house, true))),
		);
		expect(after.nodeIds).not.toEqual(before.nodeIds);
		expect(house.household.config.badNodes).toEqual(before.nodeIds);
		expect(await house.issuing.enroll(form(old, DOOR))).toEqual(refusedAuthentication);
		await expect(house.admin.addAccount("frontdoor", PASSWORD)).rejects.toThrow(/a device has this name/);
	});

	test("limit: MAX_CODES wait at once, and no code lives for ever", async () => {
		const house = await foundHouse();
		const codes = new Codes(house.state, (count) => crypto.random(count));
		const wanted = { role: "peer", userName: undefined, replaces: false } as const;
		for (let i = 0; i < MAX_CODES; i++) await codes.create(wanted, 1000, NEW_YEAR);
		await expect(codes.create(wanted, 1000, NEW_YEAR)).rejects.toThrow(/64 codes wait to be used; cancel one/);
		await codes.create(wanted, 1000, NEW_YEAR + 1000);
		await expect(codes.create(wanted, 31 * 86_400_000, NEW_YEAR)).rejects.toThrow(/at most 30 days/);
		await expect(codes.create(wanted, 0, NEW_YEAR)).rejects.toThrow(/at most 30 days/);
	});
});

describe("accounts", () => {
	test("name and password give a certificate with as many Node-IDs as asked for", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const certificate = certificateOf(
			await house.issuing.enroll(form(crypto.generateKey(), ALICE, ALICE, PASSWORD, 3)),
		);
		expect(certificate.nodeIds).toHaveLength(3);
		expect(certificate.userName).toBe(ALICE);
	});

	test("each refusal has the RFC's token", async () => {
		const house = await foundHouse();
		const { issuing } = house;
		await house.admin.addAccount("alice", PASSWORD);
		await house.admin.addGroup("everyone");
		const key = crypto.generateKey();
		expect(await issuing.enroll(form(key, ALICE))).toEqual(refusedAuthentication);
		expect(await issuing.enroll(form(key, ALICE, "alice"))).toEqual(refusedAuthentication);
		expect(await issuing.enroll(form(key, ALICE, "alice", "wrong horse"))).toEqual(refusedAuthentication);
		expect(await issuing.enroll(form(key, ALICE, "bob", PASSWORD))).toEqual(refusedAuthentication);
		expect(await issuing.enroll(form(key, `everyone@${HOME}`, "everyone", ""))).toEqual(refusedAuthentication);
		expect(await issuing.enroll(form(key, `bob@${HOME}`, "alice", PASSWORD))).toEqual({
			refused: "username_not_available",
		});
		for (const count of [0, MAX_NODE_IDS + 1, 1.5, Number.NaN])
			expect(await issuing.enroll(form(key, ALICE, "alice", PASSWORD, count))).toEqual({
				refused: "Node-IDs_not_available",
			});
		const { csr } = form(key, ALICE);
		csr[csr.length - 1]! ^= 1;
		expect(await issuing.enroll({ ...form(key, ALICE, "alice", PASSWORD), csr })).toEqual({ refused: "bad_CSR" });
		expect(await issuing.enroll({ ...form(key, ALICE, "alice", PASSWORD), csr: new Uint8Array() })).toEqual({
			refused: "bad_CSR",
		});
		expect(house.household.registry.size).toBe(2);
	});

	test("limit: keys of one account", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		for (let i = 0; i < MAX_NODES_PER_ACCOUNT; i++)
			certificateOf(await house.issuing.enroll(form(crypto.generateKey(), ALICE, "alice", PASSWORD)));
		expect(await house.issuing.enroll(form(crypto.generateKey(), ALICE, "alice", PASSWORD))).toEqual({
			refused: "Node-IDs_not_available",
		});
	});

	test("an account's code enrolls without the password", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const { code } = await house.admin.invite({ role: "account", name: "alice", addresses: HERE });
		expect(
			certificateOf(await house.issuing.enroll(form(crypto.generateKey(), ALICE, "alice", code, 2))).nodeIds,
		).toHaveLength(2);
	});
});

describe("again", () => {
	test("the answer was lost: the same request gets a certificate although its code is used up", async () => {
		const house = await foundHouse();
		const key = crypto.generateKey();
		const request = form(key, PEER, PEER, await peerCode(house));
		const first = certificateOf(await house.issuing.enroll(request));
		const second = certificateOf(await house.issuing.enroll(request));
		expect(second.nodeIds).toEqual(first.nodeIds);
		expect(house.household.snapshot().peers).toHaveLength(2);
	});

	test("the server stopped between issuing and recording: nothing was used up", async () => {
		const house = await foundHouse();
		const request = form(crypto.generateKey(), PEER, PEER, await peerCode(house));
		house.store.failing = "power cut";
		await expect(house.issuing.enroll(request)).rejects.toThrow(/power cut/);
		house.store.failing = undefined;
		const { state, clock, timers } = house;
		const restarted = await Household.open({ state, crypto, clock, timers });
		if (restarted === undefined) throw new Error("no household");
		certificateOf(await new Issuing(restarted).enroll(request));
	});

	test("renewal: same key, same name, same Node-IDs, no password; also when the old one has run out", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const key = crypto.generateKey();
		const first = certificateOf(await house.issuing.enroll(form(key, ALICE, "alice", PASSWORD, 2)));
		house.clock.advance(CERTIFICATE_LIFETIME_MS + 1000);
		const second = certificateOf(await house.issuing.enroll(form(key, ALICE)));
		expect(second.nodeIds).toEqual(first.nodeIds);
		expect(second.notAfterMs).toBe(house.clock.wallMs() + CERTIFICATE_LIFETIME_MS);
		expect(await house.issuing.enroll(form(key, `bob@${HOME}`))).toEqual({ refused: "username_not_available" });
		expect(await house.issuing.enroll(form(key, ALICE, undefined, undefined, 3))).toEqual({
			refused: "Node-IDs_not_available",
		});
	});

	test("the configuration-signer's key is not for the network", async () => {
		const house = await foundHouse();
		const stored = house.state.getSealed("pi/signer") as { pkcs8: Uint8Array };
		const key = crypto.importKey(stored.pkcs8);
		expect(await house.issuing.enroll(form(key, `configuration@${HOME}`))).toEqual(refusedAuthentication);
	});
});

describe("hosted users", () => {
	test("one key per peer and account, the same Node-ID again", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const peer = house.household.founder;
		const key = crypto.generateKey();
		const request = { aor: ALICE, csr: form(key, ALICE).csr };
		const [first, second] = await house.issuing.hosted(peer, [request, request]);
		expect(certificateOf(second!).nodeIds).toEqual(certificateOf(first!).nodeIds);
		// The peer lost its state and made a new key: the old one is revoked.
		const [third] = await house.issuing.hosted(peer, [{ aor: ALICE, csr: form(crypto.generateKey(), ALICE).csr }]);
		expect(house.household.config.badNodes).toEqual(certificateOf(first!).nodeIds);
		expect(certificateOf(third!).nodeIds).not.toEqual(certificateOf(first!).nodeIds);
	});

	test("refusals: no account, another name, another's key, no request", async () => {
		const house = await foundHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const peer = house.household.founder;
		const key = crypto.generateKey();
		const ask = async (aor: string, csr: Uint8Array, by = peer) => (await house.issuing.hosted(by, [{ aor, csr }]))[0];
		const unavailable = { refused: "username_not_available" };
		expect(await ask(`bob@${HOME}`, form(key, `bob@${HOME}`).csr)).toEqual(unavailable);
		expect(await ask("alice", form(key, ALICE).csr)).toEqual(unavailable);
		expect(await ask(ALICE, form(key, `bob@${HOME}`).csr)).toEqual(unavailable);
		expect(await ask(ALICE, Uint8Array.of(1))).toEqual({ refused: "bad_CSR" });
		await ask(ALICE, form(key, ALICE).csr);
		expect(await ask(ALICE, form(key, ALICE).csr, crypto.random(16))).toEqual({ refused: "bad_CSR" });
	});

	test("limit: a batch", async () => {
		const house = await foundHouse();
		const request = { aor: ALICE, csr: new Uint8Array() };
		expect(
			await house.issuing.hosted(house.household.founder, new Array(MAX_HOSTED_BATCH + 1).fill(request)),
		).toHaveLength(MAX_HOSTED_BATCH);
	});
});

describe("limits", () => {
	function fill(house: TestHouse, count: number, make: (i: number) => Partial<Issued>): void {
		for (let i = 0; i < count; i++)
			house.household.registry.apply({
				key: `k${i}`,
				userName: `u${i}@${HOME}`,
				role: "device",
				nodeIds: [crypto.random(16)],
				holder: undefined,
				issuedMs: NEW_YEAR,
				notAfterMs: NEW_YEAR + 1000,
				revokedMs: undefined,
				...make(i),
			});
	}

	test("MAX_PEERS", async () => {
		const house = await foundHouse();
		const code = await peerCode(house);
		fill(house, MAX_PEERS - 1, () => ({ role: "peer" }));
		expect(await house.issuing.enroll(form(crypto.generateKey(), PEER, PEER, code))).toEqual({
			refused: "Node-IDs_not_available",
		});
		await expect(peerCode(house)).rejects.toThrow(/64 peers already; revoke one first/);
	});

	test("MAX_ISSUED: no new key, the known ones are renewed", async () => {
		const house = await foundHouse();
		const key = crypto.generateKey();
		certificateOf(await house.issuing.enroll(form(key, PEER, PEER, await peerCode(house))));
		const code = await doorCode(house);
		fill(house, MAX_ISSUED, () => ({}));
		expect(await house.issuing.enroll(form(crypto.generateKey(), DOOR, DOOR, code))).toEqual({
			refused: "Node-IDs_not_available",
		});
		certificateOf(await house.issuing.enroll(form(key, PEER)));
	});

	test("MAX_BAD_NODES: keys that good peers hold for removed accounts give way, stolen ones stay", () => {
		const registry = new Registry();
		const good = crypto.random(16);
		const one = (i: number, role: Issued["role"], revokedMs: number): Issued => ({
			key: `${role}${i}`,
			userName: `u@${HOME}`,
			role,
			nodeIds: [crypto.random(16)],
			holder: role === "hosted" ? good : undefined,
			issuedMs: 0,
			notAfterMs: 1000,
			revokedMs,
		});
		for (let i = 0; i < 100; i++) registry.apply(one(i, "hosted", 500));
		for (let i = 0; i < 100; i++) registry.apply(one(i, "device", 1 + i));
		const first = registry.badNodes(600);
		expect([first.nodeIds.length, first.left]).toEqual([160, 40]);
		const listed = new Set(first.nodeIds.map((id) => Buffer.from(id).toString("hex")));
		const devices = registry.find((issued) => issued.role === "device");
		expect(devices.every((device) => listed.has(Buffer.from(device.nodeIds[0]!).toString("hex")))).toBe(true);
		expect(registry.badNodes(1000).nodeIds).toEqual([]);
	});
});
