import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCertificate } from "../../../core/identity/certificate.ts";
import {
	ecdsaWithSha256,
	extension,
	knownOid,
	makeCaCertificate,
	makeCertificate,
	makeSelfSignedCertificate,
	makeServerCertificate,
} from "../../../core/identity/certificate-writer.ts";
import { context } from "../../../core/identity/der.ts";
import * as w from "../../../core/identity/der-writer.ts";
import { KeyUsage, Oid } from "../../../core/identity/oids.ts";
import { readReloadUri, writeReloadUri } from "../../../core/identity/reload-uri.ts";
import { selfSignedNodeId, selfSignedNodeIds } from "../../../core/identity/self-signed.ts";
import { isRefused } from "../../../core/machine.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";
import { certificateHashInput } from "../../../core/wire/message.ts";
import functions from "../../vectors/00-functions.json" with { type: "json" };
import { crypto, DAY, enroll, good, NOW, newIssuer, OVERLAY, read, validity, why } from "./house.ts";
import { openssl, pem } from "./openssl.ts";

const hex = (text: string) => fromHex(text) as Uint8Array;
const ascii = (text: string) => new TextEncoder().encode(text);

describe("golden vectors", () => {
	const vector = functions.functions.certHash;

	test("00-functions: certificate, hashes, names", () => {
		const certificate = read(hex(vector.certificate));
		expect(toHex(certificate.sha256)).toBe(vector.sha256);
		expect(certificate.userName).toBe(vector.rfc822Name);
		expect(certificate.overlayName).toBe(OVERLAY);
		expect(certificate.nodeIds.map(toHex)).toEqual([vector.certHashNodeId.nodeId]);
		expect(writeReloadUri(certificate.nodeIds[0] as Uint8Array, OVERLAY)).toBe(vector.uri);
		expect(certificate.publicKeyAlgorithm).toBe(1);
		expect(certificate.signatureAlgorithm).toEqual({ hash: 4, signature: 1 });
		expect(certificate.subjectEmpty).toBe(true);
		expect(certificate.isCa).toBe(false);
		expect(certificate.keyUsage).toBe(KeyUsage.digitalSignature);
		expect(certificate.notBeforeMs).toBe(Date.UTC(2020, 0, 1));
		expect(certificate.notAfterMs).toBe(Date.UTC(2099, 11, 31, 23, 59, 59));
	});

	test("00-functions: several Node-IDs, and the hash that names one of them", () => {
		const certificate = read(hex(vector.multiNodeCertificate));
		expect(certificate.nodeIds.length).toBeGreaterThan(1);
		const { nodeId, sha256 } = vector.certHashNodeId;
		expect(toHex(crypto.hash("sha256", certificateHashInput(certificate.der, hex(nodeId))))).toBe(sha256);
	});

	test("00-functions: the CA", () => {
		const ca = read(hex(vector.caCertificate));
		expect(ca.isCa).toBe(true);
		expect(crypto.verify(ca.spki, ca.signatureAlgorithm, ca.tbs, ca.signatureValue)).toBe(true);
	});

	test("00-functions: Node-IDs of self-signed certificates", () => {
		for (const { subjectPublicKeyInfo, digest, nodeIdLength, index, nodeId } of functions.functions.selfSignedNodeId) {
			const spki = hex(subjectPublicKeyInfo);
			const name = digest as "sha1" | "sha256";
			const made =
				index === null
					? selfSignedNodeIds(spki, name, nodeIdLength, 1, crypto)[0]
					: selfSignedNodeId(spki, name, nodeIdLength, index, crypto);
			expect(toHex(made as Uint8Array)).toBe(nodeId);
		}
	});
});

