import { createPrivateKey, createSign, generateKeyPairSync, sign as nodeSign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Crypto, HashName } from "../../hal/hal.ts";
import { nobleCrypto } from "../../hal/noble.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";

const ES256 = { hash: 4, signature: 3 } as const;
const RS256 = { hash: 4, signature: 1 } as const;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A repeating source: each call continues where the last one stopped. */
function counter(): (count: number) => Uint8Array {
	let next = 1;
	return (count) => Uint8Array.from({ length: count }, () => (next = (next * 137 + 11) & 0xff));
}

const node = nodeCrypto();
const noble = nobleCrypto({ random: counter() });
const both: ReadonlyArray<readonly [string, Crypto]> = [
	["node", node],
	["noble", noble],
];
const text = new TextEncoder().encode("the house rings");

/** The same ECDSA signature with the other s (n - s): both are valid. */
function otherS(signature: Uint8Array): Uint8Array {
	const rLength = signature[3] as number;
	const r = signature.subarray(2, 4 + rLength);
	let s = 0n;
	for (const octet of signature.subarray(6 + rLength)) s = s * 256n + BigInt(octet);
	let digits = (ORDER - s).toString(16);
	if (digits.length % 2 === 1) digits = `0${digits}`;
	if (Number.parseInt(digits.slice(0, 2), 16) >= 0x80) digits = `00${digits}`;
	const body = Buffer.concat([r, Buffer.from([2, digits.length / 2]), Buffer.from(digits, "hex")]);
	return new Uint8Array(Buffer.concat([Buffer.from([0x30, body.length]), body]));
}

describe("hashes", () => {
	test("both machines agree on every digest and HMAC", () => {
		for (const name of ["md5", "sha1", "sha256", "sha384", "sha512"] as HashName[]) {
			expect(noble.hash(name, text), name).toEqual(node.hash(name, text));
			expect(noble.hmac(name, text, text), name).toEqual(node.hmac(name, text, text));
		}
	});

	test("results are plain Uint8Arrays of their own memory", () => {
		for (const [name, crypto] of both) {
			for (const bytes of [crypto.random(8), crypto.hash("sha256", text), crypto.generateKey().spki]) {
				expect(bytes.constructor, name).toBe(Uint8Array);
				expect(bytes.buffer.byteLength, name).toBe(bytes.length);
			}
		}
	});
});

