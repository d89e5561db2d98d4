import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../../core/config/base64.ts";
import {
	expirationFault,
	type OverlayConfig,
	readConfigDocument,
	trustByConfig,
	unsupportedExtensions,
	verifyConfigSignature,
	writeConfigDocument,
} from "../../../core/config/document.ts";
import { householdKinds } from "../../../core/config/kinds.ts";
import { Verifier } from "../../../core/identity/verify.ts";
import { isRefused } from "../../../core/machine.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { crypto, DAY, enroll, good, NOW, newIssuer, OVERLAY, why } from "../identity/house.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const issuer = newIssuer();
const signer = enroll(issuer, { userName: "admin@overlay.example.org" });
const stranger = enroll(issuer, { userName: "guest@overlay.example.org" });
const ROOT = toBase64(issuer.certificate.der);
const NODE = toHex(signer.nodeId);

const CONFIG: OverlayConfig = {
	instanceName: OVERLAY,
	overlay: 0x9aa32b8d,
	sequence: 22,
	expirationMs: NOW + 30 * DAY,
	topologyPlugin: "EXP-OVERLAY",
	nodeIdLength: 16,
	rootCerts: [issuer.certificate.der],
	enrollmentServers: ["https://192.0.2.1:6086/enroll?a=1&b=2"],
	selfSignedPermitted: undefined,
	bootstrapNodes: [
		{ address: "192.0.2.1", port: 6084 },
		{ address: "2001:db8::1", port: 6085 },
	],
	turnDensity: 0,
	clientsPermitted: true,
	noIce: true,
	chordUpdateIntervalS: 30,
	chordPingIntervalS: 60,
	chordReactive: false,
	sharedSecret: `<"secret" & 'more'>`,
	maxMessageSize: 65_536,
	initialTtl: 30,
	overlayReliabilityTimerMs: 1000,
	overlayLinkProtocols: ["TLS"],
	kindSigners: [signer.nodeId],
	configurationSigners: [signer.nodeId],
	badNodes: [crypto.random(16)],
	mandatoryExtensions: ["urn:ringlet:config"],
	requiredKinds: householdKinds(),
	profile: "house",
	redirBranchingFactor: 4,
	numberOfPeersToProbe: 2,
};

const write = (change: Partial<OverlayConfig> = {}, by = signer) =>
	writeConfigDocument({ ...CONFIG, ...change }, by, crypto);
const verifierOf = (config: OverlayConfig) => new Verifier(good(trustByConfig(config, crypto)), crypto);

describe("a household's document", () => {
	test("reads as it was written", () => {
		const document = good(readConfigDocument(write(), crypto, OVERLAY));
		expect(document.config).toEqual(CONFIG);
		expect(text(document.signedBytes)).toMatch(/^<configuration [\s\S]*<\/configuration>$/);
		expect(document.signatures.length).toBe(1);
	});

	test("with every optional part left out, too", () => {
		const bare: OverlayConfig = {
			...CONFIG,
			expirationMs: undefined,
			sharedSecret: undefined,
			profile: undefined,
			selfSignedPermitted: "sha256",
			rootCerts: [],
			enrollmentServers: [],
			bootstrapNodes: [],
			badNodes: [],
			mandatoryExtensions: [],
			requiredKinds: [],
			redirBranchingFactor: undefined,
			numberOfPeersToProbe: undefined,
		};
		const self = write(bare);
		expect(good(readConfigDocument(self, crypto)).config).toEqual(bare);
	});

	test("private Kinds and domain restrictions survive", () => {
		const [sip, ...rest] = householdKinds();
		const requiredKinds = [
			{ ...sip, domainRestrictions: { enable: true, patterns: ["dht\\.example\\.com", ".*\\.my\\.example", "a&b"] } },
			...rest,
			{
				id: 0xf0000002,
				name: undefined,
				dataModel: "dictionary",
				accessControl: "NODE-MULTIPLE",
				maxCount: 5,
				maxSize: 4096,
				maxNodeMultiple: 7,
				domainRestrictions: undefined,
				signedBy: undefined,
			},
		] as OverlayConfig["requiredKinds"];
		expect(good(readConfigDocument(write({ requiredKinds }), crypto)).config.requiredKinds).toEqual(requiredKinds);
	});

	test("what cannot be read again is not written", () => {
		expect(() => write({ sequence: 65_535 })).toThrow("sequence");
		expect(() => write({ nodeIdLength: 20 })).toThrow("Node-ID of 20 octets");
		expect(() => write({ rootCerts: [] })).toThrow("neither root-cert");
		expect(() => write({ instanceName: "not a name" })).toThrow("DNS name");
	});
});

