/**
 * What must be refused in the overlay: by the protocol's own error, with a line in the log that says what to do, and without harm to
 * anybody else. Real TLS, real signatures.
 */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writePingReq } from "../../../core/wire/ping.ts";
import { writeSipRegistration } from "../../../core/wire/sip-registration.ts";
import { encode } from "../../../core/wire/writer.ts";
import { errorHint, errorLine, MAX_REFUSAL_LINES, REFUSAL_WINDOW_MS, Refusals } from "../../../targets/pi/refusals.ts";
import { OverlayPeer, TestLog, until } from "./composed.ts";
import { RawPeer } from "./raw-peer.ts";
import { crypto, DAY_MS, DOMAIN, Realm } from "./realm.ts";
import { ManualClock } from "./support.ts";

const PING = encode(writePingReq, { padding: new Uint8Array(0) });

async function founder(): Promise<{ realm: Realm; peer: OverlayPeer }> {
	const realm = new Realm();
	const peer = await OverlayPeer.open(realm);
	await peer.start();
	return { realm, peer };
}

/** A raw neighbour that is let in. */
async function neighbour(): Promise<{ realm: Realm; peer: OverlayPeer; raw: RawPeer }> {
	const { realm, peer } = await founder();
	const raw = await RawPeer.connect(peer, realm.identity({ userName: `mallory@${DOMAIN}` }));
	await until(() => peer.status().links.length === 1);
	return { realm, peer, raw };
}

/** The last line about something refused, as one text. */
async function refusal(peer: OverlayPeer): Promise<string> {
	await until(() => peer.log.of("overlay.refused").length > 0);
	const line = peer.log.of("overlay.refused").at(-1);
	expect(line?.level).toBe("warn");
	const { what, reason, hint, address } = line?.fields ?? {};
	return `${what}: ${reason}${hint === undefined ? "" : ` (${hint})`} from ${address}`;
}

/** A SIP registration that is right but for its length. */
function talkative(nodeId: Uint8Array): Uint8Array {
	const contactPrefs = utf8ToBytes(`(sip.description="${"x".repeat(1_100)}")`);
	return encode(writeSipRegistration, { type: 2, contactPrefs, destinationList: [nodeDestination(nodeId)] });
}

/** The link is good: a Ping is answered. */
async function answersPing(raw: RawPeer): Promise<boolean> {
	return (
		(await raw.ask(raw.compose(MessageCode.pingReq, PING, [nodeDestination(raw.peer.identity.nodeId)]))) === "ping_ans"
	);
}

describe("links", () => {
	test.each<[string, (realm: Realm) => LocalIdentity, RegExp]>([
		[
			"an expired certificate",
			(realm) => realm.identity({ userName: `late@${DOMAIN}`, notAfterMs: Date.now() - DAY_MS }),
			/^link: the certificate of late@home\.example expired on 20.* UTC, and the clock here says 20.*: enroll again, or set the clock if it is wrong from 127\.0\.0\.1$/,
		],
		[
			"a certificate that is not valid yet",
			(realm) => realm.identity({ userName: `early@${DOMAIN}`, notBeforeMs: Date.now() + DAY_MS }),
			/^link: the certificate of early@home\.example is valid from .* on, but the clock here says .*: set the clock from/,
		],
		[
			"a certificate of another household of the same name",
			() => new Realm().identity(),
			/^link: the certificate (is not issued by a root-cert of this overlay: enroll with this overlay|names .* altered or forged) from/,
		],
	])("%s: the link is closed, counted, and the log says what to do", async (_name, identity, text) => {
		const { realm, peer } = await founder();
		const raw = await RawPeer.connect(peer, identity(realm));
		await raw.heard.seen("end");
		expect(await refusal(peer)).toMatch(text);
		expect(peer.count("refusedLinkCertificate")).toBe(1);
		expect(peer.status().links).toEqual([]);
	});

	test("a revoked node: closed, and the log says so", async () => {
		const { realm, peer } = await founder();
		const revoked = realm.identity();
		peer.host.input({ type: "document", bytes: realm.revise({ badNodes: [revoked.nodeId] }) });
		const raw = await RawPeer.connect(peer, revoked);
		await raw.heard.seen("end");
		expect(await refusal(peer)).toMatch(/^link: .*(revoked|bad-node)/);
	});

	test("another node listens where a peer is expected: refused by the one that connects", async () => {
		const { realm, peer } = await founder();
		const other = await OverlayPeer.open(realm);
		peer.host.command((node, now) =>
			node.links.connect(
				{ endpoint: other.endpoint, expect: crypto.random(16), bootstrap: false, done: () => {} },
				now,
			),
		);
		expect(await refusal(peer)).toMatch(
			/^link: certificate of another node \(the address belongs to another node now, .*\) from 127\.0\.0\.1$/,
		);
		expect(peer.count("refusedLinkIdentity")).toBe(1);
	});
});

