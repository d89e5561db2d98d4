import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	type LocalIdentity,
	makeLocalIdentity,
	nodeIdFault,
	signBlob,
	signerIdentity,
	signMessage,
	signStored,
} from "../../../core/identity/signer.ts";
import { Trust } from "../../../core/identity/trust.ts";
import { Verifier } from "../../../core/identity/verify.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";
import { KindId, MessageCode, SignerIdentityType } from "../../../core/wire/codes.ts";
import { encodeMessageContents } from "../../../core/wire/contents.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { forwardingHeader } from "../../../core/wire/forwarding.ts";
import { type Message, messageSignatureInput, readMessage, writeMessage } from "../../../core/wire/message.ts";
import { NO_SIGNATURE, type SecurityBlock, type Signature } from "../../../core/wire/security.ts";
import { readStoreReq } from "../../../core/wire/store.ts";
import { type StoredData, storedDataSignatureInput } from "../../../core/wire/stored-data.ts";
import { nobleCrypto } from "../../../hal/noble.ts";
import functions from "../../vectors/00-functions.json" with { type: "json" };
import ping from "../../vectors/15-signed-ping-req.json" with { type: "json" };
import store from "../../vectors/16-signed-store-req.json" with { type: "json" };
import { crypto, DAY, enroll, good, NOW, newIssuer, OVERLAY, read, trustOf, why } from "./house.ts";

const hex = (text: string) => fromHex(text) as Uint8Array;
const OVERLAY_HASH = 0x9aa32b8d;
const issuer = newIssuer();
const alice = enroll(issuer, { userName: "alice@overlay.example.org" });
const bob = enroll(issuer, { userName: "bob@overlay.example.org" });
const several = enroll(issuer, {
	nodeIds: [crypto.random(16), crypto.random(16)],
	userName: "hall@overlay.example.org",
});

const newVerifier = (trust = trustOf(issuer)) => new Verifier(trust, crypto);

/** A signed Ping, as octets. */
function pingFrom(
	identity: LocalIdentity,
	change: (security: SecurityBlock) => SecurityBlock = (it) => it,
): Uint8Array {
	const contents = encodeMessageContents({
		messageCode: MessageCode.pingReq,
		messageBody: hex("0000"),
		extensions: [],
	});
	const header = forwardingHeader({
		overlay: OVERLAY_HASH,
		configurationSequence: 22,
		ttl: 100,
		transactionIdHigh: 0x01020304,
		transactionIdLow: 0x05060708,
		destinationList: [nodeDestination(bob.nodeId)],
	});
	const security = signMessage(identity, OVERLAY_HASH, 0x01020304, 0x05060708, contents, crypto);
	return writeMessage(header, contents, change(security));
}

const readPing = (bytes: Uint8Array) => good(readMessage(bytes, 16));

describe("golden vectors with real RSA signatures", () => {
	const root = read(hex(functions.functions.certHash.caCertificate));
	const trust = () => new Trust({ crypto, roots: [root], overlayName: OVERLAY, nodeIdLength: 16 });

	test("15: a Ping", () => {
		const message = readPing(hex(ping.hex));
		expect(toHex(messageSignatureInput(message))).toBe(ping.parts.message_signature_input);
		const signer = good(newVerifier(trust()).verifyMessage(message, NOW));
		expect(signer.userName).toBe("alice@overlay.example.org");
		expect(toHex(signer.nodeId)).toBe(functions.functions.certHash.certHashNodeId.nodeId);
		expect(signer.chain).toEqual([message.security.certificates[0]?.certificate]);
	});

	test("15 with any bit of what is signed, of the identity or of the signature flipped", () => {
		const bytes = hex(ping.hex);
		const message = readPing(bytes);
		const verifier = newVerifier(trust());
		good(verifier.verifyMessage(message, NOW));
		const signed = [message.contentsBytes, message.identityBytes, message.security.signature.signatureValue];
		for (const part of signed) {
			const at = part.byteOffset - bytes.byteOffset;
			for (let bit = 0; bit < part.length * 8; bit += 7) expect(flippedIsBad(bytes, at * 8 + bit, verifier)).toBe(true);
		}
		// overlay and transaction id of the header
		for (const at of [4, 7, 20, 27]) expect(flippedIsBad(bytes, at * 8, verifier)).toBe(true);
		// ttl may change on the way
		expect(flippedIsBad(bytes, 11 * 8, verifier)).toBe(false);
	});

	test("16: a Store, the message and the value in it", () => {
		const message = readPing(hex(store.hex));
		const verifier = newVerifier(trust());
		good(verifier.verifyMessage(message, NOW));
		const request = good(readStoreReq(message.contents.messageBody, () => "dictionary"));
		const value = request.kindData[0]?.values[0] as StoredData;
		expect(toHex(storedDataSignatureInput(request.resource, KindId.sipRegistration, value))).toBe(
			Object.values(store.parts.stored_data_signature_inputs)[0],
		);
		const bucket = message.security.certificates.map((entry) => entry.certificate);
		const signer = good(
			newVerifier(trust()).verifyStored(request.resource, KindId.sipRegistration, value, bucket, NOW),
		);
		expect(signer.userName).toBe("alice@overlay.example.org");
		const again = verifier.verifyStored(request.resource, KindId.sipRegistration, value, [], NOW);
		expect(isRefused(again), "the signer is known from the message").toBe(false);
	});

	test("noble has no RSA: such a signature is refused, not believed", () => {
		const noble = nobleCrypto({ random: (count) => new Uint8Array(count) });
		const verifier = new Verifier(
			new Trust({ crypto: noble, roots: [root], overlayName: OVERLAY, nodeIdLength: 16 }),
			noble,
		);
		expect(isRefused(verifier.verifyMessage(readPing(hex(ping.hex)), NOW))).toBe(true);
	});
});