describe("believing a document", () => {
	const check = (bytes: Uint8Array, previous: OverlayConfig = CONFIG, wallMs = NOW) =>
		verifyConfigSignature(good(readConfigDocument(bytes, crypto)), previous, verifierOf(previous), wallMs);

	test("signed by a configuration-signer of the one before", () => {
		expect(check(write({ sequence: 23 }))).toBeUndefined();
	});

	test("a first document that came by hand is at least consistent with itself", () => {
		const document = good(readConfigDocument(write(), crypto));
		expect(verifyConfigSignature(document, document.config, verifierOf(document.config), NOW)).toBeUndefined();
	});

	test("refused: a signer of the household who may not, another household, expired, revoked, unsigned", () => {
		expect(why(check(write({ sequence: 23 }, stranger)))).toContain(
			`Node-ID ${toHex(stranger.nodeId)} signed the document but is no configuration-signer`,
		);
		const intruder = enroll(newIssuer(), { nodeIds: [signer.nodeId] });
		expect(why(check(write({ sequence: 23 }, intruder)))).toContain("not issued by a root-cert");
		expect(why(check(write({ sequence: 23 }), CONFIG, NOW + 400 * DAY))).toContain("expired");
		expect(why(check(write(), { ...CONFIG, badNodes: [signer.nodeId] }))).toContain("revoked");
		const unsigned = utf8(text(write()).replace(/<signature>.*<\/signature>/, ""));
		expect(why(check(unsigned))).toBe("the document is not signed");
		const garbage = utf8(text(write()).replace(/<signature>.*<\/signature>/, "<signature>AAAA</signature>"));
		expect(isRefused(check(garbage) ?? {})).toBe(true);
		expect(why(check(write({ instanceName: "other.example.org" })))).toContain("is of overlay other.example.org");
	});

	test("a new document that makes itself a signer is judged by the old one", () => {
		const bytes = write({ sequence: 23, configurationSigners: [stranger.nodeId] }, stranger);
		expect(why(check(bytes))).toContain("no configuration-signer");
		const handedOver = write({ sequence: 23, configurationSigners: [stranger.nodeId] });
		expect(check(handedOver)).toBeUndefined();
	});

	test("one good signature among others is enough", () => {
		const bytes = write({ sequence: 23 });
		const more = text(bytes).replace("<signature>", "<signature>AAAA</signature><signature>");
		expect(check(utf8(more))).toBeUndefined();
	});

	test("any bit of the configuration or its signature flipped: refused", () => {
		const bytes = write({ sequence: 23, badNodes: [], requiredKinds: [], rootCerts: CONFIG.rootCerts });
		const document = good(readConfigDocument(bytes, crypto));
		const start = document.signedBytes.byteOffset - bytes.byteOffset;
		const end = text(bytes).indexOf("</signature>");
		expect(check(bytes)).toBeUndefined();
		fc.assert(
			fc.property(fc.integer({ min: start, max: end - 1 }), fc.nat(7), (at, bit) => {
				const changed = bytes.slice();
				changed[at] = (changed[at] as number) ^ (1 << bit);
				const read = readConfigDocument(changed, crypto);
				const accepted = !isRefused(read) && verifyConfigSignature(read, CONFIG, verifierOf(CONFIG), NOW) === undefined;
				expect(accepted, `octet ${at} bit ${bit}`).toBe(false);
			}),
			{ numRuns: 1500, seed: 13 },
		);
	});

	test("namespaces outside of the signed octets cannot change what they mean", () => {
		const document = text(write());
		for (const outside of [
			`xmlns:x="urn:ietf:params:xml:ns:p2p:config-base"`,
			`xmlns:chord="urn:x"`,
			`xmlns:ringlet="urn:x"`,
			`xmlns:c="urn:ietf:params:xml:ns:p2p:config-chord"`,
		]) {
			const changed = document.replace("<overlay ", `<overlay ${outside} `);
			expect(why(readConfigDocument(utf8(changed), crypto))).toContain("declared outside of the signed element");
		}
		const harmless = document.replace(
			"<overlay ",
			`<overlay xmlns:ext="urn:x" xmlns:chord="urn:ietf:params:xml:ns:p2p:config-chord" `,
		);
		expect(isRefused(readConfigDocument(utf8(harmless), crypto))).toBe(false);
	});

	test("expiration: to the millisecond, with the clock named", () => {
		expect(expirationFault(CONFIG, NOW + 30 * DAY - 1)).toBeUndefined();
		expect(expirationFault(CONFIG, NOW + 30 * DAY)?.refused).toContain("clock");
		expect(expirationFault({ ...CONFIG, expirationMs: undefined }, NOW + 9999 * DAY)).toBeUndefined();
	});

	test("mandatory extensions that this version does not have", () => {
		const mandatoryExtensions = ["urn:ringlet:config", "urn:x", "urn:ietf:params:xml:ns:p2p:redir"];
		expect(unsupportedExtensions({ ...CONFIG, mandatoryExtensions })).toEqual(["urn:x"]);
	});
});

