/**
 * Devices at real peers: paired by a code of `ringlet device add`, they ring all phones of the house over whichever edge lives, are
 * called by phones, get their settings from the overlay, and are out when they are revoked.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Decoder } from "cbor-x";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { readConfigDocument } from "../../core/config/document.ts";
import { DEVICE_SETTINGS_KIND } from "../../core/config/kinds.ts";
import { readCertificate } from "../../core/identity/certificate.ts";
import { makeCertificationRequest } from "../../core/identity/pkcs10.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../core/identity/signer.ts";
import { isRefused } from "../../core/machine.ts";
import { openDeviceSettings } from "../../core/usages/device-settings.ts";
import type { SipContact } from "../../core/usages/sip.ts";
import { toHex } from "../../core/wire/bytes.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { fetchPinnedRoot, HttpsClient } from "../../targets/pi/enrollment/https-client.ts";
import { writeForm } from "../../targets/pi/enrollment/multipart.ts";
import { readJoinUrl } from "../../targets/pi/household/join-url.ts";
import { pem } from "../../targets/pi/household/key-pair.ts";
import { freePort } from "../../tools/demo/processes.ts";
import { FakeDevice } from "../targets/pi/fake-device.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { Sipp, sipp } from "./support/sipp.ts";
import { waitFor } from "./support/wait.ts";

const crypto = { ...nodeCrypto(), ...nodeMediaCrypto() };
const HOUSE = `sip:house@${DOMAIN}`;
const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function good<T extends object>(result: T): Exclude<T, { readonly refused: string }> {
	if (isRefused(result as object)) throw new Error((result as unknown as { refused: string }).refused);
	return result as Exclude<T, { readonly refused: string }>;
}

interface Paired {
	readonly identity: LocalIdentity;
	readonly document: Uint8Array;
	readonly settingsKey: Uint8Array;
}

/** What a device does with its code: the CA by its fingerprint, one request, everything in one answer. */
async function pair(url: string): Promise<Paired> {
	const { addresses, overlayName, fingerprint, code, name = "" } = readJoinUrl(url);
	const [address] = addresses;
	if (address === undefined) throw new Error("no address");
	const root = await fetchPinnedRoot(address, overlayName, fingerprint, crypto);
	const key = crypto.generateKey();
	const https = new HttpsClient({ address, overlayName, roots: [root.der] });
	const csr = makeCertificationRequest(key, `${name}@${overlayName}`);
	const parts = [
		{ name: "username", octets: octets(name) },
		{ name: "password", octets: octets(code) },
		{ name: "csr", contentType: "application/pkcs10", octets: csr },
	];
	const headers = { Accept: "application/cbor", "Content-Type": "multipart/form-data; boundary=device" };
	const answer = await https.call({ method: "POST", path: "/enroll", headers, body: writeForm(parts, "device") });
	https.close();
	if (answer.status !== 200) throw new Error(Buffer.from(answer.body).toString());
	const map = new Decoder({ useRecords: false, mapsAsObjects: true }).decode(answer.body) as Record<string, Buffer>;
	const field = (one: string): Uint8Array => new Uint8Array(map[one] ?? []);
	const certificate = good(readCertificate(field("certificate"), crypto));
	const identity = good(makeLocalIdentity({ chain: [certificate.der], key }, crypto));
	return { identity, document: field("document"), settingsKey: field("settingsKey") };
}