function flippedIsBad(bytes: Uint8Array, bit: number, verifier: Verifier): boolean {
	const changed = bytes.slice();
	changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
	const message = readMessage(changed, 16);
	return isRefused(message) || isRefused(verifier.verifyMessage(message, NOW));
}

describe("messages", () => {
	test("a certificate of one Node-ID signs by cert_hash", () => {
		expect(signerIdentity(alice, crypto).identityType).toBe(SignerIdentityType.certHash);
		const signer = good(newVerifier().verifyMessage(readPing(pingFrom(alice)), NOW));
		expect(signer.nodeId).toEqual(alice.nodeId);
		expect(signer.userName).toBe(alice.userName);
		expect(signer.certificate.der).toEqual(alice.certificate.der);
	});

	test("one of several signs by cert_hash_node_id, as each of its Node-IDs, unknown and remembered", () => {
		const verifier = newVerifier();
		for (const nodeId of [...several.certificate.nodeIds, ...several.certificate.nodeIds]) {
			const identity = good(makeLocalIdentity({ chain: several.chain, key: several.key, nodeId }, crypto));
			expect(signerIdentity(identity, crypto).identityType).toBe(SignerIdentityType.certHashNodeId);
			expect(good(verifier.verifyMessage(readPing(pingFrom(identity)), NOW)).nodeId).toEqual(nodeId);
		}
	});

	test("a known signer need not send its certificate again; an unknown one must", () => {
		const verifier = newVerifier();
		const bare = readPing(pingFrom(alice, (security) => ({ ...security, certificates: [] })));
		expect(why(verifier.verifyMessage(bare, NOW))).toContain("certificate is not there");
		good(verifier.verifyMessage(readPing(pingFrom(alice)), NOW));
		expect(good(verifier.verifyMessage(bare, NOW)).userName).toBe(alice.userName);
	});

	test("certificates of value signers go along once", () => {
		const security = signMessage(alice, 1, 2, 3, new Uint8Array(1), crypto, [
			alice.certificate.der,
			bob.certificate.der,
			bob.certificate.der.slice(),
		]);
		expect(security.certificates.map((entry) => entry.certificate)).toEqual([
			alice.certificate.der,
			bob.certificate.der,
		]);
	});

	test("noble signs, node verifies, and the other way round", () => {
		let next = 0;
		const noble = nobleCrypto({
			random: (count) => Uint8Array.from({ length: count }, () => (next = (next * 5 + 3) & 255)),
		});
		const device = enroll(issuer, { key: noble.generateKey() });
		good(newVerifier().verifyMessage(readPing(pingFrom(device)), NOW));
		const inSimulator = new Verifier(trustOf(issuer, { crypto: noble }), noble);
		expect(good(inSimulator.verifyMessage(readPing(pingFrom(alice)), NOW)).userName).toBe(alice.userName);
	});
});