/** A document around these children of `configuration`. */
function documentOf(children: string, attributes = `instance-name="${OVERLAY}" sequence="22"`): Uint8Array {
	return utf8(
		`<?xml version="1.0" encoding="UTF-8"?>
<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base" xmlns:chord="urn:ietf:params:xml:ns:p2p:config-chord"
	xmlns:ext="urn:ietf:params:xml:ns:p2p:config-ext1">
<configuration ${attributes}>${children}</configuration></overlay>`,
	);
}
const WITH_ROOT = `<root-cert>${ROOT}</root-cert>`;
const readChildren = (children: string) => readConfigDocument(documentOf(WITH_ROOT + children), crypto);

describe("a document as the RFC shows it", () => {
	test("elements in any order, white space, foreign elements, the short forms of booleans", () => {
		const bytes = documentOf(
			`
			<chord:chord-reactive> 0 </chord:chord-reactive>
			<ext:example-extension ext:example="x"> foreign extra data </ext:example-extension>
			<topology-plugin> CHORD-RELOAD </topology-plugin>
			<bad-node>${"0a".repeat(20)}</bad-node>
			<node-id-length>20</node-id-length>
			<root-cert>
				${ROOT.slice(0, 70)}
				${ROOT.slice(70)}
			</root-cert>
			<multicast-bootstrap address="192.0.0.1" port="6084"/>
			<enrollment-server>HTTPS://example.org/x</enrollment-server>
			<bootstrap-node address="192.0.2.1"/>
			<bootstrap-node address="192.0.2.2" port=" 5678 "/>
			<clients-permitted>0</clients-permitted><no-ice>1</no-ice>
			<chord:chord-update-interval>400</chord:chord-update-interval>
			<mandatory-extension> urn:ietf:params:xml:ns:p2p:config-ext1 </mandatory-extension>
			<required-kinds>
				<kind-block>
					<kind name="SIP-REGISTRATION">
						<data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>
						<max-count>1</max-count><max-size>100</max-size>
					</kind>
					<kind-signature>VGhpcw==</kind-signature>
				</kind-block>
				<kind-block>
					<kind id="2000">
						<data-model>ARRAY</data-model><access-control>NODE-MULTIPLE</access-control>
						<max-node-multiple>3</max-node-multiple><max-count>22</max-count><max-size>4</max-size>
						<ext:example-kind-extension> foreign extra data </ext:example-kind-extension>
					</kind>
				</kind-block>
			</required-kinds>`,
			`ext:example="y" instance-name="overlay.example.org" sequence=" 22 " expiration="2026-10-10T07:00:00.5+02:00"`,
		);
		const { config, signatures } = good(readConfigDocument(bytes, crypto));
		expect(config.chordReactive).toBe(false);
		expect(config.nodeIdLength).toBe(20);
		expect(config.badNodes[0]?.length).toBe(20);
		expect(config.rootCerts).toEqual([issuer.certificate.der]);
		expect(config.bootstrapNodes).toEqual([
			{ address: "192.0.2.1", port: 6084 },
			{ address: "192.0.2.2", port: 5678 },
		]);
		expect([config.clientsPermitted, config.noIce]).toEqual([false, true]);
		expect(config.chordUpdateIntervalS).toBe(400);
		expect(config.expirationMs).toBe(Date.UTC(2026, 9, 10, 5));
		expect(unsupportedExtensions(config)).toEqual(["urn:ietf:params:xml:ns:p2p:config-ext1"]);
		expect(signatures).toEqual([]);
		// The registration wins over what the document says (RFC 6940's own sample says SINGLE, USER-MATCH).
		expect(config.requiredKinds.map((kind) => [kind.id, kind.dataModel, kind.accessControl, kind.maxCount])).toEqual([
			[1, "dictionary", "USER-NODE-MATCH", 1],
			[2000, "array", "NODE-MULTIPLE", 22],
		]);
	});

	test("defaults of everything that is not there", () => {
		const { config } = good(readConfigDocument(documentOf(WITH_ROOT, `instance-name="${OVERLAY}"`), crypto));
		expect(config).toEqual({
			instanceName: OVERLAY,
			overlay: 0x9aa32b8d,
			sequence: 0,
			expirationMs: undefined,
			topologyPlugin: "CHORD-RELOAD",
			nodeIdLength: 16,
			rootCerts: [issuer.certificate.der],
			enrollmentServers: [],
			selfSignedPermitted: undefined,
			bootstrapNodes: [],
			turnDensity: 1,
			clientsPermitted: true,
			noIce: false,
			chordUpdateIntervalS: 600,
			chordPingIntervalS: 3600,
			chordReactive: true,
			sharedSecret: undefined,
			maxMessageSize: 5000,
			initialTtl: 100,
			overlayReliabilityTimerMs: 3000,
			overlayLinkProtocols: ["TLS"],
			kindSigners: [],
			configurationSigners: [],
			badNodes: [],
			mandatoryExtensions: [],
			requiredKinds: [],
			profile: undefined,
			redirBranchingFactor: undefined,
			numberOfPeersToProbe: undefined,
		});
	});

	test("of several configurations the one that was asked for, with its own signatures", () => {
		const one = (name: string, signature: string) =>
			`<configuration instance-name="${name}">${WITH_ROOT}</configuration><signature>${signature}</signature>`;
		const bytes = utf8(
			`<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base">${one("a.example", "AAAA")}${one("b.example", "AAAB")}</overlay>`,
		);
		const first = good(readConfigDocument(bytes, crypto));
		expect([first.config.instanceName, first.signatures.map(toBase64)]).toEqual(["a.example", ["AAAA"]]);
		const second = good(readConfigDocument(bytes, crypto, "B.Example"));
		expect([second.config.instanceName, second.signatures.map(toBase64)]).toEqual(["b.example", ["AAAB"]]);
		expect(why(readConfigDocument(bytes, crypto, "c.example"))).toBe(
			"the document is of overlay a.example, not of c.example",
		);
	});
});