describe("a clock that is wrong by a day", () => {
	test("a day behind, in a household of today: the wrong peer refuses the others and its log says to set the clock", async () => {
		const realm = new Realm();
		const young = { notBeforeMs: Date.now() - 3_600_000 };
		const right = await OverlayPeer.open(realm, { identity: realm.identity(young) });
		await right.start();
		const wrong = await OverlayPeer.open(realm, { identity: realm.identity(young), skewMs: -DAY_MS });
		wrong.host.start({ bootstrap: [right.endpoint] });
		expect(await refusal(wrong)).toMatch(
			/^link: the certificate of .* is valid from .*, but the clock here says .*: set the clock/,
		);
		expect(wrong.isIn).toBe(false);
		expect(right.isIn).toBe(true);
	});

	test("two days ahead, when certificates end tomorrow: the same", async () => {
		const realm = new Realm();
		const short = { notAfterMs: Date.now() + DAY_MS };
		const right = await OverlayPeer.open(realm, { identity: realm.identity(short) });
		await right.start();
		const wrong = await OverlayPeer.open(realm, { identity: realm.identity(), skewMs: 2 * DAY_MS });
		wrong.host.start({ bootstrap: [right.endpoint] });
		expect(await refusal(wrong)).toMatch(
			/expired on .*, and the clock here says .*: enroll again, or set the clock if it is wrong/,
		);
	});

	test.each([
		["a day ahead", DAY_MS],
		["a day behind", -DAY_MS],
	])(
		"%s, in a household of long ago: it takes part, and what it registers can be found by the others",
		async (_name, skewMs) => {
			const { realm, peer } = await founder();
			const wrong = await OverlayPeer.open(realm, { skewMs });
			await wrong.start(peer);
			const identity = realm.identity({ userName: `anna@${DOMAIN}` });
			wrong.host.command((node) => node.addIdentity(identity));
			wrong.records.keepCertificate(identity);
			await until(() => wrong.log.of("record.stored").length === 2);
			const place = wrong.host.node.resourceId(identity.nodeId);
			for (const one of [peer, wrong]) {
				const { body } = await one.host.fetch(place, [{ kind: 3 }]);
				expect(body.kinds[0]?.values.length).toBe(1);
			}
		},
	);

	test("set right afterwards: the old time in the overlay is newer; told by Error_Data_Too_Old, with the hint", async () => {
		const { realm, peer } = await founder();
		const identity = realm.identity({ userName: `anna@${DOMAIN}` });
		const raw = await RawPeer.connect(peer, identity);
		await until(() => peer.status().links.length === 1);
		expect(await raw.ask(raw.storeRegistration({ storageTime: Date.now() + DAY_MS }))).toBe("store_ans");
		expect(await raw.ask(raw.storeRegistration())).toMatch(/^Error_Data_Too_Old: storage_time is not after \d+$/);
		expect(errorHint(ErrorCode.dataTooOld)).toContain("check the clock of this machine");
	});
});