describe("P-256", () => {
	test("either machine verifies the other's signatures, with low and high s", () => {
		for (const [signerName, signer] of both) {
			for (const [verifierName, verifier] of both) {
				const key = signer.generateKey();
				for (let i = 0; i < 8; i++) {
					const data = new Uint8Array([i, ...text]);
					const signature = key.sign(data);
					const what = `${signerName} -> ${verifierName}`;
					expect(verifier.verify(key.spki, ES256, data, signature), what).toBe(true);
					expect(verifier.verify(key.spki, ES256, data, otherS(signature)), `${what} other s`).toBe(true);
					expect(verifier.verify(key.spki, ES256, text, signature), `${what} other data`).toBe(false);
				}
			}
		}
	});

	test("keys travel as PKCS#8 both ways", () => {
		for (const [, from] of both) {
			for (const [, to] of both) {
				const key = from.generateKey();
				const again = to.importKey(key.exportPkcs8());
				expect(again.spki).toEqual(key.spki);
				expect(again.exportPkcs8()).toEqual(key.exportPkcs8());
				expect(from.verify(key.spki, ES256, text, again.sign(text))).toBe(true);
			}
		}
	});

	test("a PKCS#8 key without its public half is accepted, other keys and garbage throw", () => {
		const full = node.generateKey();
		const secret = full.exportPkcs8().subarray(36, 68);
		const short = Buffer.concat([
			Buffer.from("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420", "hex"),
			secret,
		]);
		const rsa = generateKeyPairSync("rsa", {
			modulusLength: 2048,
		}).privateKey.export({ format: "der", type: "pkcs8" });
		const p384 = generateKeyPairSync("ec", {
			namedCurve: "secp384r1",
		}).privateKey.export({ format: "der", type: "pkcs8" });
		for (const [name, crypto] of both) {
			expect(crypto.importKey(new Uint8Array(short)).spki, name).toEqual(full.spki);
			for (const bad of [new Uint8Array(0), text, new Uint8Array(rsa), new Uint8Array(p384), full.spki]) {
				expect(() => crypto.importKey(bad), name).toThrow();
			}
		}
	});

	test("SHA-384 and SHA-512 signatures verify, SHA-1 ones do not", () => {
		const key = node.generateKey();
		const native = createPrivateKey({
			key: Buffer.from(key.exportPkcs8()),
			format: "der",
			type: "pkcs8",
		});
		for (const [name, crypto] of both) {
			for (const [hash, digest, good] of [
				[5, "sha384", true],
				[6, "sha512", true],
				[2, "sha1", false],
				[0, "sha256", false],
			] as const) {
				const signature = new Uint8Array(nodeSign(digest, text, native));
				expect(crypto.verify(key.spki, { hash, signature: 3 }, text, signature), `${name} ${digest}`).toBe(good);
			}
		}
	});

	test("noble repeats itself: same source of randomness, same key, same signature (RFC 6979)", () => {
		const one = nobleCrypto({ random: counter() }).generateKey();
		const two = nobleCrypto({ random: counter() }).generateKey();
		expect(two.exportPkcs8()).toEqual(one.exportPkcs8());
		expect(two.sign(text)).toEqual(one.sign(text));
		expect(one.sign(text)).toEqual(one.sign(text));
	});

	test('RFC 6979 A.2.5: P-256, SHA-256, message "sample"', () => {
		const secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
		const prefix = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
		const key = noble.importKey(new Uint8Array(Buffer.from(prefix + secret, "hex")));
		expect(Buffer.from(key.sign(new TextEncoder().encode("sample"))).toString("hex")).toBe(
			"3046" +
				"022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
				"022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		);
	});
});

describe("refusals never throw", () => {
	test("flipped bits of key or signature, random octets", () => {
		const key = node.generateKey();
		const signature = key.sign(text);
		for (const [name, crypto] of both) {
			fc.assert(
				fc.property(fc.nat(signature.length * 8 - 1), fc.nat(key.spki.length * 8 - 1), (a, b) => {
					const badSignature = signature.slice();
					badSignature[a >> 3]! ^= 1 << (a & 7);
					const badKey = key.spki.slice();
					badKey[b >> 3]! ^= 1 << (b & 7);
					expect(crypto.verify(key.spki, ES256, text, badSignature), name).toBe(false);
					expect(crypto.verify(badKey, ES256, text, signature), name).toBe(false);
				}),
				{ numRuns: name === "node" ? 200 : 20, seed: 1 },
			);
			fc.assert(
				fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (spki, octets) => {
					expect(crypto.verify(spki, ES256, text, octets)).toBe(false);
					expect(crypto.verify(key.spki, ES256, text, octets)).toBe(false);
				}),
				{ numRuns: name === "node" ? 200 : 30, seed: 2 },
			);
		}
	});

	test("trailing octets after the ECDSA-Sig-Value and long-form lengths are refused by both", () => {
		const key = node.generateKey();
		const signature = key.sign(text);
		const trailing = new Uint8Array([...signature, 0]);
		const longForm = new Uint8Array([0x30, 0x81, ...signature.subarray(1)]);
		for (const [name, crypto] of both) {
			expect(crypto.verify(key.spki, ES256, text, trailing), name).toBe(false);
			expect(crypto.verify(key.spki, ES256, text, longForm), name).toBe(false);
		}
	});
});

describe("RSA", () => {
	const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
	const spki = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" }));
	const signature = new Uint8Array(createSign("sha256").update(text).sign(pair.privateKey));

	test("PKCS#1 v1.5 verifies on Node, never with noble", () => {
		expect(node.verify(spki, RS256, text, signature)).toBe(true);
		expect(node.verify(spki, RS256, text.subarray(1), signature)).toBe(false);
		expect(noble.verify(spki, RS256, text, signature)).toBe(false);
	});

	test("algorithm and key must be of one kind", () => {
		const key = node.generateKey();
		expect(node.verify(spki, ES256, text, signature)).toBe(false);
		expect(node.verify(key.spki, RS256, text, key.sign(text))).toBe(false);
	});
});

test("more keys than the cache holds: all of them still verify", () => {
	const crypto = nodeCrypto();
	const signed = Array.from({ length: 600 }, () => {
		const key = crypto.generateKey();
		return { spki: key.spki, signature: key.sign(text) };
	});
	for (let round = 0; round < 2; round++) {
		for (const { spki, signature } of signed) expect(crypto.verify(spki, ES256, text, signature)).toBe(true);
	}
});