describe("refused documents", () => {
	test.each([
		["<a/>", "root element is not overlay"],
		[`<overlay/>`, "root element is not overlay"],
		[`<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base"/>`, "no configuration element"],
		["<overlay", "expected"],
	])("%s", (document, reason) => {
		expect(why(readConfigDocument(utf8(document), crypto))).toContain(reason);
	});

	test.each([
		["", "instance-name is missing"],
		[`instance-name="a b"`, "not a DNS name"],
		[`instance-name="a" sequence="65535"`, "sequence is not"],
		[`instance-name="a" sequence="-1"`, "sequence is not"],
		[`instance-name="a" sequence=""`, "sequence is not"],
		[`instance-name="a" sequence="1x"`, "sequence is not"],
		[`instance-name="a" expiration="2026-13-01T00:00:00Z"`, "expiration is not"],
		[`instance-name="a" expiration="2026-12-01"`, "expiration is not"],
		[`instance-name="a" expiration="2026-12-01T00:00:00.Z"`, "expiration is not"],
		[`instance-name="a" expiration="2026-12-01T00:00:00+1:00"`, "expiration is not"],
		[`instance-name="a" expiration="2026-12-01T00:00:00Zx"`, "expiration is not"],
	])("attributes %s", (attributes, reason) => {
		expect(why(readConfigDocument(documentOf(WITH_ROOT, attributes), crypto))).toContain(reason);
	});

	const kind = (attributes: string, children: string) =>
		`<required-kinds><kind-block><kind ${attributes}>${children}</kind></kind-block></required-kinds>`;
	const limits = "<max-count>1</max-count><max-size>1</max-size>";
	const single = "<data-model>SINGLE</data-model>";
	const match = "<access-control>USER-MATCH</access-control>";

	test.each([
		["<node-id-length>15</node-id-length>", "16 to 20"],
		["<node-id-length>21</node-id-length>", "16 to 20"],
		["<root-cert>AAA</root-cert>", "root-cert: not base64"],
		["<root-cert>AAAA</root-cert>", "root-cert: "],
		["<enrollment-server>http://example.org</enrollment-server>", "not an https URL"],
		["<self-signed-permitted>true</self-signed-permitted>", "digest is neither"],
		[`<self-signed-permitted digest="md5">true</self-signed-permitted>`, "digest is neither"],
		["<self-signed-permitted>maybe</self-signed-permitted>", "neither true nor false"],
		[`<bootstrap-node port="1"/>`, "address is neither"],
		[`<bootstrap-node address="example.org"/>`, "address is neither"],
		[`<bootstrap-node address="192.0.2.1" port="0"/>`, "port is not"],
		[`<bootstrap-node address="192.0.2.1" port="65536"/>`, "port is not"],
		["<turn-density>256</turn-density>", "0 to 255"],
		["<clients-permitted>yes</clients-permitted>", "neither true nor false"],
		["<no-ice>1</no-ice><no-ice>1</no-ice>", "no-ice: given twice"],
		["<max-message-size>999</max-message-size>", "1000 to 1048576"],
		["<initial-ttl>256</initial-ttl>", "1 to 255"],
		["<initial-ttl>0</initial-ttl>", "1 to 255"],
		["<overlay-reliability-timer>199</overlay-reliability-timer>", "not a whole number of 200"],
		["<kind-signer>8a0c</kind-signer>", "not a Node-ID of 16 octets"],
		[`<configuration-signer>${"zz".repeat(16)}</configuration-signer>`, "not a Node-ID of 16 octets"],
		[`<bad-node>${"00".repeat(17)}</bad-node>`, "not a Node-ID of 16 octets"],
		["<topology-plugin/>", "topology-plugin: empty"],
		["<shared-secret> </shared-secret>", "shared-secret: empty"],
		["<chord:chord-reactive>x</chord:chord-reactive>", "neither true nor false"],
		["<chord:chord-update-interval>0</chord:chord-update-interval>", "whole number of 1"],
		[`<r:profile xmlns:r="urn:ringlet:config">fast</r:profile>`, "neither house nor rfc"],
		[kind("", limits + single + match), "neither name nor id"],
		[kind(`name="NO-SUCH-KIND"`, limits), "NO-SUCH-KIND is not known"],
		[kind(`id="0"`, limits + single + match), "not a Kind-ID"],
		[kind(`id="2147483647"`, limits + single + match), "not a Kind-ID"],
		[kind(`id="4294967295"`, limits + single + match), "not a Kind-ID"],
		[kind(`id="2" name="SIP-REGISTRATION"`, limits), "different Kinds"],
		[kind(`id="4026531841"`, single + match), "max-count or max-size"],
		[kind(`id="4026531841"`, `${limits}<max-count>2</max-count>${single}${match}`), "max-count or max-size"],
		[kind(`id="4026531841"`, `${limits}<data-model>EXP-DATA</data-model>${match}`), "data-model is none of"],
		[kind(`id="4026531841"`, `${limits}${single}<access-control>EXP-MATCH</access-control>`), "not a policy"],
		[kind(`id="4026531841"`, limits + single), "not a policy"],
		[
			kind(`id="4026531841"`, `${limits}${single}<access-control>NODE-MULTIPLE</access-control>`),
			"max-node-multiple is missing",
		],
		[
			kind(
				`id="4026531841"`,
				`${limits}${single}<access-control>NODE-MULTIPLE</access-control><max-node-multiple>0</max-node-multiple>`,
			),
			"max-node-multiple is not",
		],
		[
			`<required-kinds>${`<kind-block><kind name="REDIR">${limits}</kind></kind-block>`.repeat(2)}</required-kinds>`,
			"a Kind given twice",
		],
		[
			kind(
				`name="SIP-REGISTRATION"`,
				`${limits}<s:domain-restrictions xmlns:s="urn:ietf:params:xml:ns:p2p:config-base:sip" enable="x"/>`,
			),
			"enable of the domain restriction",
		],
	])("%.60s", (children, reason) => {
		expect(why(readChildren(children))).toContain(reason);
	});

	test("neither root-cert nor self-signed-permitted", () => {
		expect(why(readConfigDocument(documentOf(""), crypto))).toContain("neither root-cert");
		const off = `<self-signed-permitted digest="sha1">false</self-signed-permitted>`;
		expect(why(readConfigDocument(documentOf(off), crypto))).toContain("neither root-cert");
		const on = `<self-signed-permitted digest="sha1">1</self-signed-permitted>`;
		expect(good(readConfigDocument(documentOf(on), crypto)).config.selfSignedPermitted).toBe("sha1");
	});

	test("lists beyond their limits are refused whole, never cut", () => {
		const many = (count: number, make: (i: number) => string) =>
			Array.from({ length: count }, (_, i) => make(i)).join("");
		expect(why(readChildren(many(17, () => WITH_ROOT)))).toContain("more than 16");
		expect(why(readChildren(many(17, () => `<kind-signer>${NODE}</kind-signer>`)))).toContain("more than 16");
		expect(why(readChildren(many(65, () => `<bootstrap-node address="192.0.2.1"/>`)))).toContain("more than 64");
		expect(why(readChildren(many(33, () => "<mandatory-extension>urn:x</mandatory-extension>")))).toContain(
			"more than 32",
		);
		const revoked = (i: number) => `<bad-node>${i.toString(16).padStart(32, "0")}</bad-node>`;
		expect(good(readChildren(many(4000, revoked))).config.badNodes.length).toBe(4000);
		expect(why(readChildren(many(4200, revoked)))).toMatch(/more than 4096|too large/);
	});

	test("a signature that is not base64", () => {
		const document = text(documentOf(WITH_ROOT)).replace("</overlay>", "<signature>!</signature></overlay>");
		expect(why(readConfigDocument(utf8(document), crypto))).toBe("signature: not base64");
	});
});

