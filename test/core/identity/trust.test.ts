import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCertificate } from "../../../core/identity/certificate.ts";
import {
	ecdsaWithSha256,
	extension,
	makeCaCertificate,
	makeSelfSignedCertificate,
} from "../../../core/identity/certificate-writer.ts";
import { context } from "../../../core/identity/der.ts";
import * as w from "../../../core/identity/der-writer.ts";
import { BUCKET_CERTIFICATES, TRUST_CACHE } from "../../../core/identity/limits.ts";
import { KeyUsage, Oid } from "../../../core/identity/oids.ts";
import { writeReloadUri } from "../../../core/identity/reload-uri.ts";
import { selfSignedNodeId, selfSignedNodeIds } from "../../../core/identity/self-signed.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Crypto, PrivateKey } from "../../../hal/hal.ts";
import { crypto, DAY, enroll, good, NOW, newIssuer, OVERLAY, read, trustOf, validity, why } from "./house.ts";

const issuer = newIssuer();
const ascii = (text: string) => new TextEncoder().encode(text);

interface Crafted {
	readonly issuerName: Uint8Array;
	readonly subject?: Uint8Array;
	readonly key?: PrivateKey;
	readonly signer: PrivateKey;
	readonly extensions?: readonly Uint8Array[];
	readonly algorithm?: Uint8Array;
	readonly notBeforeMs?: number;
	readonly notAfterMs?: number;
}

/** Any certificate, well-formed and truly signed, but saying whatever the test wants. */
function craft(parts: Crafted): Uint8Array {
	const key = parts.key ?? crypto.generateKey();
	const algorithm = parts.algorithm ?? ecdsaWithSha256();
	const tbs = w.sequence(
		w.explicit(0, w.smallInteger(2)),
		w.unsignedInteger(crypto.random(8)),
		algorithm,
		parts.issuerName,
		w.sequence(w.time(parts.notBeforeMs ?? NOW - DAY), w.time(parts.notAfterMs ?? NOW + DAY)),
		parts.subject ?? w.sequence(),
		key.spki,
		w.explicit(3, w.sequence(...(parts.extensions ?? []))),
	);
	return w.sequence(tbs, algorithm, w.bitString(parts.signer.sign(tbs)));
}

function names(nodeId: Uint8Array | undefined, userName: string | undefined, overlay = OVERLAY): Uint8Array {
	const list: Uint8Array[] = [];
	if (nodeId !== undefined) list.push(w.der(context(6, false), ascii(writeReloadUri(nodeId, overlay))));
	if (userName !== undefined) list.push(w.der(context(1, false), ascii(userName)));
	return extension(Oid.subjectAltName, true, w.sequence(...list));
}

const caConstraints = (pathLength?: number) =>
	extension(
		Oid.basicConstraints,
		true,
		pathLength === undefined ? w.sequence(w.booleanTrue()) : w.sequence(w.booleanTrue(), w.smallInteger(pathLength)),
	);
const usage = (bits: number) => extension(Oid.keyUsage, true, w.namedBits(bits));
const nameOf = (text: string) =>
	w.sequence(w.der(0x31, w.sequence(w.oid(Uint8Array.of(0x55, 4, 3)), w.utf8String(text))));
const leafNames = () => names(crypto.random(16), "a@b");