describeWith(["sipp", "openssl"], "a device at the edges of the house", () => {
	let house: TestHousehold;
	let paired: Paired;
	const devices: FakeDevice[] = [];

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		await house.telling(async () => {
			for (const name of ["anna", "ben", "carl"]) await house.account(name);
			// The device has no mDNS: when its peer dies it knows those that its document names.
			await house.named();
			const { url } = await house.json<{ url: string }>(0, "device", "add", "frontdoor");
			paired = await pair(url);
		});
	});

	afterAll(async () => house?.close());

	beforeEach((context) => house.watch(context));

	afterEach(() => {
		for (const device of devices.splice(0)) device.close();
	});

	async function device(): Promise<FakeDevice> {
		const { config } = good(readConfigDocument(paired.document, crypto));
		const { identity, document } = paired;
		const one = await FakeDevice.open({ identity, config, document, bootstrap: config.bootstrapNodes });
		devices.push(one);
		return one;
	}

	/** The edge of peer `i`, once the overlay has it. */
	async function edgeOf(one: FakeDevice, i: number): Promise<SipContact> {
		let found: SipContact | undefined;
		await waitFor(`peer ${i + 1} serves the house`, 20_000, async () => {
			found = (await one.edges()).find(
				({ destinations: [peer] }) => peer !== undefined && "nodeId" in peer && toHex(peer.nodeId) === house.nodeId(i),
			);
			return found !== undefined;
		});
		return found as SipContact;
	}

	async function connected(i: number): Promise<FakeDevice> {
		const one = await device();
		await one.connect(await edgeOf(one, i));
		return one;
	}

	/** Every running peer has all other edges within reach. */
	async function warm(edges: number): Promise<void> {
		for (const [i, peer] of house.peers.entries())
			if (peer.isRunning)
				await waitFor(`edges of peer ${i + 1}`, 40_000, async () => {
					return (await house.status(i)).house.connected >= edges;
				});
	}

	async function phone(name: string, i: number) {
		const one = await house.phone(name, i);
		expect(await one.register()).toBe(200);
		return one;
	}

	test("all phones ring; the first answer is the call, the others hear that it was answered elsewhere", async () => {
		await warm(2);
		const door = await connected(0);
		expect(door.protocol).toBe("TLSv1.2");
		const anna = await phone("anna", 0);
		anna.onInvite = () => undefined;
		const ben = await phone("ben", 1);
		ben.onInvite = () => undefined;
		const carl = { edge: house.edge(2), address: "127.0.0.71", user: "carl", password: house.password("carl") };
		const port = await freePort(carl.address);
		await sipp({ ...carl, scenario: "register", port, keys: { expires: "300" } });
		const script = await Sipp.start({ ...carl, scenario: "take-elsewhere", port });
		const call = await door.phone.call(HOUSE);
		await waitFor("both phones ring", 5_000, () => anna.calls.length === 1 && ben.calls.length === 1);
		ben.calls[0]?.answer();
		expect(await call.answered).toBe(200);
		expect(await anna.calls[0]?.ended).toBe("CANCEL");
		await script.done;
		await waitFor("tone both ways", 10_000, () => call.rtp.received > 20 && (ben.calls[0]?.rtp.received ?? 0) > 20);
		expect(await ben.calls[0]?.hangup()).toBe(200);
		expect(await call.ended).toBe("BYE");
		await sipp({ ...carl, scenario: "register", port, keys: { expires: "0" } });
	});

	test("a phone calls the door, from another peer and from the door's own; messages go both ways", async () => {
		const door = await connected(1);
		for (const [name, i] of [
			["anna", 0],
			["ben", 1],
		] as const) {
			const caller = await phone(name, i);
			const call = await caller.call(`sip:frontdoor@${DOMAIN}`);
			expect(await call.answered).toBe(200);
			expect(await door.phone.calls.at(-1)?.hangup()).toBe(200);
			expect(await call.ended).toBe("BYE");
			expect(await caller.message(`sip:frontdoor@${DOMAIN}`, "who is there?")).toBe(200);
			expect(await door.phone.message(caller.uri, "the post")).toBe(200);
			expect(caller.inbox.at(-1)).toEqual({ from: `sip:frontdoor@${DOMAIN}`, text: "the post" });
		}
	});

	test("settings go from the command line to the device, sealed; every peer keeps them", async () => {
		const set = ["--set", "volume=33", "--set", "codes=post:4711"];
		const { revision } = await house.json<{ revision: number }>(0, "device", "settings", "frontdoor", ...set);
		const door = await connected(2);
		let sealed: Uint8Array | undefined;
		await waitFor("settings in the overlay", 20_000, async () => {
			sealed = await door.fetch(`house@${DOMAIN}`, DEVICE_SETTINGS_KIND, door.aor);
			return sealed !== undefined;
		});
		expect(Buffer.from(sealed ?? []).includes("4711")).toBe(false);
		const { settingsKey } = paired;
		const opened = good(
			openDeviceSettings(sealed ?? new Uint8Array(), { crypto, settingsKey, deviceName: door.aor, lastRevision: 0 }),
		);
		expect(opened).toMatchObject({ revision, volume: 33, codes: [{ name: "post", code: "4711" }] });
		expect((await house.ringlet(0, "device", "settings", "frontdoor")).stdout).toMatch(/volume +33/);
		expect((await house.ringlet(0, "device", "settings", "frontdoor", "--set", "volume=900")).stderr).toContain(
			"volume: a whole number from 0 to 100",
		);
	});

	test("the command prints code and QR code; a code that was used is refused", async () => {
		const done = await house.ringlet(0, "device", "add", "backdoor");
		expect(done.code).toBe(0);
		expect(done.stdout).toMatch(/[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/);
		expect(done.stdout).toContain("▀");
		const url = done.stdout.split("\n").find((line) => line.includes("ringlet://")) ?? "";
		await pair(url.trim());
		await expect(pair(url.trim())).rejects.toThrow("failed_authentication");
		const listed = await house.json<{ name: string; state: string }[]>(0, "device", "list");
		expect(listed.map(({ name, state }) => `${name} ${state}`)).toEqual(["backdoor paired", "frontdoor paired"]);
		const elsewhere = await house.ringlet(1, "device", "add", "cellar");
		expect(elsewhere.stderr).toContain("this peer does not run the household");
	});

	test("links and calls take TLS 1.2 with the one suite and curve that a device has (openssl s_client)", () => {
		const file = join(house.folder, "device.pem");
		const { identity } = paired;
		const text = pem("PRIVATE KEY", identity.key.exportPkcs8()) + pem("CERTIFICATE", identity.certificate.der);
		writeFileSync(file, text, { mode: 0o600 });
		const { link, calls, http } = house.seats[0] as { link: string; calls: string; http: string };
		for (const place of [link, calls, http]) {
			const suite = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-curves", "prime256v1"];
			const args = ["s_client", "-connect", place, ...suite, "-cert", file, "-key", file];
			const { stdout } = spawnSync("openssl", args, { input: "", encoding: "utf8", timeout: 10_000 });
			expect(stdout).toContain("ECDHE-ECDSA-AES128-GCM-SHA256");
			expect(stdout).toMatch(/Server Temp Key: ECDH, prime256v1/);
		}
		expect(execFileSync("openssl", ["x509", "-in", file, "-noout", "-text"], { encoding: "utf8" })).toContain(
			`email:frontdoor@${DOMAIN}`,
		);
	});

	test("the edge dies at which the door is, and it is the founder: another edge rings all phones that are left", async () => {
		const door = await connected(0);
		const [ben, carl] = [await phone("ben", 1), await phone("carl", 2)];
		for (const each of [ben, carl]) each.onInvite = () => undefined;
		await house.peers[0]?.kill();
		await waitFor("the device's connection is gone", 5_000, () => !door.isConnected);
		// Its second edge: known already, the overlay need not heal first.
		const other = await edgeOf(door, 1);
		await waitFor("another edge", 20_000, () =>
			door.connect(other).then(
				() => true,
				() => false,
			),
		);
		const call = await door.phone.call(HOUSE);
		await waitFor("both phones ring", 3_000, () => ben.calls.length === 1 && carl.calls.length === 1);
		carl.calls[0]?.answer();
		expect(await call.answered).toBe(200);
		expect(await ben.calls[0]?.ended).toBe("CANCEL");
		expect(await call.hangup()).toBe(200);
		const back = await carl.call(`sip:frontdoor@${DOMAIN}`);
		expect(await back.answered).toBe(200);
		expect(await back.hangup()).toBe(200);
	});

	test("the founder is back; a revoked device loses its connection and gets no other", async () => {
		await house.restart(0);
		await house.connected(40_000);
		const door = await connected(2);
		await house.json(0, "device", "revoke", "frontdoor");
		await waitFor("the connection is closed", 20_000, () => !door.isConnected);
		await expect(door.edges().then(async ([edge]) => door.connect(edge as SipContact))).rejects.toThrow();
		const listed = await house.json<{ name: string; state: string }[]>(0, "device", "list");
		expect(listed.map(({ name, state }) => `${name} ${state}`)).toEqual(["backdoor paired", "frontdoor revoked"]);
	});
});