describe("what is written", () => {
	const issuer = newIssuer();

	test("a node's certificate says what it was made of", () => {
		const nodeIds = [crypto.random(16), crypto.random(16)];
		const identity = enroll(issuer, { nodeIds, userName: "hall@overlay.example.org" });
		const { certificate } = identity;
		expect(certificate.nodeIds).toEqual(nodeIds);
		expect(certificate.userName).toBe("hall@overlay.example.org");
		expect(certificate.subjectEmpty).toBe(true);
		expect(certificate.issuer).toEqual(issuer.certificate.subject);
		expect(certificate.notBeforeMs).toBe(validity.notBeforeMs);
		expect(certificate.notAfterMs).toBe(validity.notAfterMs);
		expect(certificate.authorityKeyId).toEqual(issuer.certificate.subjectKeyId);
		expect(certificate.keyUsage).toBe(KeyUsage.digitalSignature);
	});

	test("node:crypto reads the same names and verifies the chain", () => {
		const { certificate, nodeId } = enroll(issuer);
		const native = new X509Certificate(certificate.der);
		const ca = new X509Certificate(issuer.certificate.der);
		expect(native.verify(ca.publicKey)).toBe(true);
		expect(native.checkIssued(ca)).toBe(true);
		expect(native.subjectAltName).toBe(
			`URI:reload://0110${toHex(nodeId)}@overlay.example.org/, email:door@overlay.example.org`,
		);
	});

	test("openssl verifies CA, node and server certificates and finds nothing wrong with them", () => {
		const key = crypto.generateKey();
		const server = makeServerCertificate(
			{
				...validity,
				spki: key.spki,
				overlayName: OVERLAY,
				dnsNames: ["pi.local", OVERLAY],
				ipAddresses: [hex("c0000201")],
			},
			issuer,
			crypto,
		);
		const node = enroll(issuer, { nodeIds: [crypto.random(16), crypto.random(20)] }).certificate.der;
		const files = {
			"ca.pem": pem("CERTIFICATE", issuer.certificate.der),
			"node.pem": pem("CERTIFICATE", node),
			"server.pem": pem("CERTIFICATE", server),
		};
		const at = ["-attime", String(NOW / 1000), "-x509_strict", "-CAfile", "ca.pem"];
		for (const args of [
			["verify", ...at, "ca.pem"],
			["verify", ...at, "node.pem"],
			["verify", ...at, "-purpose", "sslclient", "node.pem"],
			["verify", ...at, "-purpose", "sslserver", "-verify_hostname", OVERLAY, "server.pem"],
			["verify", ...at, "-purpose", "sslserver", "-verify_hostname", "pi.local", "server.pem"],
			["verify", ...at, "-purpose", "sslserver", "-verify_ip", "192.0.2.1", "server.pem"],
		]) {
			const run = openssl(args, files);
			expect(run.ok, run.text).toBe(true);
		}
		const text = openssl(["x509", "-in", "node.pem", "-noout", "-text"], files);
		expect(text.ok, text.text).toBe(true);
		expect(text.text).toContain("X509v3 Subject Alternative Name: critical");
		expect(text.text).toContain("CA:FALSE");
		expect(text.text).toContain("ecdsa-with-SHA256");
		expect(text.text).toContain("X509v3 Authority Key Identifier");
		expect(text.text).toContain("Subject: \n");
	});

	test("openssl takes a self-signed certificate as what it is", () => {
		const key = crypto.generateKey();
		const template = {
			...validity,
			key,
			userName: "attic@overlay.example.org",
			overlayName: OVERLAY,
			nodeIdLength: 16,
		};
		const der = makeSelfSignedCertificate({ ...template, digest: "sha256" }, crypto);
		const run = openssl(
			["verify", "-attime", String(NOW / 1000), "-partial_chain", "-trusted", "self.pem", "self.pem"],
			{
				"self.pem": pem("CERTIFICATE", der),
			},
		);
		expect(run.ok, run.text).toBe(true);
		expect(read(der).nodeIds).toEqual(selfSignedNodeIds(key.spki, "sha256", 16, 1, crypto));
	});

	test("dates beyond 2049 and serial numbers: openssl agrees", () => {
		const ca = makeCaCertificate(
			{ notBeforeMs: NOW, notAfterMs: Date.UTC(2070, 0, 1), overlayName: OVERLAY, key: issuer.key },
			crypto,
		);
		const run = openssl(["x509", "-inform", "DER", "-in", "ca.der", "-noout", "-enddate", "-serial"], { "ca.der": ca });
		expect(run.text).toContain("notAfter=Jan  1 00:00:00 2070 GMT");
		expect(run.text).toContain(`serial=${toHex(read(ca).serialNumber).toUpperCase()}`);
	});

	test("a wrong template is the caller's fault", () => {
		const key = crypto.generateKey();
		const right = {
			...validity,
			spki: key.spki,
			nodeIds: [crypto.random(16)],
			userName: "a@b.c",
			overlayName: OVERLAY,
		};
		for (const wrong of [
			{ nodeIds: [] },
			{ nodeIds: [crypto.random(15)] },
			{ nodeIds: Array.from({ length: 17 }, () => crypto.random(16)) },
			{ userName: "alice" },
			{ userName: "ali ce@b.c" },
			{ userName: "älice@b.c" },
			{ overlayName: "over_lay" },
			{ overlayName: "" },
			{ notAfterMs: validity.notBeforeMs },
			{ spki: crypto.random(91) },
		]) {
			expect(() => makeCertificate({ ...right, ...wrong }, issuer, crypto), JSON.stringify(wrong)).toThrow();
		}
		const server = { ...validity, spki: key.spki, overlayName: OVERLAY };
		expect(() => makeServerCertificate({ ...server, ipAddresses: [crypto.random(5)] }, issuer, crypto)).toThrow();
		expect(() => makeServerCertificate({ ...server, dnsNames: ["*"] }, issuer, crypto)).toThrow();
	});
});