describe("a certificate of the household", () => {
	test("is believed, and read once", () => {
		const trust = trustOf(issuer);
		const { certificate } = enroll(issuer);
		const first = good(trust.check(certificate.der, [], NOW));
		expect(first.userName).toBe("door@overlay.example.org");
		expect(trust.check(certificate.der, [], NOW)).toBe(first);
		expect(trust.size).toBe(1);
	});

	test("is remembered in memory of its own: the packet's buffer may be used again", () => {
		const trust = trustOf(issuer);
		const { certificate } = enroll(issuer);
		const buffer = certificate.der.slice();
		const kept = good(trust.check(buffer, [], NOW));
		buffer.fill(0);
		expect(kept.der).toEqual(certificate.der);
		expect(good(trust.check(certificate.der, [], NOW))).toBe(kept);
	});

	test("validity, to the millisecond; a wrong clock is named", () => {
		const trust = trustOf(issuer);
		const { certificate } = enroll(issuer, { notBeforeMs: NOW, notAfterMs: NOW + 60_000 });
		for (const round of ["unknown", "remembered"]) {
			const early = why(trust.check(certificate.der, [], NOW - 1));
			expect(early, round).toContain("clock");
			expect(early, round).toContain("valid from 2026-03-01 12:00 UTC on");
			const late = why(trust.check(certificate.der, [], NOW + 61_000));
			expect(late, round).toContain("clock");
			expect(late, round).toContain("expired on 2026-03-01 12:01 UTC");
			expect(isRefused(trust.check(certificate.der, [], NOW))).toBe(false);
			expect(isRefused(trust.check(certificate.der, [], NOW + 60_999))).toBe(false);
		}
		const dayBehind = trustOf(issuer).check(
			enroll(issuer, { notBeforeMs: NOW - 3_600_000 }).certificate.der,
			[],
			NOW - DAY,
		);
		expect(why(dayBehind)).toMatch(/^the certificate of door@overlay\.example\.org is valid from .* set the clock$/);
	});

	test("a revoked Node-ID is refused at once, remembered or not, and any of several counts", () => {
		const nodeIds = [crypto.random(16), crypto.random(16)];
		const { certificate } = enroll(issuer, { nodeIds });
		const trust = trustOf(issuer);
		good(trust.check(certificate.der, [], NOW));
		trust.setBadNodes([nodeIds[1] as Uint8Array]);
		expect(why(trust.check(certificate.der, [], NOW))).toContain("revoked");
		const fresh = trustOf(issuer, { badNodes: [nodeIds[0] as Uint8Array] });
		expect(why(fresh.check(certificate.der, [], NOW))).toContain("revoked");
		fresh.setBadNodes([]);
		expect(isRefused(fresh.check(certificate.der, [], NOW))).toBe(false);
	});

	test("new root-certs: what was believed by the old ones is forgotten", () => {
		const other = newIssuer();
		const trust = trustOf(issuer);
		const { certificate } = enroll(issuer);
		good(trust.check(certificate.der, [], NOW));
		trust.setRoots([other.certificate]);
		expect(trust.size).toBe(0);
		expect(isRefused(trust.check(certificate.der, [], NOW))).toBe(true);
		trust.setRoots([other.certificate, issuer.certificate]);
		expect(isRefused(trust.check(certificate.der, [], NOW))).toBe(false);
	});

	test("the overlay's name compares without case", () => {
		const { certificate } = enroll(issuer);
		expect(isRefused(trustOf(issuer, { overlayName: "Overlay.Example.ORG" }).check(certificate.der, [], NOW))).toBe(
			false,
		);
	});
});

