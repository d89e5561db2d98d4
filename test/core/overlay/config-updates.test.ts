/** How a new configuration spreads and what it changes (RFC 6940 §6.5.4, §11.1). */
import { describe, expect, test } from "vitest";
import type { OverlayConfig } from "../../../core/config/document.ts";
import { writeKindBlock } from "../../../core/config/kind-block.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { EMPTY, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { writeConfigUpdateReq } from "../../../core/wire/config-update.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { encode } from "../../../core/wire/writer.ts";
import { SINGLE_KIND, testKind } from "./support/household.ts";
import { WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const NEW_KIND = 0xf0000200;

/** The next document of a world's household. */
function next(world: World, change: Partial<OverlayConfig> = {}, signer?: LocalIdentity): Uint8Array {
	const { household } = world;
	return household.write({ ...household.config, sequence: 23, ...change }, signer ?? household.admin);
}

function update(document: Uint8Array): { code: number; body: Uint8Array } {
	return { code: MessageCode.configUpdateReq, body: encode(writeConfigUpdateReq, { type: 1, configData: document }) };
}

function bench(): { world: World; a: Member; b: WirePeer; send: (draft: { code: number; body: Uint8Array }) => void } {
	const world = new World();
	const a = world.peer("a");
	const b = new WirePeer(world, a);
	const send = (draft: { code: number; body: Uint8Array }) => {
		b.clear();
		b.send({ ...draft, to: [nodeDestination(a.id)], header: { configurationSequence: 65535 } });
	};
	return { world, a, b, send };
}

describe("a document by ConfigUpdate", () => {
	test("newer and signed by a configuration-signer: in force, told to the host", () => {
		const { world, a, b, send } = bench();
		const document = next(world);
		send(update(document));
		expect(b.last.contents.messageCode).toBe(MessageCode.configUpdateAns);
		expect(a.node.settings.config.sequence).toBe(23);
		expect(a.event("config")).toMatchObject([{ config: { sequence: 23 }, bytes: document }]);
		expect(a.count("configAdopted")).toBe(1);
	});

	test("not newer: Error_Config_Too_Old, nothing changes", () => {
		const { world, a, b, send } = bench();
		send(update(next(world, { sequence: 22, initialTtl: 7 })));
		expect(b.error).toBe(ErrorCode.configTooOld);
		expect(a.node.settings.config.initialTtl).toBe(100);
	});

	test("signed by somebody else: Error_Forbidden", () => {
		const { world, a, b, send } = bench();
		send(update(next(world, {}, world.household.enroll())));
		expect(b.error).toBe(ErrorCode.forbidden);
		expect(a.node.settings.config.sequence).toBe(22);
	});

	test.each([
		["unreadable octets", update(utf8ToBytes("<overlay/>"))],
		["an unreadable body", { code: MessageCode.configUpdateReq, body: EMPTY }],
		[
			"an unknown type",
			{ code: MessageCode.configUpdateReq, body: encode(writeConfigUpdateReq, { type: 0, code: 9, data: EMPTY }) },
		],
	])("%s: Error_Invalid_Message", (_name, draft) => {
		const { b, send } = bench();
		send(draft);
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});

	test("another Node-ID length needs a new start: Error_Incompatible_with_Overlay", () => {
		const { world, a, b, send } = bench();
		const document = next(world, { nodeIdLength: 20, configurationSigners: [], kindSigners: [] });
		send(update(document));
		expect(b.error).toBe(ErrorCode.incompatibleWithOverlay);
		a.input({ type: "document", bytes: document });
		expect(a.node.settings.config.sequence).toBe(22);
	});
});

describe("flooding", () => {
	test("a document given to one peer reaches all who talk, and every request succeeds meanwhile", () => {
		const world = new World();
		const peers = ["a", "b", "c", "d"].map((name) => world.peer(name)) as [Member, Member, Member, Member];
		for (let i = 0; i < 4; i++) for (let j = i + 1; j < 4; j++) world.link(peers[i]!, peers[j]!);
		world.advance(100);
		peers[0].input({ type: "document", bytes: next(world) });
		// The newer one asks the older: refused as too new, brings the document, asks again.
		peers[0].ok("ping", (node, now) => node.ping([nodeDestination(peers[1].id)], now));
		expect(peers[1].node.settings.config.sequence).toBe(23);
		// The older one asks the newer: refused as too old, is brought the document, asks again under the new sequence.
		const result = peers[2].ok("ping", (node, now) => node.ping([nodeDestination(peers[0].id)], now));
		expect(result.rttMs).toBeLessThan(1_000);
		expect(peers[2].node.settings.config.sequence).toBe(23);
		world.advance(10_000);
		expect(peers.map((peer) => peer.node.settings.config.sequence)).toEqual([23, 23, 23, 23]);
	});

	test("a node that cannot bring its document fails with the error of the other", () => {
		const world = new World();
		const a = world.peer("a", { options: { configBytes: EMPTY } });
		const b = world.peer("b");
		world.link(a, b);
		a.input({ type: "document", bytes: next(world) });
		b.deaf = true;
		b.node.configUpdates.adopt = () => undefined;
		expect(a.error((node, now) => node.ping([nodeDestination(b.id)], now))).toBe(ErrorCode.configTooNew);
	});

	test("the command brings our document to whom we name", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		expect(a.error((node, now) => node.configUpdate([nodeDestination(b.id)], now))).toBe(ErrorCode.configTooOld);
		a.input({ type: "document", bytes: next(world) });
		a.ok("configUpdate", (node, now) => node.configUpdate([nodeDestination(b.id)], now));
		expect(b.node.settings.config.sequence).toBe(23);
	});

	test("a document above max-message-size is not sent, and that is told", () => {
		const world = new World({ config: { maxMessageSize: 5000 } });
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		expect(a.error((node, now) => node.configUpdate([nodeDestination(b.id)], now))).toBe(ErrorCode.messageTooLarge);
	});
});