/** A certificate with these extensions, signed by a throw-away key; `change` may alter any part of it. */
function craft(parts: {
	readonly extensions?: readonly Uint8Array[];
	readonly version?: Uint8Array;
	readonly innerAlgorithm?: Uint8Array;
	readonly spki?: Uint8Array;
	readonly after?: Uint8Array;
	readonly signature?: Uint8Array;
}): Uint8Array {
	const key = crypto.generateKey();
	const tbs = w.sequence(
		parts.version ?? w.explicit(0, w.smallInteger(2)),
		w.smallInteger(7),
		parts.innerAlgorithm ?? ecdsaWithSha256(),
		w.sequence(),
		w.sequence(w.time(NOW - DAY), w.time(NOW + DAY)),
		w.sequence(),
		parts.spki ?? key.spki,
		parts.after ?? new Uint8Array(0),
		w.explicit(3, w.sequence(...(parts.extensions ?? []))),
	);
	return w.sequence(tbs, ecdsaWithSha256(), parts.signature ?? w.bitString(key.sign(tbs)));
}

function altNames(...names: ReadonlyArray<readonly [number, string]>): Uint8Array {
	const encoded = names.map(([tag, text]) => w.der(context(tag, false), ascii(text)));
	return extension(Oid.subjectAltName, true, w.sequence(...encoded));
}

const refusal = (der: Uint8Array) => why(readCertificate(der, crypto));
const NODE = "8a0c5b7e1f2d4a6993c1d0e2b4f60718";
const URI = `reload://0110${NODE}@${OVERLAY}/`;

