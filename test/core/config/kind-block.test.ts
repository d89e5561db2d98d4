import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../../core/config/base64.ts";
import {
	type OverlayConfig,
	readConfigDocument,
	trustByConfig,
	writeConfigDocument,
} from "../../../core/config/document.ts";
import {
	encodeKindBlock,
	isKindAllowed,
	readKindBlock,
	verifyKindBlock,
	writeKindBlock,
} from "../../../core/config/kind-block.ts";
import { householdKinds, type KindBlock, type KindDefinition } from "../../../core/config/kinds.ts";
import { Verifier } from "../../../core/identity/verify.ts";
import { isRefused } from "../../../core/machine.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import vector from "../../vectors/25-config-update-req-kind.json" with { type: "json" };
import { crypto, DAY, enroll, good, NOW, newIssuer, OVERLAY, why } from "../identity/house.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const issuer = newIssuer();
const signer = enroll(issuer);
const second = enroll(issuer);
const guest = enroll(issuer);
const config: OverlayConfig = good(
	readConfigDocument(
		utf8(`<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base"><configuration instance-name="${OVERLAY}">
	<root-cert>${toBase64(issuer.certificate.der)}</root-cert>
	<kind-signer>${toHex(signer.nodeId)}</kind-signer><kind-signer>${toHex(second.nodeId)}</kind-signer>
	</configuration></overlay>`),
		crypto,
	),
).config;
const newVerifier = () => new Verifier(good(trustByConfig(config, crypto)), crypto);

const KIND: KindDefinition = {
	id: 0xf0000001,
	name: undefined,
	dataModel: "single",
	accessControl: "NODE-MATCH",
	maxCount: 1,
	maxSize: 100,
	maxNodeMultiple: undefined,
	domainRestrictions: undefined,
	signedBy: undefined,
};

const accept = (bytes: Uint8Array, known: readonly KindDefinition[] = [], wallMs = NOW) =>
	verifyKindBlock(good(readKindBlock(bytes)), config, known, newVerifier(), wallMs);

describe("Kinds of a document", () => {
	test("a private Kind carries its own signature and can be handed on; a registered one does not", () => {
		const kinds = [...householdKinds().slice(0, 1), KIND];
		const written = writeConfigDocument({ ...config, requiredKinds: kinds }, signer, crypto);
		const { kindBlocks } = good(readConfigDocument(written, crypto));
		expect(kindBlocks.map((block) => [block.kind.id, block.signature !== undefined])).toEqual([
			[1, false],
			[KIND.id, true],
		]);
		const alone = encodeKindBlock(kindBlocks[1] as KindBlock);
		expect(good(accept(alone))).toEqual({ ...KIND, signedBy: signer.nodeId });
		const bare = encodeKindBlock(kindBlocks[0] as KindBlock);
		expect(good(readKindBlock(bare)).kind).toEqual(kinds[0]);
		const byGuest = writeConfigDocument({ ...config, requiredKinds: [KIND] }, guest, crypto);
		expect(good(readConfigDocument(byGuest, crypto)).kindBlocks[0]?.signature).toBeUndefined();
	});

	test("a kind-block that leans on declarations further out is handed on whole", () => {
		const text = `<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base"><configuration instance-name="${OVERLAY}"
			xmlns:sip="urn:ietf:params:xml:ns:p2p:config-base:sip"><root-cert>${toBase64(issuer.certificate.der)}</root-cert>
			<required-kinds><kind-block><kind name="SIP-REGISTRATION"><max-count>1</max-count><max-size>1</max-size>
			<sip:domain-restriction enable="true"><sip:pattern>a</sip:pattern></sip:domain-restriction></kind></kind-block>
			</required-kinds></configuration></overlay>`;
		const [block] = good(readConfigDocument(utf8(text), crypto)).kindBlocks;
		const { kind } = good(readKindBlock(encodeKindBlock(block as KindBlock)));
		expect(kind.domainRestrictions).toEqual({ enable: true, patterns: ["a"] });
	});
});