describe("what a new document changes", () => {
	test("a document the host gives must be newer and of this overlay", () => {
		const { world, a } = bench();
		a.input({ type: "document", bytes: world.household.document });
		a.input({ type: "document", bytes: utf8ToBytes("nonsense") });
		expect(a.event("refused").map(({ what }) => what)).toEqual(["document", "document"]);
		expect(a.node.settings.config.sequence).toBe(22);
	});

	test("links of revoked nodes are closed, their messages and values are refused", () => {
		const world = new World();
		const [a, b] = [world.peer("a"), world.peer("b")];
		world.link(a, b);
		const resource = b.node.resourceId(utf8ToBytes(b.identity.userName));
		const value = { exists: true, value: utf8ToBytes("x"), lifetimeS: 600 };
		b.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value] }], now));
		expect(a.node.status(world.now).storedValues).toBe(1);
		a.input({ type: "document", bytes: next(world, { badNodes: [b.id] }) });
		world.advance(100);
		expect(a.count("badNodeLinksClosed")).toBe(1);
		expect(a.node.connections.size).toBe(0);
		expect(a.node.status(world.now).storedValues).toBe(0);
		const again = new WirePeer(world, a, b.identity);
		expect(a.node.connections.size).toBe(0);
		expect(again.raw.length).toBe(0);
	});

	test("max-message-size of links, data of Kinds that are gone", () => {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		const resource = a.node.resourceId(utf8ToBytes(a.identity.userName));
		const value = { exists: true, value: utf8ToBytes("x"), lifetimeS: 600 };
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value] }], now));
		const requiredKinds = world.household.config.requiredKinds.filter(({ id }) => id !== SINGLE_KIND);
		a.input({ type: "document", bytes: next(world, { maxMessageSize: 9000, requiredKinds }) });
		world.advance(10);
		expect(a.node.connections.find(b.id)!.stream.maxMessageSize).toBe(9000);
		expect(a.node.status(world.now).storedValues).toBe(0);
	});

	test("a mandatory extension that we lack: we leave", () => {
		const world = new World();
		const a = world.peer("a");
		const { household } = world;
		const config = { ...household.config, sequence: 23, mandatoryExtensions: ["urn:example:unknown"] };
		a.input({ type: "document", bytes: household.write(config) });
		world.advance(100);
		expect(a.event("refused")).toMatchObject([{ what: "config", reason: "needs urn:example:unknown" }]);
		expect(a.event("left").length).toBe(1);
	});
});