describe("refused", () => {
	const signed = (extensions: readonly Uint8Array[], parts: Partial<Crafted> = {}) =>
		craft({ issuerName: issuer.certificate.subject, signer: issuer.key, extensions, ...parts });

	test.each<readonly [string, () => Uint8Array, string]>([
		["not a certificate", () => crypto.random(300), "DER"],
		["too large", () => new Uint8Array(5000), "too large"],
		[
			"another overlay",
			() => enroll(issuer, { overlayName: "other.example.org" }).certificate.der,
			"is of overlay other.example.org, this is overlay.example.org: enroll with overlay.example.org",
		],
		["another household's CA", () => enroll(newIssuer("x.example")).certificate.der, "not issued by a root-cert"],
		["a CA of the same name but another key", () => enroll(newIssuer()).certificate.der, "not issued by a root-cert"],
		[
			"a forged issuer",
			() => signed([leafNames()], { signer: crypto.generateKey() }),
			"was not signed by it: altered or forged",
		],
		["no Node-ID", () => signed([names(undefined, "a@b")]), "names no Node-ID"],
		["no extensions at all", () => signed([]), "names no Node-ID"],
		["no user", () => signed([names(crypto.random(16), undefined)]), "names no user"],
		["a Node-ID of another length", () => signed([names(crypto.random(20), "a@b")]), "20 octets, this overlay uses 16"],
		["the wildcard Node-ID", () => signed([names(new Uint8Array(16).fill(0xff), "a@b")]), "reserved Node-ID"],
		["Node-ID zero", () => signed([names(new Uint8Array(16), "a@b")]), "reserved Node-ID"],
		["a key that may not sign", () => signed([leafNames(), usage(KeyUsage.keyEncipherment)]), "may not sign"],
		[
			"SHA-1",
			() => signed([leafNames()], { algorithm: w.sequence(w.oid(Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1))) }),
			"not signed with ECDSA",
		],
		[
			"a certificate signed by another member's key",
			() => {
				const member = enroll(issuer);
				return craft({ issuerName: member.certificate.subject, signer: member.key, extensions: [leafNames()] });
			},
			"not issued by a root-cert",
		],
		[
			"self-signed where that is not permitted",
			() => {
				const key = crypto.generateKey();
				const template = { ...validity, key, userName: "a@b", overlayName: OVERLAY, nodeIdLength: 16 };
				return makeSelfSignedCertificate({ ...template, digest: "sha1" }, crypto);
			},
			"takes no self-signed certificates",
		],
		["a root-cert itself, which names no node", () => issuer.certificate.der, "names no Node-ID"],
	])("%s", (_what, make, reason) => {
		const trust = trustOf(issuer);
		expect(why(trust.check(make(), [], NOW))).toContain(reason);
		expect(trust.size).toBe(0);
	});

	test("an expired root-cert takes its certificates along, also the remembered ones", () => {
		const key = crypto.generateKey();
		const root = read(
			makeCaCertificate({ notBeforeMs: NOW - DAY, notAfterMs: NOW + DAY, overlayName: OVERLAY, key }, crypto),
		);
		const trust = trustOf(root);
		const { certificate } = enroll({ certificate: root, key });
		good(trust.check(certificate.der, [], NOW));
		expect(why(trust.check(certificate.der, [], NOW + 2 * DAY))).toContain("root-cert expired");
		expect(isRefused(trust.check(certificate.der, [], NOW))).toBe(false);
	});

	test("an expired root-cert with a renewed one beside it (same key): no gap", () => {
		const key = crypto.generateKey();
		const make = (notAfterMs: number) =>
			read(makeCaCertificate({ notBeforeMs: NOW - DAY, notAfterMs, overlayName: OVERLAY, key }, crypto));
		const old = make(NOW + DAY);
		const trust = trustOf(old, { roots: [old, make(NOW + 300 * DAY)] });
		const { certificate } = enroll({ certificate: old, key });
		good(trust.check(certificate.der, [], NOW));
		expect(isRefused(trust.check(certificate.der, [], NOW + 2 * DAY))).toBe(false);
	});

	test("any bit of a certificate flipped", () => {
		const { der } = enroll(issuer).certificate;
		const trust = trustOf(issuer);
		for (let bit = 0; bit < der.length * 8; bit++) {
			const changed = der.slice();
			changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
			expect(isRefused(trust.check(changed, [], NOW)), `bit ${bit}`).toBe(true);
		}
		expect(trust.size).toBe(0);
	});
});

