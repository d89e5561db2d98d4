import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../../hal/noble.ts";
import { fromBigInt, fromHex, toBigInt } from "../../../hal/xs/octets.ts";
import {
	isSignature,
	N,
	nonceFor,
	readPkcs8,
	readSpki,
	SCALAR_OCTETS,
	secretFrom,
	writePkcs8,
	writeSpki,
} from "../../../hal/xs/p256.ts";

const hmac = (key: Uint8Array, data: Uint8Array) => new Uint8Array(createHmac("sha256", key).update(data).digest());
const sha256 = (text: string) =>
	new Uint8Array(
		createHash("sha256")
			.update(Uint8Array.from(text, (letter) => letter.charCodeAt(0)))
			.digest(),
	);
const noble = nobleCrypto({ random: (count) => new Uint8Array(count).fill(7) });

describe("RFC 6979 A.2.5: P-256 with SHA-256", () => {
	const secret = fromHex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
	test.each([
		["sample", "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60"],
		["test", "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0"],
	])("the nonce for %s", (message, k) => {
		expect(nonceFor(secret, sha256(message), hmac).toString(16)).toBe(k);
	});

	test("a digest beyond the order is reduced once", () => {
		const digest = new Uint8Array(32).fill(255);
		const nonce = nonceFor(secret, digest, hmac);
		expect(nonce).toBe(nonceFor(secret, fromBigInt(toBigInt(digest) - N, 32), hmac));
	});
});

describe("keys", () => {
	const key = noble.generateKey();

	test("the octets are those of the other HALs", () => {
		const pkcs8 = key.exportPkcs8();
		const secret = readPkcs8(pkcs8);
		expect(writePkcs8(secret, key.spki.subarray(-65))).toEqual(pkcs8);
		expect(writeSpki(key.spki.subarray(-65))).toEqual(key.spki);
		expect(noble.importKey(pkcs8).spki).toEqual(key.spki);
	});

	test("the short form is read, anything else is not", () => {
		const secret = readPkcs8(key.exportPkcs8());
		const short = fromHex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420");
		expect(readPkcs8(Uint8Array.of(...short, ...secret))).toEqual(secret);
		expect(() => readPkcs8(new Uint8Array(138))).toThrow("not a PKCS#8");
		expect(() => readPkcs8(Uint8Array.of(...short, ...new Uint8Array(32)))).toThrow("not a P-256");
		expect(() => readPkcs8(Uint8Array.of(...short, ...fromBigInt(N, 32)))).toThrow("not a P-256");
	});

	test("a point is on the curve or no point", () => {
		expect(readSpki(key.spki)).toBeDefined();
		const off = key.spki.slice();
		off[off.length - 1]! ^= 1;
		expect(readSpki(off)).toBeUndefined();
		const beyond = key.spki.slice().fill(255, 27);
		expect(readSpki(beyond)).toBeUndefined();
		expect(readSpki(key.spki.subarray(1))).toBeUndefined();
	});

	test("secrets lie in 1..n-1, whatever the seed", () => {
		expect(toBigInt(secretFrom(new Uint8Array(48)))).toBe(1n);
		const all = toBigInt(secretFrom(new Uint8Array(48).fill(255)));
		expect(all > 0n && all < N).toBe(true);
		expect(secretFrom(new Uint8Array(48).fill(1))).toHaveLength(SCALAR_OCTETS);
	});
});

describe("signatures are looked at before the arithmetic sees them", () => {
	const signature = noble.generateKey().sign(Uint8Array.of(1));

	test("a real one", () => {
		expect(isSignature(signature)).toBe(true);
	});

	test("any length octet changed, anything cut off or added: refused", () => {
		for (const at of [0, 1, 2, 3]) {
			for (const by of [1, 0x80]) {
				const changed = signature.slice();
				changed[at]! ^= by;
				expect(isSignature(changed), `octet ${at}`).toBe(false);
			}
		}
		for (let cut = 0; cut < signature.length; cut++) expect(isSignature(signature.subarray(0, cut))).toBe(false);
		expect(isSignature(Uint8Array.of(...signature, 0))).toBe(false);
	});

	test("zero and the order are no numbers of a signature", () => {
		expect(isSignature(fromHex("3006020100020101"))).toBe(false);
		expect(isSignature(fromHex("3006020101020100"))).toBe(false);
		expect(isSignature(fromHex("3006020101020101"))).toBe(true);
		const order = `022100${N.toString(16)}`;
		expect(isSignature(fromHex(`3026${order}020101`))).toBe(false);
		// Longer than it must be, and negative.
		expect(isSignature(fromHex("300702020001020101"))).toBe(false);
		expect(isSignature(fromHex("3006020181020101"))).toBe(false);
	});
});