describe("signatures", () => {
	test("the right certificate with another key: the message is dropped unanswered, and told with the name it misuses", async () => {
		const { realm, peer, raw } = await neighbour();
		const stolen = realm.stolen(realm.identity({ userName: `anna@${DOMAIN}` }));
		raw.raise(raw.compose(MessageCode.pingReq, PING, [nodeDestination(peer.identity.nodeId)], stolen));
		expect(await refusal(peer)).toBe(
			"message: the signature is not that of anna@home.example: altered, or signed with another key from 127.0.0.1",
		);
		expect(peer.count("droppedSignature")).toBe(1);
		expect(raw.messages).toEqual([]);
		expect(await answersPing(raw)).toBe(true);
	});

	test("a message changed on its way", async () => {
		const { peer, raw } = await neighbour();
		const bytes = raw.compose(MessageCode.pingReq, PING, [nodeDestination(peer.identity.nodeId)]);
		bytes[bytes.length - 1]! ^= 1;
		raw.raise(bytes);
		expect(await refusal(peer)).toMatch(/^message: the signature is not that of mallory@home\.example: altered/);
		expect(await answersPing(raw)).toBe(true);
	});

	test("an expired signer, a foreign one", async () => {
		const { realm, peer, raw } = await neighbour();
		const late = realm.identity({ userName: `late@${DOMAIN}`, notAfterMs: Date.now() - DAY_MS });
		const to = [nodeDestination(peer.identity.nodeId)];
		raw.raise(raw.compose(MessageCode.pingReq, PING, to, late));
		expect(await refusal(peer)).toMatch(/^message: the certificate of late@home\.example expired on .*: enroll again/);
		raw.raise(raw.compose(MessageCode.pingReq, PING, to, new Realm().identity()));
		await until(() => peer.count("droppedSignature") === 2);
		expect(await refusal(peer)).toMatch(/^message: the certificate .*(enroll with this overlay|altered or forged)/);
		expect(await answersPing(raw)).toBe(true);
	});

	test("a stranger floods: the log is not filled, the count is right", async () => {
		const { realm, peer, raw } = await neighbour();
		const stolen = realm.stolen(realm.identity());
		for (let i = 0; i < 60; i++) {
			raw.raise(raw.compose(MessageCode.pingReq, PING, [nodeDestination(peer.identity.nodeId)], stolen));
		}
		await until(() => peer.count("droppedSignature") === 60);
		expect(peer.log.of("overlay.refused").length).toBe(MAX_REFUSAL_LINES);
		expect(await answersPing(raw)).toBe(true);
	});
});