describe("intermediates", () => {
	/** root -> n intermediates -> leaf; `constraints` gives the extensions of the intermediate number i. */
	function ladder(n: number, extensionsOf: (i: number) => Uint8Array[], times: Partial<Crafted> = {}) {
		const rootKey = crypto.generateKey();
		const root = read(
			craft({
				issuerName: nameOf("root"),
				subject: nameOf("root"),
				key: rootKey,
				signer: rootKey,
				extensions: [caConstraints()],
			}),
		);
		let above = { name: nameOf("root"), key: rootKey };
		const others: Uint8Array[] = [];
		for (let i = 0; i < n; i++) {
			const key = crypto.generateKey();
			const subject = nameOf(`intermediate ${i}`);
			others.push(
				craft({ issuerName: above.name, subject, key, signer: above.key, extensions: extensionsOf(i), ...times }),
			);
			above = { name: subject, key };
		}
		const leaf = craft({ issuerName: above.name, signer: above.key, extensions: [leafNames()] });
		return { root, others, leaf };
	}

	test("up to three, in any order, among strangers", () => {
		const { root, others, leaf } = ladder(3, () => [caConstraints(), usage(KeyUsage.keyCertSign)]);
		const strangers = [crypto.random(50), enroll(issuer).certificate.der, leaf];
		const trust = trustOf(root);
		good(trust.check(leaf, [...strangers, ...others.toReversed()], NOW));
		// Known by now: the intermediates need not be sent again, and are handed out with what the leaf signs.
		const again = good(trust.check(leaf, [], NOW));
		expect(trust.chainOf(again)).toEqual([leaf, ...others.toReversed()]);
	});

	test("missing, too many, or beyond the number that is looked at", () => {
		const { root, others, leaf } = ladder(2, () => [caConstraints()]);
		expect(why(trustOf(root).check(leaf, others.slice(0, 1), NOW))).toContain("not issued by a root-cert");
		const long = ladder(4, () => [caConstraints()]);
		expect(isRefused(trustOf(long.root).check(long.leaf, long.others, NOW))).toBe(true);
		const padding = Array.from({ length: BUCKET_CERTIFICATES }, () => Uint8Array.of(0));
		expect(isRefused(trustOf(root).check(leaf, [...padding, ...others], NOW))).toBe(true);
		expect(isRefused(trustOf(root).check(leaf, [...padding.slice(2), ...others], NOW))).toBe(false);
	});

	test("not a CA, no keyCertSign, pathLenConstraint, expired", () => {
		const refusedWith = (n: number, extensionsOf: (i: number) => Uint8Array[], times: Partial<Crafted> = {}) => {
			const { root, others, leaf } = ladder(n, extensionsOf, times);
			return why(trustOf(root).check(leaf, others, NOW));
		};
		expect(refusedWith(1, () => [])).toContain("not issued");
		expect(refusedWith(1, () => [extension(Oid.basicConstraints, true, w.sequence())])).toContain("not issued");
		expect(refusedWith(1, () => [caConstraints(), usage(KeyUsage.digitalSignature)])).toContain("not issued");
		expect(refusedWith(2, (i) => [caConstraints(i === 0 ? 0 : undefined)])).toContain("pathLenConstraint");
		expect(refusedWith(1, () => [caConstraints()], { notAfterMs: NOW - DAY / 2 })).toContain("expired");
		expect(refusedWith(1, () => [caConstraints(), extension("551d1e", true, w.sequence())])).toContain("not issued");
	});

	test("the household's own CA lets nobody issue below it", () => {
		const key = crypto.generateKey();
		const subject = nameOf("ambitious");
		const own = issuer.certificate;
		const middle = craft({ issuerName: own.subject, subject, key, signer: issuer.key, extensions: [caConstraints()] });
		const leaf = craft({ issuerName: subject, signer: key, extensions: [leafNames()] });
		expect(why(trustOf(issuer).check(leaf, [middle], NOW))).toContain("pathLenConstraint");
	});

	test("a root-cert that is no CA issues nothing", () => {
		const key = crypto.generateKey();
		const root = read(craft({ issuerName: nameOf("r"), subject: nameOf("r"), key, signer: key }));
		const leaf = craft({ issuerName: nameOf("r"), signer: key, extensions: [leafNames()] });
		expect(why(trustOf(root).check(leaf, [], NOW))).toContain("may not issue certificates");
	});

	test("a crowd of look-alikes costs a bounded number of verifications", () => {
		let verifications = 0;
		const counting: Crypto = {
			...crypto,
			verify: (...args) => {
				verifications++;
				return crypto.verify(...args);
			},
		};
		const crowd = Array.from({ length: 30 }, () => {
			const key = crypto.generateKey();
			return craft({ issuerName: nameOf("x"), subject: nameOf("x"), key, signer: key, extensions: [caConstraints()] });
		});
		const leaf = craft({ issuerName: nameOf("x"), signer: crypto.generateKey(), extensions: [leafNames()] });
		expect(isRefused(trustOf(issuer, { crypto: counting }).check(leaf, crowd, NOW))).toBe(true);
		expect(verifications).toBeLessThanOrEqual(10);
	});

	test("two CAs that issue each other do not make the search go round", () => {
		const [a, b] = [crypto.generateKey(), crypto.generateKey()];
		const ab = craft({
			issuerName: nameOf("b"),
			subject: nameOf("a"),
			key: a,
			signer: b,
			extensions: [caConstraints()],
		});
		const ba = craft({
			issuerName: nameOf("a"),
			subject: nameOf("b"),
			key: b,
			signer: a,
			extensions: [caConstraints()],
		});
		const leaf = craft({ issuerName: nameOf("a"), signer: a, extensions: [leafNames()] });
		expect(isRefused(trustOf(issuer).check(leaf, [ab, ba], NOW))).toBe(true);
	});
});