describe("Kinds by ConfigUpdate", () => {
	const kinds = (...blocks: Uint8Array[]) => ({
		code: MessageCode.configUpdateReq,
		body: encode(writeConfigUpdateReq, { type: 2, kinds: blocks }),
	});

	test("signed by a kind-signer: known from then on, and handed to who does not know it", () => {
		const { world, a, b, send } = bench();
		const { crypto, admin } = world.household;
		const block = writeKindBlock(testKind(NEW_KIND, "single", "USER-MATCH"), admin, crypto);
		send(kinds(block));
		expect(b.last.contents.messageCode).toBe(MessageCode.configUpdateAns);
		expect(a.node.settings.kind(NEW_KIND)?.dataModel).toBe("single");
		const c = world.peer("c");
		world.link(a, c);
		expect(c.node.settings.kind(NEW_KIND)).toBeUndefined();
		const to = { destination: [nodeDestination(c.id)] };
		const fetch = () => a.ask((node, now) => node.fetch(a.id, [{ kind: NEW_KIND }], now, to));
		expect(fetch()).toMatchObject({ ok: false, errorCode: ErrorCode.unknownKind });
		world.advance(100);
		expect(c.node.settings.kind(NEW_KIND)?.dataModel).toBe("single");
		expect(fetch()).toMatchObject({ ok: true });
	});

	test("signed by somebody else, or defined by the document: Error_Forbidden", () => {
		const { world, b, send } = bench();
		const { crypto, admin } = world.household;
		send(kinds(writeKindBlock(testKind(NEW_KIND, "single", "USER-MATCH"), world.household.enroll(), crypto)));
		expect(b.error).toBe(ErrorCode.forbidden);
		send(kinds(writeKindBlock(testKind(SINGLE_KIND, "array", "USER-MATCH"), admin, crypto)));
		expect(b.error).toBe(ErrorCode.forbidden);
		send(kinds(utf8ToBytes("<kind/>")));
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});

	test("one bad Kind refuses all of them", () => {
		const { world, a, send } = bench();
		const { crypto, admin } = world.household;
		const block = writeKindBlock(testKind(NEW_KIND, "single", "USER-MATCH"), admin, crypto);
		send(kinds(block, utf8ToBytes("<kind/>")));
		expect(a.node.settings.kind(NEW_KIND)).toBeUndefined();
	});

	test("more than the limit: Error_Invalid_Message", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { addedKinds: 1 } } });
		const b = new WirePeer(world, a);
		const { crypto, admin } = world.household;
		const block = (id: number) => writeKindBlock(testKind(id, "single", "USER-MATCH"), admin, crypto);
		const header = { configurationSequence: 65535 };
		b.send({ ...kinds(block(NEW_KIND), block(NEW_KIND + 1)), to: [nodeDestination(a.id)], header });
		expect(b.error).toBe(ErrorCode.invalidMessage);
		b.send({ ...kinds(block(NEW_KIND)), to: [nodeDestination(a.id)], header });
		b.send({ ...kinds(block(NEW_KIND + 1)), to: [nodeDestination(a.id)], header });
		expect(b.error).toBe(ErrorCode.invalidMessage);
	});

	test("go with the document that no longer lets their signer sign", () => {
		const { world, a, send } = bench();
		const { crypto, admin } = world.household;
		send(kinds(writeKindBlock(testKind(NEW_KIND, "single", "USER-MATCH"), admin, crypto)));
		a.input({ type: "document", bytes: next(world, { kindSigners: [] }) });
		expect(a.node.settings.kind(NEW_KIND)).toBeUndefined();
	});
});
