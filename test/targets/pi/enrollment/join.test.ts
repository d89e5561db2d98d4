import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { joinHousehold } from "../../../../targets/pi/enrollment/join.ts";
import { readJoinUrl, writeJoinUrl } from "../../../../targets/pi/household/join-url.ts";
import { CERTIFICATE_LIFETIME_MS } from "../../../../targets/pi/household/limits.ts";
import { openMembership } from "../../../../targets/pi/household/membership.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { crypto, HOME, MemoryStore, PASSWORD, scratch } from "../support.ts";
import { serveHouse } from "./support.ts";

function emptyState(): { state: PiState; store: MemoryStore } {
	const store = new MemoryStore();
	const state = PiState.open({ path: scratch(), openStore: () => store });
	onTestFinished(() => state.close());
	return { state, store };
}

test("a peer joins by an invitation", async () => {
	const house = await serveHouse();
	const { state } = emptyState();
	const { url } = await house.admin.invite({ role: "peer" });
	const membership = await joinHousehold(state, house.client, crypto, url);
	expect(membership.overlayName).toBe(HOME);
	expect(membership.identity.userName).toMatch(/^peer-[0-9a-f]{16}@home\.example$/);
	expect(membership.document).toEqual(house.household.document);
	expect(membership.root.der).toEqual(house.household.authority.root.der);
	expect(openMembership(state, crypto)?.identity.nodeId).toEqual(membership.identity.nodeId);
	expect(readFileSync(state.directory.caPath, "utf8")).toBe(house.household.authority.rootPem);
	expect(state.list("pi/pending/")).toEqual([]);
	expect(house.household.snapshot().peers).toHaveLength(2);
	await expect(joinHousehold(state, house.client, crypto, url)).rejects.toThrow(/belongs to a household already/);
	// The code was good once.
	await expect(joinHousehold(emptyState().state, house.client, crypto, url)).rejects.toThrow(
		/wrong, used already, or expired; ask for a new code/,
	);
});

test("another household's server is told by its fingerprint, before anything is said to it", async () => {
	const house = await serveHouse();
	const other = await serveHouse();
	const invitation = readJoinUrl((await house.admin.invite({ role: "peer" })).url);
	const { state } = emptyState();
	const url = writeJoinUrl({ ...invitation, addresses: [other.address] });
	await expect(joinHousehold(state, house.client, crypto, url)).rejects.toThrow(
		/^127\.0\.0\.1:\d+: this server belongs to another household than the invitation; check the address/,
	);
	expect(other.events).toEqual([]);
	expect(state.list("pi/")).toEqual([]);
	// Its own household has the right fingerprint but another name.
	const renamed = writeJoinUrl({ ...invitation, overlayName: "other.example" });
	await expect(joinHousehold(state, house.client, crypto, renamed)).rejects.toThrow(
		/not the enrollment server of this household/,
	);
});

test("an impostor that shows the true CA but has no certificate of it gets no code", async () => {
	const house = await serveHouse();
	const other = await serveHouse();
	const leaf = await other.household.serverIdentity(["127.0.0.1"]);
	const seen: string[] = [];
	const cert = leaf.cert.slice(0, leaf.cert.indexOf("-----BEGIN", 1));
	const chain = cert + house.household.authority.rootPem;
	const impostor = createServer({ key: leaf.key, cert: chain }, (message) => seen.push(message.url ?? ""));
	await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => void impostor.close());
	const { port } = impostor.address() as AddressInfo;
	const invitation = readJoinUrl((await house.admin.invite({ role: "peer" })).url);
	const url = writeJoinUrl({ ...invitation, addresses: [{ address: "127.0.0.1", port }] });
	await expect(joinHousehold(emptyState().state, house.client, crypto, url)).rejects.toThrow(
		/another household|not the enrollment server/,
	);
	expect(seen).toEqual([]);
});

test("addresses are tried in turn", async () => {
	const house = await serveHouse();
	const dead = await serveHouse();
	await dead.server.close();
	const invitation = readJoinUrl((await house.admin.invite({ role: "peer" })).url);
	const both = { ...invitation, addresses: [dead.address, house.address] };
	const membership = await joinHousehold(emptyState().state, house.client, crypto, both);
	expect(membership.enrollment).toEqual(both.addresses);
	const none = { ...invitation, addresses: [dead.address] };
	await expect(joinHousehold(emptyState().state, house.client, crypto, none)).rejects.toThrow(
		/no answer \(ECONNREFUSED\); check the address and that the daemon runs/,
	);
});

test("the power goes while joining: the same call again, with the code used up, gets the certificate", async () => {
	const house = await serveHouse();
	const { state, store } = emptyState();
	const { url } = await house.admin.invite({ role: "peer" });
	const { enroll } = house.issuing;
	// The certificate was issued and recorded; the answer arrives, and the disk is gone.
	house.issuing.enroll = async (form) => {
		const result = await enroll.call(house.issuing, form);
		store.failing = "power cut";
		return result;
	};
	await expect(joinHousehold(state, house.client, crypto, url)).rejects.toThrow(/power cut/);
	store.failing = undefined;
	house.issuing.enroll = (form) => enroll.call(house.issuing, form);
	expect(openMembership(state, crypto)).toBeUndefined();
	const membership = await joinHousehold(state, house.client, crypto, url);
	expect(house.household.registry.ofNodeId(membership.identity.nodeId)?.role).toBe("peer");
	expect(house.household.snapshot().peers).toHaveLength(2);
});