describe("self-signed mode (RFC 6940 §11.3.1)", () => {
	const make = (digest: "sha1" | "sha256", count = 1, key = crypto.generateKey(), nodeIdLength = 16) =>
		makeSelfSignedCertificate(
			{ ...validity, key, userName: "attic@overlay.example.org", overlayName: OVERLAY, nodeIdLength, digest, count },
			crypto,
		);

	test("both digests, one Node-ID and several, long Node-IDs", () => {
		for (const digest of ["sha1", "sha256"] as const) {
			const trust = trustOf(issuer, { roots: [], selfSigned: digest });
			for (const count of [1, 2, 5]) {
				const certificate = good(trust.check(make(digest, count), [], NOW));
				expect(certificate.nodeIds.length).toBe(count);
			}
			const long = trustOf(issuer, { roots: [], selfSigned: digest, nodeIdLength: 20 });
			expect(isRefused(long.check(make(digest, 1, crypto.generateKey(), 20), [], NOW))).toBe(false);
		}
	});

	test("refused: the other digest, a chosen Node-ID, somebody else's key, mode switched off later", () => {
		const trust = trustOf(issuer, { roots: [], selfSigned: "sha256" });
		expect(why(trust.check(make("sha1"), [], NOW))).toContain("not the sha256 of its key");
		expect(why(trust.check(make("sha1", 3), [], NOW))).toContain("not the sha256 of its key");
		const key = crypto.generateKey();
		const chosen = craft({ issuerName: w.sequence(), key, signer: key, extensions: [leafNames()] });
		expect(why(trust.check(chosen, [], NOW))).toContain("not the sha256 of its key");
		const numbered = selfSignedNodeId(key.spki, "sha256", 16, 1, crypto);
		const one = craft({ issuerName: w.sequence(), key, signer: key, extensions: [names(numbered, "a@b")] });
		expect(why(trust.check(one, [], NOW)), "numbered though it is the only one").toContain("not the sha256 of its key");
		const [nodeId] = selfSignedNodeIds(key.spki, "sha256", 16, 1, crypto);
		const stolen = craft({
			issuerName: w.sequence(),
			key,
			signer: crypto.generateKey(),
			extensions: [names(nodeId as Uint8Array, "a@b")],
		});
		expect(why(trust.check(stolen, [], NOW))).toContain("not issued");
		const der = make("sha256");
		good(trust.check(der, [], NOW));
		trust.setSelfSigned(undefined);
		expect(why(trust.check(der, [], NOW))).toContain("takes no self-signed certificates");
	});

	test("an enrolled node is believed beside them", () => {
		const trust = trustOf(issuer, { selfSigned: "sha1" });
		expect(isRefused(trust.check(enroll(issuer).certificate.der, [], NOW))).toBe(false);
		expect(isRefused(trust.check(make("sha1"), [], NOW))).toBe(false);
	});
});

describe("the cache", () => {
	test("holds TRUST_CACHE certificates; the one used longest ago is forgotten, and believed again when it returns", () => {
		const fake: Crypto = { ...crypto, verify: () => true };
		const trust = trustOf(issuer, { crypto: fake });
		const signer = crypto.generateKey();
		const key = crypto.generateKey();
		const fast: PrivateKey = { ...signer, sign: () => new Uint8Array(8) };
		const make = () => craft({ issuerName: issuer.certificate.subject, signer: fast, key, extensions: [leafNames()] });
		const first = make();
		const second = make();
		good(trust.check(first, [], NOW));
		good(trust.check(second, [], NOW));
		const firstKept = good(trust.check(first, [], NOW));
		for (let i = 2; i < TRUST_CACHE + 1; i++) good(trust.check(make(), [], NOW));
		expect(trust.size).toBe(TRUST_CACHE);
		expect(trust.findByHash(crypto.hash("sha256", second))).toBeUndefined();
		expect(trust.check(first, [], NOW)).toBe(firstKept);
		expect(isRefused(trust.check(second, [], NOW))).toBe(false);
		expect(trust.size).toBe(TRUST_CACHE);
	});

	test("a certificate of several Node-IDs is found by each of them, until it is forgotten", () => {
		const trust = trustOf(issuer);
		const { certificate } = enroll(issuer, { nodeIds: [crypto.random(16), crypto.random(16)] });
		good(trust.check(certificate.der, [], NOW));
		expect(trust.findByHash(certificate.sha256)).toBeUndefined();
		for (const nodeId of certificate.nodeIds) {
			const hash = crypto.hash("sha256", new Uint8Array([...nodeId, ...certificate.der]));
			expect(trust.findByNodeIdHash(hash)?.nodeId).toEqual(nodeId);
			trust.setRoots([issuer.certificate]);
			expect(trust.findByNodeIdHash(hash)).toBeUndefined();
			good(trust.check(certificate.der, [], NOW));
		}
	});

	test("refusals are not remembered", () => {
		const trust = trustOf(issuer);
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
				expect(isRefused(trust.check(octets, [octets], NOW))).toBe(true);
			}),
			{ numRuns: 300, seed: 10 },
		);
		expect(trust.size).toBe(0);
	});
});

test("the reader of certificates and Trust agree on what a good one is", () => {
	const { der } = enroll(issuer).certificate;
	expect(isRefused(readCertificate(der, crypto))).toBe(false);
});