test("the branching factor of ReDiR: in the configuration or in the Kind (RFC 7374 §8), not in both", () => {
	const factor = `<redir:branching-factor xmlns:redir="urn:ietf:params:xml:ns:p2p:redir">5</redir:branching-factor>`;
	const inKind = `<required-kinds><kind-block><kind name="REDIR"><max-count>1</max-count><max-size>1</max-size>${factor}</kind></kind-block></required-kinds>`;
	expect(good(readChildren(factor)).config.redirBranchingFactor).toBe(5);
	expect(good(readChildren(inKind)).config.redirBranchingFactor).toBe(5);
	expect(why(readChildren(factor + inKind))).toContain("given twice");
});

describe("domain restrictions (RFC 7904 §3.4)", () => {
	const read = (children: string) =>
		good(
			readChildren(
				`<required-kinds><kind-block><kind name="SIP-REGISTRATION" xmlns:s="urn:ietf:params:xml:ns:p2p:config-base:sip">
				<max-count>1</max-count><max-size>1</max-size>${children}</kind></kind-block></required-kinds>`,
			),
		).config.requiredKinds[0]?.domainRestrictions;

	test("absent, present without enable, with patterns, and (D-29) by either name", () => {
		expect(read("")).toBeUndefined();
		expect(read("<s:domain-restriction/>")).toEqual({ enable: false, patterns: [] });
		expect(read(`<s:domain-restriction enable="false"/>`)).toEqual({ enable: false, patterns: [] });
		for (const name of ["domain-restriction", "domain-restrictions"])
			expect(read(`<s:${name} enable="1"><s:pattern> a\\.b </s:pattern><s:pattern>.*</s:pattern></s:${name}>`)).toEqual(
				{
					enable: true,
					patterns: ["a\\.b", ".*"],
				},
			);
	});
});

test("any octet of a document changed: read or refused, never a throw", () => {
	const bytes = write({ rootCerts: CONFIG.rootCerts });
	fc.assert(
		fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
			const changed = bytes.slice();
			changed[at] = value;
			readConfigDocument(changed, crypto);
			readConfigDocument(bytes.subarray(0, at), crypto);
		}),
		{ numRuns: 600, seed: 14 },
	);
});