describe("stores", () => {
	test("a good one, for comparison; the very same again changes nothing", async () => {
		const { peer, raw } = await neighbour();
		const store = raw.storeRegistration();
		expect(await raw.ask(store)).toBe("store_ans");
		// RFC 6940 §6.2.1: a retransmission is answered from memory.
		expect(await raw.ask(store)).toBe("store_ans");
		expect(peer.count("answersRepeated")).toBe(1);
		expect(peer.status().storedValues).toBe(1);
	});

	test.each<[string, (raw: RawPeer, realm: Realm) => Uint8Array, RegExp]>([
		[
			"at somebody else's AOR",
			(raw) => raw.storeRegistration({ at: `anna@${DOMAIN}` }),
			/^Error_Forbidden: USER-NODE-MATCH does not allow/,
		],
		[
			"under a Node-ID that is not in the certificate",
			(raw) => raw.storeRegistration({ key: crypto.random(16) }),
			/^Error_Forbidden: USER-NODE-MATCH does not allow/,
		],
		[
			"a value signed with another key than the certificate's",
			(raw, realm) => raw.storeRegistration({ signer: realm.stolen(raw.identity) }),
			/^Error_Forbidden: signature of the value: the signature is not that of mallory@/,
		],
		[
			"a value whose signer the household does not know",
			(raw) => raw.storeRegistration({ signer: new Realm().identity({ userName: raw.identity.userName }) }),
			/^Error_Forbidden: signature of the value: the signer's certificate is not there/,
		],
		[
			"a value above max-size",
			(raw) => raw.storeRegistration({ value: talkative(raw.identity.nodeId) }),
			/^Error_Data_Too_Large: value of \d+ octets, max-size is 1024/,
		],
	])("%s: refused with the error and the reason, nothing changed", async (_name, make, text) => {
		const { realm, peer, raw } = await neighbour();
		expect(await raw.ask(make(raw, realm))).toMatch(text);
		expect(peer.status().storedValues).toBe(0);
		expect(await answersPing(raw)).toBe(true);
	});

	test("an old value stored again: Error_Data_Too_Old, the newer one stays", async () => {
		const { realm, peer, raw } = await neighbour();
		const [old, newer] = [raw.storeRegistration({ storageTime: 1000 }), raw.storeRegistration({ storageTime: 2000 })];
		expect(await raw.ask(old)).toBe("store_ans");
		expect(await raw.ask(newer)).toBe("store_ans");
		// Whoever has seen it sends it in a request of its own: the value's signature is good, its time is not.
		expect(await raw.ask(raw.storeRegistration({ storageTime: 1000 }))).toBe(
			"Error_Data_Too_Old: storage_time is not after 2000",
		);
		// Repeated by another node, the request's signature is still its maker's: answered from memory, or dropped; nothing changes.
		const other = await RawPeer.connect(peer, realm.identity());
		other.raise(old);
		await until(() => peer.status().links.length === 2);
		expect(await answersPing(raw)).toBe(true);
		const resource = peer.host.node.resourceId(new TextEncoder().encode(raw.identity.userName));
		const { body } = await peer.host.fetch(resource, [{ kind: 1 }]);
		expect(body.kinds[0]?.values.map(({ stored }) => stored.storageTime)).toEqual([2000]);
	});

	test("a message above max-message-size: told with Error_Message_Too_Large, then the link is closed", async () => {
		const { peer, raw } = await neighbour();
		raw.raise(raw.storeRegistration({ value: new Uint8Array(20_000) }));
		await raw.heard.seen("end");
		expect(raw.heard.list.some((one) => one.startsWith("Error_Message_Too_Large"))).toBe(true);
		expect(peer.count("droppedTooLarge")).toBe(1);
	});

	test("our own store that is refused: the log names the error and what to do", async () => {
		const { realm, peer } = await founder();
		const identity = realm.identity({ userName: `anna@${DOMAIN}` });
		peer.host.command((node) => node.addIdentity(identity));
		peer.records.keepRegistration(identity, crypto.random(16), new Uint8Array(10), 600);
		const line = await peer.log.line("record.failed");
		expect(line.level).toBe("warn");
		expect(line.fields.error).toMatch(/^Error_Forbidden: /);
		expect(line.fields.hint).toContain("`ringlet nodes`");
	});
});