describe("refused messages", () => {
	const forgeSignature = (change: Partial<Signature>) => (security: SecurityBlock) => ({
		...security,
		signature: { ...security.signature, ...change },
	});
	const hashOf = (name: "sha1" | "sha384", identity: LocalIdentity) => crypto.hash(name, identity.certificate.der);

	test.each<readonly [string, () => Uint8Array, string]>([
		["unsigned", () => pingFrom(alice, (security) => ({ ...security, signature: NO_SIGNATURE })), "unsigned"],
		[
			"signed with SHA-1",
			() => pingFrom(alice, forgeSignature({ algorithm: { hash: 2, signature: 3 } })),
			"not signed with ECDSA P-256 or RSA, with SHA-256 or longer",
		],
		[
			"signed with DSA",
			() => pingFrom(alice, forgeSignature({ algorithm: { hash: 4, signature: 2 } })),
			"not signed with",
		],
		[
			"signed with another algorithm than the key's",
			() => pingFrom(alice, forgeSignature({ algorithm: { hash: 4, signature: 1 } })),
			"not that of the certificate's key",
		],
		[
			"identity hashed with SHA-1",
			() =>
				pingFrom(
					alice,
					forgeSignature({
						identity: { identityType: 1, hashAlg: 2, certificateHash: hashOf("sha1", alice) },
					}),
				),
			"hash weaker than SHA-256",
		],
		[
			"identity of an unknown type",
			() =>
				pingFrom(
					alice,
					forgeSignature({
						identity: { identityType: 9, hashAlg: 0, certificateHash: new Uint8Array(0), other: hex("01") },
					}),
				),
			"unknown type",
		],
		[
			"signed by Bob, said to be Alice",
			() =>
				pingFrom(bob, (security) => ({
					certificates: [{ type: 0, certificate: alice.certificate.der }],
					signature: { ...security.signature, identity: signerIdentity(alice, crypto) },
				})),
			"not that of alice@overlay.example.org: altered, or signed with another key",
		],
		[
			"a certificate of another type",
			() =>
				pingFrom(alice, (security) => ({
					...security,
					certificates: [{ type: 1, certificate: alice.certificate.der }],
				})),
			"certificate is not there",
		],
		[
			"the certificate behind too many others",
			() =>
				pingFrom(alice, (security) => ({
					...security,
					certificates: [
						...Array.from({ length: 32 }, (_, i) => ({ type: 0, certificate: Uint8Array.of(i) })),
						...security.certificates,
					],
				})),
			"certificate is not there",
		],
		[
			"which of several Node-IDs is not said",
			() =>
				pingFrom(
					several,
					forgeSignature({
						identity: { identityType: 1, hashAlg: 4, certificateHash: several.certificate.sha256 },
					}),
				),
			"does not say which Node-ID",
		],
		[
			"a Node-ID that is not in the certificate",
			() =>
				pingFrom(
					several,
					forgeSignature({
						identity: {
							identityType: 2,
							hashAlg: 4,
							certificateHash: crypto.hash("sha256", new Uint8Array([...bob.nodeId, ...several.certificate.der])),
						},
					}),
				),
			"certificate is not there",
		],
		["another household", () => pingFrom(enroll(newIssuer())), "not issued by a root-cert"],
		["another overlay", () => pingFrom(enroll(issuer, { overlayName: "x.example" })), "is of overlay x.example"],
		["expired", () => pingFrom(enroll(issuer, { notAfterMs: NOW - 60_000 })), "expired"],
	])("%s", (_what, make, reason) => {
		const verifier = newVerifier();
		expect(why(verifier.verifyMessage(readPing(make()), NOW))).toContain(reason);
	});

	test("a remembered signer that is revoked, or whose certificate ran out since", () => {
		const trust = trustOf(issuer);
		const verifier = newVerifier(trust);
		const message = readPing(pingFrom(alice));
		good(verifier.verifyMessage(message, NOW));
		expect(why(verifier.verifyMessage(message, NOW + 400 * DAY))).toContain("expired");
		trust.setBadNodes([alice.nodeId]);
		expect(why(verifier.verifyMessage(message, NOW))).toContain("revoked");
	});

	test("once verified, altered afterwards: nothing is remembered that would let it pass", () => {
		const verifier = newVerifier();
		const bytes = pingFrom(alice);
		const message = readPing(bytes);
		good(verifier.verifyMessage(message, NOW));
		const offsets = [4, 5, 6, 7];
		for (let at = 20; at < 28; at++) offsets.push(at);
		for (const part of [message.contentsBytes, message.identityBytes, message.security.signature.signatureValue])
			for (let i = 0; i < part.length; i++) offsets.push(part.byteOffset - bytes.byteOffset + i);
		fc.assert(
			fc.property(fc.constantFrom(...offsets), fc.nat(7), (at, bit) => {
				expect(flippedIsBad(bytes, at * 8 + bit, verifier), `octet ${at}`).toBe(true);
			}),
			{ numRuns: 300, seed: 11 },
		);
		good(verifier.verifyMessage(message, NOW));
	});

	test("any bit of a P-256 signature flipped", () => {
		const message = readPing(pingFrom(alice));
		const verifier = newVerifier();
		const value = message.security.signature.signatureValue;
		for (let bit = 0; bit < value.length * 8; bit++) {
			const signatureValue = value.slice();
			signatureValue[bit >> 3] = (signatureValue[bit >> 3] as number) ^ (1 << (bit & 7));
			const signature = { ...message.security.signature, signatureValue };
			const changed: Message = { ...message, security: { ...message.security, signature } };
			expect(isRefused(verifier.verifyMessage(changed, NOW)), `bit ${bit}`).toBe(true);
		}
	});
});

