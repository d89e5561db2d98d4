import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY_NAME, ecdsaWithSha256, knownOid } from "../../../core/identity/certificate-writer.ts";
import * as w from "../../../core/identity/der-writer.ts";
import { Oid } from "../../../core/identity/oids.ts";
import { makeCertificationRequest, readCertificationRequest } from "../../../core/identity/pkcs10.ts";
import { isRefused } from "../../../core/machine.ts";
import { nobleCrypto } from "../../../hal/noble.ts";
import { crypto, good, why } from "./house.ts";
import { openssl } from "./openssl.ts";

const NAME = "door@overlay.example.org";

describe("requests", () => {
	test("what is written is read again, with its proof of possession", () => {
		const key = crypto.generateKey();
		const request = good(readCertificationRequest(makeCertificationRequest(key, NAME), crypto));
		expect(request).toEqual({ spki: key.spki, publicKeyAlgorithm: 3, userName: NAME });
	});

	test("openssl verifies it and reads the name", () => {
		const der = makeCertificationRequest(crypto.generateKey(), NAME);
		const run = openssl(["req", "-inform", "DER", "-in", "r.der", "-verify", "-noout", "-text"], { "r.der": der });
		expect(run.ok, run.text).toBe(true);
		expect(run.text).toContain("verify OK");
		expect(run.text).toContain(`email:${NAME}`);
	});

	test("a device's request (noble) verifies at a peer", () => {
		const noble = nobleCrypto({ random: (count) => new Uint8Array(count).fill(7) });
		const der = makeCertificationRequest(noble.generateKey(), NAME);
		expect(good(readCertificationRequest(der, crypto)).userName).toBe(NAME);
	});

	test.each([
		["P-256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], 3],
		["RSA", ["-newkey", "rsa:2048"], 1],
	] as const)("openssl's own request is read: %s", (_name, keyArgs, algorithm) => {
		const subject = ["-subj", "/CN=x", "-addext", `subjectAltName=email:${NAME}`];
		const pem = openssl(["req", "-new", ...keyArgs, "-nodes", "-keyout", "k.pem", ...subject], {}).text;
		const body = /-----BEGIN CERTIFICATE REQUEST-----([\s\S]*)-----END/.exec(pem)?.[1] ?? "";
		const request = good(readCertificationRequest(new Uint8Array(Buffer.from(body, "base64")), crypto));
		expect(request.userName).toBe(NAME);
		expect(request.publicKeyAlgorithm).toBe(algorithm);
	});
});

/** A request with these parts, signed by its key unless `signature` is given. */
function craft(parts: {
	readonly version?: number;
	readonly attributes?: Uint8Array;
	readonly spki?: Uint8Array;
	readonly algorithm?: Uint8Array;
	readonly signature?: Uint8Array;
}): Uint8Array {
	const key = crypto.generateKey();
	const info = w.sequence(
		w.smallInteger(parts.version ?? 0),
		EMPTY_NAME,
		parts.spki ?? key.spki,
		parts.attributes ?? w.explicit(0),
	);
	return w.sequence(info, parts.algorithm ?? ecdsaWithSha256(), w.bitString(parts.signature ?? key.sign(info)));
}

const refusal = (der: Uint8Array) => why(readCertificationRequest(der, crypto));

describe("refused requests", () => {
	test.each<readonly [string, () => Uint8Array, string]>([
		["nothing", () => new Uint8Array(0), "ends too early"],
		["too large", () => new Uint8Array(5000), "too large"],
		["another version", () => craft({ version: 1 }), "version 1 request"],
		["somebody else's key", () => craft({ spki: crypto.generateKey().spki }), "does not verify"],
		["a wrong signature", () => craft({ signature: crypto.random(70) }), "does not verify"],
		["SHA-1", () => craft({ algorithm: w.sequence(knownOid("2a8648ce3d0401")) }), "not signed with"],
		["an unknown algorithm", () => craft({ algorithm: w.sequence(knownOid("2b6570")) }), "not signed with"],
		[
			"a key that is neither P-256 nor RSA",
			() => craft({ spki: w.sequence(w.sequence(knownOid("2b6570")), w.bitString(crypto.random(32))) }),
			"make a P-256 key",
		],
		[
			"a P-384 key",
			() => {
				const { publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
				return craft({ spki: new Uint8Array(publicKey.export({ format: "der", type: "spki" })) });
			},
			"make a P-256 key",
		],
		["octets after it", () => new Uint8Array([...craft({}), 0]), "left over"],
		[
			"an attribute with two values",
			() =>
				craft({
					attributes: w.explicit(
						0,
						w.sequence(knownOid(Oid.extensionRequest), w.der(0x31, w.sequence(), w.sequence())),
					),
				}),
			"left over",
		],
	])("%s", (_what, make, reason) => {
		expect(refusal(make())).toContain(reason);
	});

	test("without a requested name, without attributes at all, with foreign attributes: read, and the name is undefined", () => {
		const foreign = w.explicit(0, w.sequence(knownOid("2a0304"), w.der(0x31, w.utf8String("x"), w.sequence())));
		for (const attributes of [undefined, new Uint8Array(0), foreign])
			expect(good(readCertificationRequest(craft(attributes ? { attributes } : {}), crypto)).userName).toBeUndefined();
	});
});

describe("hostile octets", () => {
	const der = makeCertificationRequest(crypto.generateKey(), NAME);

	test("any bit flipped: refused, never a throw", () => {
		for (let bit = 0; bit < der.length * 8; bit++) {
			const changed = der.slice();
			changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
			expect(isRefused(readCertificationRequest(changed, crypto)), `bit ${bit}`).toBe(true);
		}
	});

	test("any octets: refused, never a throw", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
				expect(isRefused(readCertificationRequest(octets, crypto))).toBe(true);
			}),
			{ numRuns: 500, seed: 9 },
		);
	});
});
