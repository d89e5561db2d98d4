/** The ciphers of SRTP and sealed records on Node: published vectors, and the manners that the interface asks for. */
import { expect, test } from "vitest";
import { fromHex, toHex, utf8ToBytes } from "../../core/wire/bytes.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";

const crypto = nodeMediaCrypto();

function hex(text: string): Uint8Array {
	return fromHex(text) ?? new Uint8Array(0);
}

// NIST SP 800-38A F.5.1.
const KEY = hex("2b7e151628aed2a6abf7158809cf4f3c");
const COUNTER = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
const PLAIN = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
const CIPHERED = "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff";

test("AES-128 in counter mode, in place, between two offsets; the counter and what lies outside stay", () => {
	const data = new Uint8Array(40).fill(0xee);
	data.set(hex(PLAIN), 5);
	const counter = COUNTER.slice();
	const key = KEY.slice();
	const cipher = crypto.aesCtr(key);
	key.fill(0);
	cipher.apply(counter, data, 5, 37);
	expect(toHex(data)).toBe(`eeeeeeeeee${CIPHERED}eeeeee`);
	expect(counter).toEqual(COUNTER);
	cipher.apply(counter, data, 5, 37);
	cipher.apply(counter, data, 9, 9);
	expect(toHex(data.subarray(5, 37))).toBe(PLAIN);
});

test("HMAC (RFC 2202 and RFC 4231, case 2), between two offsets, under one key again and again", () => {
	const key = utf8ToBytes("Jefe");
	const data = utf8ToBytes("....what do ya want for nothing?....");
	const sha1 = crypto.hmacKey("sha1", key);
	const sha256 = crypto.hmacKey("sha256", key);
	key.fill(0);
	for (let round = 0; round < 2; round++) {
		const out = new Uint8Array(40);
		sha1.digestInto(data, 4, data.length - 4, out);
		expect(toHex(out)).toBe(`effcdf6ae5eb2fa2d27416d5f184df9c259a7c79${"00".repeat(20)}`);
		sha256.digestInto(data, 4, data.length - 4, out);
		expect(toHex(out.subarray(0, 32))).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	}
});