describe("refused certificates", () => {
	test.each<readonly [string, () => Uint8Array, string]>([
		["nothing", () => new Uint8Array(0), "ends too early"],
		["too large", () => new Uint8Array(5000), "too large"],
		["version 1", () => craft({ version: new Uint8Array(0) }), "unexpected DER tag"],
		["version 2", () => craft({ version: w.explicit(0, w.smallInteger(1)) }), "version 3"],
		[
			"another algorithm inside than outside",
			() => craft({ innerAlgorithm: w.sequence(knownOid("2a8648ce3d040303")) }),
			"two signature algorithms",
		],
		["octets after it", () => new Uint8Array([...craft({}), 0]), "left over"],
		["a signature that is no BIT STRING", () => craft({ signature: w.octetString(ascii("x")) }), "unexpected DER tag"],
		[
			"an unknown critical extension",
			() => craft({ extensions: [extension("2a0304", true, w.sequence())] }),
			"unknown critical certificate extension (OID octets 2a0304)",
		],
		[
			"name constraints, which are critical",
			() => craft({ extensions: [extension("551d1e", true, w.sequence())] }),
			"unknown critical",
		],
		[
			"an extension twice",
			() => craft({ extensions: [extension("2a0304", false, w.sequence()), extension("2a0304", false, w.sequence())] }),
			"given twice",
		],
		[
			"too many extensions",
			() =>
				craft({
					extensions: Array.from({ length: 30 }, (_, i) =>
						extension(`2a03${(16 + i).toString(16)}`, false, w.sequence()),
					),
				}),
			"too many certificate extensions",
		],
		["two user names", () => craft({ extensions: [altNames([1, "a@b"], [1, "c@d"])] }), "two user names"],
		["a user name without a domain", () => craft({ extensions: [altNames([1, "alice"])] }), "malformed user name"],
		["a user name with two domains", () => craft({ extensions: [altNames([1, "a@b@c"])] }), "malformed user name"],
		["a NUL in a name", () => craft({ extensions: [altNames([1, "a@b\0.c"])] }), "not ASCII"],
		["a name outside ASCII", () => craft({ extensions: [altNames([1, "ä@b"])] }), "not ASCII"],
		["a Node-ID twice", () => craft({ extensions: [altNames([6, URI], [6, URI])] }), "Node-ID twice"],
		[
			"two overlays",
			() => craft({ extensions: [altNames([6, URI], [6, URI.replace("8a0c", "8a0d").replace("overlay.", "other.")])] }),
			"two overlays",
		],
		[
			"more Node-IDs than a verifier tries",
			() =>
				craft({
					extensions: [
						altNames(
							...Array.from({ length: 17 }, (_, i) => [6, URI.replace("8a0c", (0x1000 + i).toString(16))] as const),
						),
					],
				}),
			"too many Node-IDs",
		],
		[
			"more names than anybody needs",
			() => craft({ extensions: [altNames(...Array.from({ length: 70 }, () => [2, "a"] as const))] }),
			"too many names",
		],
		["a broken RELOAD URI", () => craft({ extensions: [altNames([6, "reload://01@x/"])] }), "exactly one Node-ID"],
		[
			"an empty keyUsage",
			() => craft({ extensions: [extension(Oid.keyUsage, true, w.bitString(new Uint8Array(0)))] }),
			"keyUsage",
		],
		[
			"basicConstraints with something behind",
			() =>
				craft({
					extensions: [
						extension(Oid.basicConstraints, true, w.sequence(w.booleanTrue(), w.smallInteger(1), w.sequence())),
					],
				}),
			"left over",
		],
		[
			"an RSA key of 1024 bits",
			() =>
				craft({
					spki: w.sequence(
						w.sequence(knownOid(Oid.rsaEncryption), hex("0500")),
						w.bitString(w.sequence(w.unsignedInteger(new Uint8Array(128).fill(0x99)), w.smallInteger(3))),
					),
				}),
			"2048 to 4096 bits",
		],
		[
			"an RSA exponent as long as the modulus",
			() =>
				craft({
					spki: w.sequence(
						w.sequence(knownOid(Oid.rsaEncryption), hex("0500")),
						w.bitString(
							w.sequence(
								w.unsignedInteger(new Uint8Array(256).fill(0x99)),
								w.unsignedInteger(new Uint8Array(256).fill(0x77)),
							),
						),
					),
				}),
			"exponent too large",
		],
	])("%s", (_what, make, reason) => {
		expect(refusal(make())).toContain(reason);
	});

	test("read all the same: unique identifiers, other names, foreign URIs, unknown extensions that are not critical", () => {
		const der = craft({
			after: w.der(context(1, false), Uint8Array.of(0, 1)),
			extensions: [
				altNames(
					[6, "https://example.org/"],
					[6, URI.toUpperCase().replace("RELOAD", "ReLoad")],
					[2, "pi.local"],
					[8, "oid"],
					[1, "a@b"],
				),
				extension("2a0304", false, w.sequence()),
			],
		});
		const certificate = read(der);
		expect(certificate.nodeIds.map(toHex)).toEqual([NODE]);
		expect(certificate.overlayName).toBe(OVERLAY);
		expect(certificate.dnsNames).toEqual(["pi.local"]);
		expect(certificate.keyUsage).toBeUndefined();
	});

	test("an unknown kind of key is read, and marked", () => {
		const spki = w.sequence(w.sequence(w.oid(hex("2b6570"))), w.bitString(crypto.random(32)));
		expect(read(craft({ spki })).publicKeyAlgorithm).toBe(0);
	});
});