describe("stored values", () => {
	const resource = crypto.hash("sha1", hex("00")).slice(0, 16);
	const bucket = [alice.certificate.der];
	const sign = (value: StoredData["value"]) =>
		signStored(alice, resource, KindId.sipRegistration, { storageTime: NOW, lifetimeS: 3600, value }, crypto);
	const entry = { model: "dictionary", key: alice.nodeId, value: { exists: true, value: hex("c0ffee") } } as const;

	test("all three models verify, the place and the time are covered, the lifetime is not", () => {
		const verifier = newVerifier();
		for (const value of [
			{ model: "single", value: { exists: true, value: hex("aa") } },
			{ model: "array", index: 7, value: { exists: true, value: hex("aa") } },
			entry,
			{ model: "single", value: { exists: false, value: hex("") } },
		] as const) {
			const stored = sign(value);
			const check = (changed: Partial<StoredData>, at: Uint8Array = resource, kind: number = KindId.sipRegistration) =>
				verifier.verifyStored(at, kind, { ...stored, ...changed }, bucket, NOW);
			expect(good(check({})).userName).toBe(alice.userName);
			expect(isRefused(check({ lifetime: 1 }))).toBe(false);
			expect(isRefused(check({ storageTime: NOW + 1 }))).toBe(true);
			expect(isRefused(check({}, crypto.random(16)))).toBe(true);
			expect(isRefused(check({}, resource, KindId.turnService))).toBe(true);
		}
	});

	test("an array entry keeps its signature wherever it is appended", () => {
		const stored = sign({ model: "array", index: 0xffffffff, value: { exists: true, value: hex("aa") } });
		const moved = {
			...stored,
			value: { ...stored.value, index: 3 } as StoredData["value"],
			valueBytes: new Uint8Array(0),
		};
		expect(isRefused(newVerifier().verifyStored(resource, KindId.sipRegistration, moved, bucket, NOW))).toBe(false);
	});

	test("a value made up by a storing peer is unsigned", () => {
		const stored = { ...sign(entry), signature: NO_SIGNATURE };
		expect(why(newVerifier().verifyStored(resource, KindId.sipRegistration, stored, bucket, NOW))).toBe("unsigned");
	});

	test("invalid once the signer's certificate has expired, though the lifetime runs on", () => {
		const check = newVerifier().verifyStored(resource, KindId.sipRegistration, sign(entry), bucket, NOW + 400 * DAY);
		expect(why(check)).toContain("expired");
	});
});

describe("identities", () => {
	const refused = (result: object | Refused) => why(result);

	test("the key must be the certificate's, the Node-ID must be in it", () => {
		const make = (parts: Parameters<typeof makeLocalIdentity>[0]) => makeLocalIdentity(parts, crypto);
		expect(refused(make({ chain: [], key: alice.key }))).toContain("without a certificate");
		expect(refused(make({ chain: alice.chain, key: bob.key }))).toContain("not that of the certificate");
		expect(refused(make({ chain: [crypto.random(99)], key: bob.key }))).toContain("DER");
		expect(refused(make({ chain: [issuer.certificate.der], key: issuer.key }))).toContain("names no Node-ID");
		const wrong = refused(make({ chain: alice.chain, key: alice.key, nodeId: bob.nodeId }));
		expect(wrong).toBe(
			`Node-ID ${toHex(bob.nodeId)} is not in the certificate of ${alice.userName} (which names ${toHex(alice.nodeId)})`,
		);
		expect(nodeIdFault(alice.certificate, alice.nodeId)).toBeUndefined();
		expect(nodeIdFault(issuer.certificate, alice.nodeId)?.refused).toContain("names no Node-ID");
	});
});

describe("documents", () => {
	const blob = new TextEncoder().encode("<configuration/>");

	test("a blob verifies as it stands, and only so", () => {
		const security = signBlob(several, blob, crypto);
		expect(good(newVerifier().verifyBlob(blob, security, NOW)).nodeId).toEqual(several.nodeId);
		expect(isRefused(newVerifier().verifyBlob(blob.subarray(1), security, NOW))).toBe(true);
		const other = { ...security.signature, identity: signerIdentity(alice, crypto) };
		const taken = { certificates: [{ type: 0, certificate: alice.certificate.der }], signature: other };
		expect(isRefused(newVerifier().verifyBlob(blob, taken, NOW))).toBe(true);
	});
});