test("a device's invitation is not for a peer", async () => {
	const house = await serveHouse();
	const { url } = await house.admin.invite({ role: "device", name: "frontdoor" });
	await expect(joinHousehold(emptyState().state, house.client, crypto, url)).rejects.toThrow(
		/invitation is for frontdoor, not for a peer/,
	);
});

test("a device pairs with its code, and a user enrolls with name and password", async () => {
	const house = await serveHouse();
	const { url } = await house.admin.invite({ role: "device", name: "frontdoor" });
	const invitation = readJoinUrl(url);
	const seen = await house.client.visit(invitation);
	const name = invitation.name ?? "";
	const device = await house.client.enroll(seen, crypto.generateKey(), `${name}@${HOME}`, {
		username: name,
		password: invitation.code,
	});
	expect(house.household.snapshot().devices).toEqual([{ aor: `frontdoor@${HOME}`, nodeIds: [device.nodeId] }]);
	await house.admin.addAccount("alice", PASSWORD);
	const user = await house.client.enroll(
		seen,
		crypto.generateKey(),
		`alice@${HOME}`,
		{ username: "alice", password: PASSWORD },
		2,
	);
	expect(user.certificate.nodeIds).toHaveLength(2);
	expect(user.userName).toBe(`alice@${HOME}`);
	const credentials = { username: "alice", password: "wrong horse" };
	await expect(house.client.enroll(seen, crypto.generateKey(), `alice@${HOME}`, credentials)).rejects.toThrow(
		/refuses the code or password/,
	);
	await expect(
		house.client.enroll(seen, crypto.generateKey(), `bob@${HOME}`, { ...credentials, password: PASSWORD }),
	).rejects.toThrow(/refuses this name/);
});

test("renewal at two thirds of the lifetime, with the same Node-ID", async () => {
	const house = await serveHouse();
	const { url } = await house.admin.invite({ role: "peer" });
	const seen = await house.client.visit(readJoinUrl(url));
	const { identity } = await joinHousehold(emptyState().state, house.client, crypto, url);
	const { notBeforeMs, notAfterMs } = identity.certificate;
	house.clock.advance(((notAfterMs - notBeforeMs) * 2) / 3 - (house.clock.wallMs() - notBeforeMs) - 1);
	expect(house.client.wantsRenewal(identity)).toBe(false);
	house.clock.advance(1);
	expect(house.client.wantsRenewal(identity)).toBe(true);
	const renewed = await house.client.renew(seen, identity);
	expect(renewed.nodeId).toEqual(identity.nodeId);
	expect(renewed.certificate.notAfterMs).toBe(house.clock.wallMs() + CERTIFICATE_LIFETIME_MS);
	await house.admin.revoke(identity.userName);
	await expect(house.client.renew(seen, identity)).rejects.toThrow(/refuses the code or password/);
});

test("the CA may come from a file instead of an invitation", async () => {
	const house = await serveHouse();
	const seen = await house.client.revisit(house.address, HOME, house.household.authority.root.der);
	expect(seen.config.instanceName).toBe(HOME);
	const other = await serveHouse();
	await expect(house.client.revisit(other.address, HOME, house.household.authority.root.der)).rejects.toThrow(
		/not the enrollment server of this household/,
	);
	await expect(house.client.revisit(house.address, HOME, new Uint8Array())).rejects.toThrow(/the household CA/);
});

test("what comes is checked: a certificate of another household, key or name is not taken", async () => {
	const house = await serveHouse();
	const other = await serveHouse();
	await house.admin.addAccount("alice", PASSWORD);
	const seen = await house.client.visit(readJoinUrl((await house.admin.invite({ role: "peer" })).url));
	const key = crypto.generateKey();
	const { spki } = key;
	const validity = house.household.authority.validity(house.clock.wallMs());
	const nodeIds = [crypto.random(16)];
	const alice = `alice@${HOME}`;
	const wrong = [
		other.household.authority.issue({ spki, nodeIds, userName: alice }, validity),
		house.household.authority.issue({ spki: crypto.generateKey().spki, nodeIds, userName: alice }, validity),
		house.household.authority.issue({ spki, nodeIds, userName: `bob@${HOME}` }, validity),
	];
	for (const certificate of wrong) {
		house.issuing.enroll = async () => ({ certificate });
		await expect(house.client.enroll(seen, key, alice, { username: "alice", password: PASSWORD })).rejects.toThrow(
			/certificate is not good/,
		);
	}
});

test("the state of a joined peer holds its key sealed", async () => {
	const house = await serveHouse();
	const path = join(scratch(), "state");
	const state = PiState.open({ path });
	const membership = await joinHousehold(state, house.client, crypto, (await house.admin.invite({ role: "peer" })).url);
	const pkcs8 = Buffer.from(membership.identity.key.exportPkcs8());
	await state.close();
	const bytes = readFileSync(join(path, "store", "data.mdb"));
	expect(bytes.includes(pkcs8)).toBe(false);
	// The 32 octets of the private number alone.
	expect(bytes.includes(pkcs8.subarray(36, 68))).toBe(false);
	expect(bytes.includes(Buffer.from(membership.identity.certificate.der))).toBe(false);
	expect(existsSync(join(path, "household-ca.pem"))).toBe(true);
});