describe("RELOAD URIs", () => {
	test("the RFC's form, and (D-26) a bare Node-ID and a missing slash", () => {
		for (const uri of [
			URI,
			`reload://${NODE}@${OVERLAY}/`,
			`reload://0110${NODE}@${OVERLAY}`,
			`RELOAD://${NODE}@OVERLAY.example.org`,
		]) {
			const { nodeId, overlayName } = good(readReloadUri(uri));
			expect(toHex(nodeId), uri).toBe(NODE);
			expect(overlayName, uri).toBe(OVERLAY);
		}
		expect(good(readReloadUri(`reload://0114${NODE}aabbccdd@x/`)).nodeId.length).toBe(20);
	});

	test.each([
		["http://a@b/", "not a RELOAD URI"],
		[`reload://0110${NODE}`, "without an overlay name"],
		[`reload://0110${NODE}0110${NODE}@x/`, "exactly one Node-ID"],
		["reload://@x/", "exactly one Node-ID"],
		[`reload://0210${NODE}@x/`, undefined],
		[`reload://0211${NODE}@x/`, undefined],
		["reload://zz@x/", "exactly one Node-ID"],
		[`reload://${"ab".repeat(40)}@x/`, "exactly one Node-ID"],
		[`reload://0110${NODE}@/`, "malformed overlay name"],
		[`reload://0110${NODE}@a..b/`, "malformed overlay name"],
		[`reload://0110${NODE}@-a/`, "malformed overlay name"],
		[`reload://0110${NODE}@a-/`, "malformed overlay name"],
		[`reload://0110${NODE}@a_b/`, "malformed overlay name"],
		[`reload://0110${NODE}@${"a".repeat(64)}/`, "malformed overlay name"],
		[`reload://0110${NODE}@${"a.".repeat(130)}a/`, "malformed overlay name"],
		[`reload://0110${NODE}@x/0102`, "names data"],
	])("%s", (uri, reason) => {
		const result = readReloadUri(uri);
		// Eighteen octets that do not begin as a Destination can only be a bare Node-ID.
		if (reason === undefined) expect(good(result).nodeId.length).toBe(18);
		else expect(why(result)).toContain(reason);
	});
});

describe("hostile octets", () => {
	const der = enroll(newIssuer()).certificate.der;

	test("any octets: read or refused, never a throw", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
				readCertificate(octets, crypto);
			}),
			{ numRuns: 1000, seed: 5 },
		);
	});

	test("any octet of a certificate changed, or the end cut off: read or refused, never a throw", () => {
		for (let at = 0; at < der.length; at++) {
			for (const value of [0x00, 0x30, 0x80, 0xff, (der[at] as number) ^ 1]) {
				const changed = der.slice();
				changed[at] = value;
				readCertificate(changed, crypto);
			}
			expect(isRefused(readCertificate(der.subarray(0, at), crypto))).toBe(true);
		}
	});

	test("a sequence of thousands of empty elements is refused by its size", () => {
		expect(refusal(w.sequence(...Array.from({ length: 3000 }, () => w.sequence())))).toBe("certificate too large");
	});
});