describe("kind-blocks", () => {
	test("reads as it was written, and says who signed it", () => {
		expect(good(accept(writeKindBlock(KIND, signer, crypto)))).toEqual({ ...KIND, signedBy: signer.nodeId });
	});

	test("25: the block of the golden vector is read; its signature is a dummy", () => {
		const kinds = (vector.fields.message_contents.message_body as { kinds: string[] }).kinds;
		const block = good(readKindBlock(utf8(kinds[0] as string)));
		expect(block.kind).toEqual(KIND);
		expect(text(block.signedBytes)).toMatch(/^<kind id="4026531841">.*<\/kind>$/);
		expect(isRefused(verifyKindBlock(block, config, [], newVerifier(), NOW))).toBe(true);
	});

	test("refused: not signed, signed by somebody else, expired, altered", () => {
		const bytes = writeKindBlock(KIND, signer, crypto);
		const bare = text(bytes).replace(/<kind-signature>.*<\/kind-signature>/, "");
		expect(why(accept(utf8(bare)))).toBe("the Kind is not signed");
		expect(why(accept(writeKindBlock(KIND, guest, crypto)))).toContain("is no kind-signer");
		expect(why(accept(bytes, [], NOW + 400 * DAY))).toContain("expired");
		expect(why(accept(utf8(text(bytes).replace("<max-count>1<", "<max-count>9<"))))).toContain("altered");
	});

	test("a Kind of the configuration, or of another signer, is not overwritten; the signer's own is", () => {
		const newer = writeKindBlock({ ...KIND, maxCount: 2 }, signer, crypto);
		expect(good(accept(newer, [{ ...KIND, signedBy: signer.nodeId }])).maxCount).toBe(2);
		expect(why(accept(newer, [{ ...KIND, signedBy: second.nodeId }]))).toContain("defined by another kind-signer");
		expect(why(accept(newer, [KIND]))).toContain("defined by the configuration");
		expect(isRefused(accept(newer, [{ ...KIND, id: 0xf0000002 }]))).toBe(false);
	});

	test("a Kind whose signer is no longer one is discarded", () => {
		const kind = { ...KIND, signedBy: signer.nodeId };
		expect(isKindAllowed(kind, config)).toBe(true);
		expect(isKindAllowed(kind, { ...config, kindSigners: [second.nodeId] })).toBe(false);
		expect(isKindAllowed(KIND, { ...config, kindSigners: [] })).toBe(true);
	});

	test.each([
		["<kind-block/>", "not a kind-block"],
		[`<kind-block xmlns="urn:ietf:params:xml:ns:p2p:config-base"/>`, "without exactly one kind"],
		[
			`<kind-block xmlns="urn:ietf:params:xml:ns:p2p:config-base"><kind name="REDIR"/><kind name="REDIR"/></kind-block>`,
			"without exactly one kind",
		],
		[
			`<kind-block xmlns="urn:ietf:params:xml:ns:p2p:config-base" xmlns:sip="urn:x"><kind name="REDIR"/></kind-block>`,
			"outside of the signed element",
		],
		[`<kind-block xmlns="urn:ietf:params:xml:ns:p2p:config-base"><kind name="REDIR"/></kind-block>`, "max-count"],
		[
			`<kind-block xmlns="urn:ietf:params:xml:ns:p2p:config-base"><kind name="REDIR"><max-count>1</max-count><max-size>1</max-size></kind><kind-signature>!</kind-signature></kind-block>`,
			"not base64",
		],
		["", "without an element"],
	])("%.80s", (block, reason) => {
		expect(why(readKindBlock(utf8(block)))).toContain(reason);
	});

	test("any bit of the kind or its signature flipped: refused", () => {
		const bytes = writeKindBlock(KIND, signer, crypto);
		expect(isRefused(accept(bytes))).toBe(false);
		const start = text(bytes).indexOf("<kind ");
		const end = text(bytes).indexOf("</kind-signature>");
		fc.assert(
			fc.property(fc.integer({ min: start, max: end - 1 }), fc.nat(7), (at, bit) => {
				const changed = bytes.slice();
				changed[at] = (changed[at] as number) ^ (1 << bit);
				const block = readKindBlock(changed);
				expect(
					isRefused(block) || isRefused(verifyKindBlock(block, config, [], newVerifier(), NOW)),
					`octet ${at}`,
				).toBe(true);
			}),
			{ numRuns: 1000, seed: 15 },
		);
	});
});
