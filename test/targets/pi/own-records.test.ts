/** What a peer keeps stored for itself and its hosted users, in an overlay of one or two. */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { equalBytes, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writeSipRegistration } from "../../../core/wire/sip-registration.ts";
import { encode } from "../../../core/wire/writer.ts";
import { OwnRecords } from "../../../targets/pi/own-records.ts";
import { OverlayPeer, until } from "./composed.ts";
import { crypto, DOMAIN, Realm } from "./realm.ts";

async function withAnna(): Promise<{ realm: Realm; peer: OverlayPeer; anna: LocalIdentity }> {
	const realm = new Realm();
	const peer = await OverlayPeer.open(realm);
	await peer.start();
	const anna = realm.identity({ userName: `anna@${DOMAIN}` });
	peer.host.command((node) => node.addIdentity(anna));
	return { realm, peer, anna };
}

function stored(peer: OverlayPeer, name: string): number {
	return peer.log.of("record.stored").filter(({ fields }) => fields.name === name).length;
}

const aorOf = (peer: OverlayPeer, identity: LocalIdentity): Uint8Array =>
	peer.host.node.resourceId(utf8ToBytes(identity.userName));

function registration(identity: LocalIdentity, text: string): Uint8Array {
	const destinationList = [nodeDestination(identity.nodeId)];
	return encode(writeSipRegistration, { type: 2, contactPrefs: utf8ToBytes(text), destinationList });
}

async function values(peer: OverlayPeer, resource: Uint8Array, kind: number): Promise<Uint8Array[]> {
	const { body } = await peer.host.fetch(resource, [{ kind }]);
	const found = body.kinds[0]?.values ?? [];
	return found.filter(({ stored: one }) => one.value.value.exists).map(({ stored: one }) => one.value.value.value);
}

describe("certificates", () => {
	test("at the user's name and at the Node-ID (RFC 6940 §8), signed by their owner", async () => {
		const { peer, anna } = await withAnna();
		peer.records.keepCertificate(anna);
		const name = toHex(anna.nodeId);
		await until(() => stored(peer, `certificate/16/${name}`) === 1 && stored(peer, `certificate/3/${name}`) === 1);
		const places = [
			[aorOf(peer, anna), KindId.certificateByUser],
			[peer.host.node.resourceId(anna.nodeId), KindId.certificateByNode],
		] as const;
		for (const [resource, kind] of places) expect(await values(peer, resource, kind)).toEqual([anna.certificate.der]);
	});

	test("kept twice it is there once; two nodes of one user stand side by side", async () => {
		const { realm, peer, anna } = await withAnna();
		const other = realm.identity({ userName: anna.userName });
		peer.host.command((node) => node.addIdentity(other));
		for (const identity of [anna, other, anna]) peer.records.keepCertificate(identity);
		await until(() => peer.log.of("record.stored").length >= 4);
		await expect.poll(() => values(peer, aorOf(peer, anna), KindId.certificateByUser)).toHaveLength(2);
	});
});

describe("registrations", () => {
	test("kept, replaced, removed", async () => {
		const { peer, anna } = await withAnna();
		const resource = aorOf(peer, anna);
		const name = `registration/${toHex(anna.nodeId)}`;
		for (const [i, text] of ["(one)", "(two)"].entries()) {
			const value = registration(anna, text);
			peer.records.keepRegistration(anna, resource, value, 600);
			await until(() => stored(peer, name) === i + 1);
			expect(await values(peer, resource, KindId.sipRegistration)).toEqual([value]);
		}
		peer.records.removeRegistration(anna);
		await until(() => peer.log.of("record.removed").length === 1);
		expect(await values(peer, resource, KindId.sipRegistration)).toEqual([]);
	});

	test("stored again when the overlay was joined anew: the peer in charge may be another one now", async () => {
		const { realm, peer, anna } = await withAnna();
		const second = await OverlayPeer.open(realm);
		second.host.command((node) => node.addIdentity(anna));
		second.records.keepRegistration(anna, aorOf(second, anna), registration(anna, ""), 600);
		// Nobody is there yet.
		const failed = await second.log.line("record.failed");
		expect(failed.level).toBe("info");
		await second.start(peer);
		await until(() => stored(second, `registration/${toHex(anna.nodeId)}`) > 0);
		expect(await values(peer, aorOf(peer, anna), KindId.sipRegistration)).toHaveLength(1);
	});
});

describe("who is gone", () => {
	test("nothing of it is stored any more, and its place is free for another", async () => {
		const { realm, peer, anna } = await withAnna();
		peer.records.close();
		const { clock, log, host } = peer;
		const records = new OwnRecords({ host, clock, log: log.log, crypto, limit: 3 });
		records.keepCertificate(anna);
		records.keepRegistration(anna, aorOf(peer, anna), registration(anna, ""), 600);
		await until(() => log.of("record.stored").length === 3);
		const bert = realm.identity({ userName: `bert@${DOMAIN}` });
		host.command((node) => node.addIdentity(bert));
		records.keepCertificate(bert);
		const full = log.of("records.full");
		expect(full.map(({ level }) => level)).toEqual(["error", "error"]);
		expect(full[0]?.fields.hint).toContain("too many accounts");
		records.forget(anna);
		host.command((node) => node.removeIdentity(anna.nodeId));
		await until(() => log.of("record.removed").length === 1);
		records.keepCertificate(bert);
		records.keepRegistration(bert, aorOf(peer, bert), registration(bert, ""), 600);
		await until(() => log.of("record.stored").length === 6);
		expect(await values(peer, aorOf(peer, anna), KindId.sipRegistration)).toEqual([]);
		expect(log.of("record.failed")).toEqual([]);
		records.close();
	});

	test("waiting for removals: over when the last one is done, at once when there is none", async () => {
		const { realm, peer, anna } = await withAnna();
		const bert = realm.identity({ userName: `bert@${DOMAIN}` });
		peer.host.command((node) => node.addIdentity(bert));
		// Never registered: there is nothing to remove, and nothing to wait for.
		peer.records.forget(bert);
		await peer.records.removed(60_000);
		for (const identity of [anna, bert])
			peer.records.keepRegistration(identity, aorOf(peer, identity), registration(identity, ""), 600);
		await until(() => peer.log.of("record.stored").length === 2);
		for (const identity of [anna, bert]) peer.records.removeRegistration(identity);
		await peer.records.removed(60_000);
		expect(peer.log.of("record.removed").length).toBe(2);
		await peer.records.removed(60_000);
	});

	test("what is of no interest to it: results of others' commands", async () => {
		const { peer } = await withAnna();
		const resource = crypto.random(16);
		const token = peer.host.command((node, now) => node.fetch(resource, [{ kind: KindId.sipRegistration }], now));
		expect(token).toBeGreaterThan(0);
		const { from } = await peer.host.ping([nodeDestination(peer.identity.nodeId)]);
		expect(equalBytes(from.nodeId, peer.identity.nodeId)).toBe(true);
	});
});