describe("octets on a live link", () => {
	const noise = (length: number): Uint8Array => crypto.random(length);

	test.each<[string, (raw: RawPeer) => Uint8Array, string]>([
		["octets that are no message", () => noise(200), "droppedHeader"],
		["a message cut short", (raw) => raw.storeRegistration().slice(0, 60), "droppedHeader"],
		[
			"another overlay's message",
			(raw) => {
				const bytes = raw.storeRegistration();
				bytes[4]! ^= 1;
				return bytes;
			},
			"droppedOverlay",
		],
		[
			"another version",
			(raw) => {
				const bytes = raw.storeRegistration();
				bytes[10] = 9;
				return bytes;
			},
			"droppedVersion",
		],
		[
			"contents that end too early",
			(raw) => {
				const bytes = raw.compose(MessageCode.pingReq, PING, [nodeDestination(raw.peer.identity.nodeId)]);
				const cut = bytes.slice(0, bytes.length - 40);
				new DataView(cut.buffer).setUint32(16, cut.length);
				return cut;
			},
			"droppedMessage",
		],
	])("%s: dropped and counted, the link stays", async (_name, make, counter) => {
		const { peer, raw } = await neighbour();
		raw.raise(make(raw));
		await until(() => peer.count(counter) === 1);
		expect(await answersPing(raw)).toBe(true);
		expect(raw.isOpen).toBe(true);
	});

	test("a body that cannot be read: Error_Invalid_Message with the reason", async () => {
		const { peer, raw } = await neighbour();
		const to = [nodeDestination(peer.identity.nodeId)];
		expect(await raw.ask(raw.compose(MessageCode.storeReq, noise(7), to))).toMatch(/^Error_Invalid_Message: ./);
		expect(await answersPing(raw)).toBe(true);
	});

	test("a method nobody knows: Error_Invalid_Message", async () => {
		const { peer, raw } = await neighbour();
		const to = [nodeDestination(peer.identity.nodeId)];
		expect(await raw.ask(raw.compose(0x7ffd, new Uint8Array(0), to))).toMatch(
			/^Error_Invalid_Message: .* is not served here/,
		);
	});

	test("framing that is lost: the link is closed and counted, the others stay, and it may come back", async () => {
		const { realm, peer, raw } = await neighbour();
		const other = await RawPeer.connect(peer, realm.identity());
		await until(() => peer.status().links.length === 2);
		raw.stream.write(noise(500).fill(7, 0, 1));
		await raw.heard.seen("end");
		expect(peer.count("refusedLinkFrame")).toBe(1);
		expect(await answersPing(other)).toBe(true);
		const again = await RawPeer.connect(peer, raw.identity);
		await until(() => peer.status().links.length === 2);
		expect(await answersPing(again)).toBe(true);
	});

	test("everything that was dropped is in the counters people see", async () => {
		const { peer, raw } = await neighbour();
		raw.raise(noise(100));
		await until(() => peer.count("droppedHeader") === 1);
		expect(Object.keys(peer.status().counters)).toContain("droppedHeader");
	});
});

describe("the log of refusals", () => {
	test("so many lines of one kind, then one that says how many more there were", () => {
		const [clock, log] = [new ManualClock(), new TestLog()];
		const refusals = new Refusals({ clock, log: log.log });
		const event = { type: "refused", what: "link", reason: "bad-node", address: "192.0.2.1" } as const;
		for (let i = 0; i < MAX_REFUSAL_LINES + 7; i++) refusals.refused(event);
		refusals.refused({ ...event, what: "message" });
		expect(log.of("overlay.refused").length).toBe(MAX_REFUSAL_LINES + 1);
		expect(log.of("overlay.refused")[0]?.fields.hint).toContain("was revoked");
		clock.advance(REFUSAL_WINDOW_MS);
		refusals.refused(event);
		expect(log.of("overlay.refusedMore")).toMatchObject([{ fields: { what: "link", count: 7 } }]);
		expect(log.of("overlay.refused").length).toBe(MAX_REFUSAL_LINES + 2);
	});

	test("what OpenSSL says, in words, with what it means; also so many lines only", () => {
		const [clock, log] = [new ManualClock(), new TestLog()];
		const refusals = new Refusals({ clock, log: log.log });
		const said =
			"handshake failed: 80BC455AD57F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../x.c:350:\n";
		const reasons = [said, "no certificate", "handshake failed: read ECONNRESET", "too many handshakes under way"];
		for (const reason of reasons) refusals.handshake("link.refused", reason, "192.0.2.1");
		expect(log.of("link.refused").map(({ fields }) => [fields.reason, fields.hint])).toEqual([
			["handshake failed: wrong version number", "whoever that is, it does not speak TLS as Ringlet does"],
			["no certificate", "whoever that is, it is no peer or device of this household"],
			["handshake failed: read ECONNRESET", undefined],
			["too many handshakes under way", "see how many connections come from that address"],
		]);
		for (let i = 0; i < 2 * MAX_REFUSAL_LINES; i++) refusals.handshake("link.refused", said, "192.0.2.1");
		expect(log.of("link.refused").length).toBe(MAX_REFUSAL_LINES);
	});

	test("errors by name", () => {
		expect(errorLine(ErrorCode.forbidden, "")).toBe("Error_Forbidden");
		expect(errorLine(ErrorCode.dataTooLarge, "300 values")).toBe("Error_Data_Too_Large: 300 values");
		expect(errorHint(ErrorCode.ttlExceeded)).toBe("");
	});
});
