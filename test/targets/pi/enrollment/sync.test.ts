import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readConfigDocument } from "../../../../core/config/document.ts";
import { Trust } from "../../../../core/identity/trust.ts";
import { isRefused } from "../../../../core/machine.ts";
import { equalBytes } from "../../../../core/wire/bytes.ts";
import { RemoteSource } from "../../../../targets/pi/enrollment/remote-source.ts";
import { EnrollmentServer } from "../../../../targets/pi/enrollment/server.ts";
import { HouseholdAdmin } from "../../../../targets/pi/household/admin.ts";
import { HOUSEHOLD_COMMANDS, memberCommands } from "../../../../targets/pi/household/commands.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import { Issuing } from "../../../../targets/pi/household/issuing.ts";
import { CERTIFICATE_LIFETIME_MS, CONFIRM_WAIT_MS, RETRY_FIRST_MS } from "../../../../targets/pi/household/limits.ts";
import { LocalSource } from "../../../../targets/pi/household/local-source.ts";
import { openMembership } from "../../../../targets/pi/household/membership.ts";
import { digestVerifiers } from "../../../../targets/pi/household/passwords.ts";
import { HouseholdSync } from "../../../../targets/pi/household/sync.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { crypto, HOME, ManualClock, PASSWORD, scratch } from "../support.ts";
import { follow, serveHouse, until } from "./support.ts";

const ALICE = `alice@${HOME}`;
const DAY = 86_400_000;

describe("accounts", () => {
	test("an account that is added can be used on every connected peer when `add` answers", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const peers = [await follow(house), await follow(house)];
		for (const peer of peers) peer.sync.start();
		await until(() => peers.every((peer) => peer.serves("alice")));
		await until(() => house.household.connected().length === 2);
		const applied = await house.admin.addAccount("bob", PASSWORD);
		expect([...applied.confirmed].sort()).toEqual(peers.map((peer) => peer.sync.identity.userName).sort());
		expect(applied.waiting).toEqual([]);
		for (const { sync, serves } of peers) {
			expect(serves("bob")).toBe(true);
			expect(sync.account("bob")).toMatchObject(digestVerifiers("bob", HOME, PASSWORD));
		}
		const identities = peers.map((peer) => peer.sync.hosted(`bob@${HOME}`));
		const trust = new Trust({ crypto, roots: [house.household.authority.root], overlayName: HOME, nodeIdLength: 16 });
		for (const identity of identities) {
			expect(identity?.userName).toBe(`bob@${HOME}`);
			expect(isRefused(trust.check(identity?.certificate.der ?? new Uint8Array(), [], house.clock.wallMs()))).toBe(
				false,
			);
		}
		expect(identities[0]?.nodeId).not.toEqual(identities[1]?.nodeId);
	});

	test("a change of password and a removal arrive as well", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		await house.admin.addGroup("everyone");
		const peer = await follow(house);
		peer.sync.start();
		await until(() => house.household.connected().length === 1 && peer.serves("alice") && peer.serves("everyone"));
		expect(peer.sync.account("everyone")).toMatchObject({ kind: "group", ha1Sha256: "" });
		await house.admin.changePassword("alice", "another one");
		expect(peer.sync.account("alice")).toMatchObject(digestVerifiers("alice", HOME, "another one"));
		const identity = peer.sync.hosted(ALICE);
		await house.admin.removeAccount("alice");
		expect(peer.serves("alice")).toBe(false);
		expect(peer.updates.at(-1)?.removed).toEqual([identity]);
		// The document that names the old Node-ID as bad came along.
		const document = peer.updates.at(-1)?.document ?? new Uint8Array();
		const read = readConfigDocument(document, crypto);
		expect(isRefused(read) ? [] : read.config.badNodes).toEqual([identity?.nodeId]);
		expect(peer.sync.document).toEqual(house.household.document);
	});

	test("a peer that cannot take a change over in time is named", async () => {
		const house = await serveHouse();
		let open: () => void = () => undefined;
		let isHeld = false;
		const peer = await follow(house, {
			onApply: () => (isHeld ? new Promise<void>((resolve) => (open = resolve)) : undefined),
		});
		peer.sync.start();
		await until(() => house.household.connected().length === 1);
		await house.household.confirmation(house.household.version.sequence);
		isHeld = true;
		const adding = house.admin.addAccount("alice", PASSWORD);
		await until(() => peer.updates.at(-1)?.added.some(({ userName }) => userName === ALICE) === true);
		house.timers.advance(CONFIRM_WAIT_MS);
		expect(await adding).toMatchObject({ confirmed: [], waiting: [peer.sync.identity.userName] });
		isHeld = false;
		open();
		await until(() => peer.serves("alice"));
	});

	test("the founder's own peer follows without a network", async () => {
		const house = await serveHouse();
		const membership = openMembership(house.state, crypto);
		if (membership === undefined) throw new Error("no membership");
		const { state, clock, timers, household, issuing } = house;
		const source = new LocalSource(household, issuing);
		const sync = new HouseholdSync({ state, crypto, clock, timers, membership, source, onApply: () => undefined });
		await house.admin.addAccount("bob", PASSWORD);
		sync.start();
		await sync.firstTry;
		expect(sync.account("bob")).toBeDefined();
		expect(sync.hosted(`bob@${HOME}`)).toBeDefined();
		await until(() => household.connected().length === 1);
		const applied = await house.admin.addAccount("alice", PASSWORD);
		expect(applied.confirmed).toEqual([membership.identity.userName]);
		expect(sync.hosted(ALICE)?.userName).toBe(ALICE);
		expect(sync.document).toEqual(household.document);
		await sync.close();
	});
});

describe("without the enrollment server", () => {
	test("a peer goes on with what it has, also after a restart, and comes back by itself", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const first = await follow(house);
		first.sync.start();
		await until(() => first.serves("alice") && first.sync.isConnected);
		const identity = first.sync.hosted(ALICE);
		await first.sync.close();
		await house.server.close();

		const second = await follow(house, { state: first.state, store: first.store });
		expect(second.serves("alice")).toBe(true);
		expect(second.sync.hosted(ALICE)?.nodeId).toEqual(identity?.nodeId);
		expect(second.sync.account("alice")).toMatchObject(digestVerifiers("alice", HOME, PASSWORD));
		second.sync.start();
		await until(() => second.events.includes("household.unreachable") && second.timers.pending === 1);
		await house.server.listen({ port: house.address.port, host: "127.0.0.1", hosts: ["127.0.0.1"] });
		second.timers.advance(RETRY_FIRST_MS * 2);
		await until(() => second.sync.isConnected);
		await until(() => house.household.connected().length === 1);
		await house.admin.addAccount("bob", PASSWORD);
		expect(second.serves("bob")).toBe(true);
	});

	test("the connection breaks between accounts and certificates: verifiers are there, the rest follows", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		let isBroken = true;
		const peer = await follow(house, {
			wrap: (source) => ({
				changes: (since, signal) => source.changes(since, signal),
				hosted: (requests) => (isBroken ? Promise.reject(new Error("cable")) : source.hosted(requests)),
				announce: (addresses) => source.announce(addresses),
				renew: (csr) => source.renew(csr),
			}),
		});
		peer.sync.start();
		await until(() => peer.updates.length === 1 && peer.timers.pending === 1);
		expect(peer.sync.account("alice")).toBeDefined();
		expect(peer.serves("alice")).toBe(false);
		const pending = peer.store.records.get(`pi/hosted/${ALICE}`);
		expect(pending).toBeDefined();
		isBroken = false;
		peer.timers.advance(RETRY_FIRST_MS * 2);
		await until(() => peer.serves("alice"));
		// The keys that were made before the break got the certificates, for the account and for the house: nothing was left over.
		expect(house.household.registry.find((one) => one.role === "hosted")).toHaveLength(2);
	});

	test("the answer to a request is lost: the same key is asked for again and keeps its Node-ID", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		let isLost = true;
		const peer = await follow(house, {
			wrap: (source) => ({
				changes: (since, signal) => source.changes(since, signal),
				hosted: async (requests) => {
					const results = await source.hosted(requests);
					if (isLost) throw new Error("power cut");
					return results;
				},
				announce: (addresses) => source.announce(addresses),
				renew: (csr) => source.renew(csr),
			}),
		});
		peer.sync.start();
		await until(() => peer.timers.pending === 1);
		const [issued] = house.household.registry.find((one) => one.role === "hosted");
		isLost = false;
		peer.timers.advance(RETRY_FIRST_MS * 2);
		await until(() => peer.serves("alice"));
		expect([peer.sync.hosted(ALICE)?.nodeId]).toEqual(issued?.nodeIds);
	});
});

describe("addresses, revocation, renewal", () => {
	test("a peer's address is announced, and announced again after the server was away", async () => {
		const house = await serveHouse();
		let announced = 0;
		const peer = await follow(house, {
			wrap: (source) => ({
				changes: (since, signal) => source.changes(since, signal),
				hosted: (requests) => source.hosted(requests),
				announce: (addresses) => {
					announced++;
					return source.announce(addresses);
				},
				renew: (csr) => source.renew(csr),
			}),
		});
		const link = [{ address: "192.0.2.7", port: 6084 }];
		peer.sync.announce({ link, enrollment: [] });
		peer.sync.start();
		await until(() => {
			void house.household.addresses.flush();
			return peer.sync.config.bootstrapNodes.length === 2;
		});
		expect(house.household.config.bootstrapNodes[0]).toEqual(link[0]);
		expect(house.household.snapshot().peers).toContainEqual(
			expect.objectContaining({ nodeId: peer.sync.identity.nodeId, link }),
		);
		expect(announced).toBe(1);
		await house.server.close();
		await until(() => !peer.sync.isConnected && peer.timers.pending === 1);
		await house.server.listen({ port: house.address.port, host: "127.0.0.1", hosts: ["127.0.0.1"] });
		peer.timers.advance(RETRY_FIRST_MS * 2);
		await until(() => announced === 2);
	});

	test("a pause between two tries ends at once when the peer that runs the enrollment is seen again", async () => {
		const house = await serveHouse();
		let asked = 0;
		const peer = await follow(house, {
			wrap: (source) => ({
				changes: (since, signal) => {
					asked++;
					return source.changes(since, signal);
				},
				hosted: (requests) => source.hosted(requests),
				announce: (addresses) => source.announce(addresses),
				renew: (csr) => source.renew(csr),
			}),
		});
		peer.sync.start();
		await until(() => peer.sync.isConnected);
		await house.server.close();
		await until(() => !peer.sync.isConnected && peer.timers.pending === 1);
		const before = asked;
		// No time passes: only the word that the peer is there.
		peer.sync.retryNow();
		await until(() => asked === before + 1);
	});

	test.each([
		["while a pause between two tries lasts", false],
		["while the old place has not answered yet, and never will", true],
	])("the server moves, and the overlay brings the document: found at once, %s", async (_when, isSilent) => {
		const house = await serveHouse();
		const { household, issuing } = house;
		const before = household.config.enrollmentServers;
		let asked = 0;
		let answered = 0;
		const peer = await follow(house, {
			wrap: (source) => ({
				changes: async (since, signal) => {
					if (isSilent && ++asked > 1 && peer.sync.config.enrollmentServers.join() === before.join())
						await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
					const changes = await source.changes(since, signal);
					answered++;
					return changes;
				},
				hosted: (requests) => source.hosted(requests),
				announce: (addresses) => source.announce(addresses),
				renew: (csr) => source.renew(csr),
			}),
		});
		peer.sync.start();
		await until(() => peer.sync.isConnected && (asked === 2 || household.connected().length === 1));
		await house.server.close();
		if (!isSilent) await until(() => !peer.sync.isConnected && peer.timers.pending === 1);
		const moved = new EnrollmentServer({ household, issuing, timers: house.timers });
		onTestFinished(() => moved.close());
		const port = await moved.listen({ port: 0, host: "127.0.0.1", hosts: ["127.0.0.1"] });
		const told = household.announce(household.founder, { link: [], enrollment: [{ address: "127.0.0.1", port }] });
		await household.addresses.flush();
		await told;
		expect(answered).toBe(1);
		// No time passes.
		await peer.sync.noteDocument(household.document);
		await until(() => answered === 2 && peer.sync.isConnected);
	});

	test("the server has moved: the document's place is tried, however many calls failed at the old one", async () => {
		const house = await serveHouse();
		const { state, sync } = await follow(house);
		const membership = openMembership(state, crypto);
		if (membership === undefined) throw new Error("joined nothing");
		// Nobody listens there any more.
		const old = { ...membership, enrollment: [{ address: "127.0.0.1", port: 1 }] };
		let { config } = sync;
		const now = config;
		config = { ...config, enrollmentServers: [] };
		const source = new RemoteSource({ membership: old, config: () => config, identity: () => sync.identity });
		onTestFinished(() => source.close());
		const { signal } = new AbortController();
		await expect(source.changes(undefined, signal)).rejects.toThrow("ECONNREFUSED");
		config = now;
		// A failing step of the sync makes two calls at once.
		const calls = () => [source.changes(undefined, signal), source.hosted([])];
		await Promise.allSettled(calls());
		await Promise.allSettled(calls());
		await expect(source.changes(undefined, signal)).resolves.toMatchObject({ document: sync.document });
	});

	test("a revoked peer is told nothing more, at once", async () => {
		const house = await serveHouse();
		const peer = await follow(house);
		const other = await follow(house);
		for (const one of [peer, other]) one.sync.start();
		await until(() => house.household.connected().length === 2);
		await house.admin.revoke(peer.sync.identity.userName);
		await until(() => peer.events.includes("household.unreachable"));
		// With it go the identities it held for others: the house's, when it had that one already.
		const isBad = (): boolean => other.sync.config.badNodes.some((id) => equalBytes(id, peer.sync.identity.nodeId));
		await until(isBad);
		const applied = await house.admin.addAccount("alice", PASSWORD);
		expect(applied).toMatchObject({ confirmed: [other.sync.identity.userName], waiting: [] });
		expect(peer.sync.accounts).toEqual([]);
	});

	test("a hosted user's certificate that was revoked is replaced by a new key", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const peer = await follow(house);
		peer.sync.start();
		await until(() => peer.serves("alice") && house.household.connected().length === 1);
		const before = peer.sync.hosted(ALICE);
		await house.admin.revoke("alice");
		await until(() => peer.sync.hosted(ALICE) !== undefined && peer.sync.hosted(ALICE) !== before);
		expect(peer.updates.flatMap((update) => update.removed)).toEqual([before]);
		expect(peer.sync.hosted(ALICE)?.nodeId).not.toEqual(before?.nodeId);
	});

	test("own and hosted certificates are renewed at two thirds, and the new one is shown to the server", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const peer = await follow(house);
		peer.sync.start();
		await until(() => peer.serves("alice") && house.household.connected().length === 1);
		const [own, hosted] = [peer.sync.identity, peer.sync.hosted(ALICE)];
		house.clock.advance((CERTIFICATE_LIFETIME_MS * 2) / 3 + DAY);
		await house.admin.addGroup("everyone");
		await until(() => peer.updates.some((update) => update.identity !== undefined));
		expect(peer.sync.identity.nodeId).toEqual(own.nodeId);
		expect(peer.sync.identity.certificate.notAfterMs).toBeGreaterThan(own.certificate.notAfterMs);
		expect(peer.sync.hosted(ALICE)?.nodeId).toEqual(hosted?.nodeId);
		expect(peer.sync.hosted(ALICE)?.certificate.notAfterMs).toBeGreaterThan(hosted?.certificate.notAfterMs ?? 0);
		expect(openMembership(peer.state, crypto)?.identity.certificate.der).toEqual(peer.sync.identity.certificate.der);
		// The old certificate has run out; the new one opens the door.
		house.clock.advance(CERTIFICATE_LIFETIME_MS / 2);
		await until(() => house.household.connected().length === 1);
		await house.admin.addGroup("other");
		await until(() => peer.serves("other"));
	});

	test("a peer that was away until its certificate ran out is let in again by its key", async () => {
		const house = await serveHouse();
		const peer = await follow(house);
		const { identity } = peer.sync;
		house.clock.advance(CERTIFICATE_LIFETIME_MS + DAY);
		peer.sync.start();
		await until(() => house.household.connected().length === 1);
		expect(peer.updates[0]?.identity?.nodeId).toEqual(identity.nodeId);
		expect(peer.sync.identity.certificate.notAfterMs).toBeGreaterThan(house.clock.wallMs());
	});

	test("a document that the overlay brought is kept; an older one is not", async () => {
		const house = await serveHouse();
		const peer = await follow(house);
		const before = house.household.document;
		await house.household.change(() => ({ document: true, result: undefined }));
		await peer.sync.noteDocument(house.household.document);
		await peer.sync.noteDocument(before);
		expect(peer.sync.document).toEqual(house.household.document);
		expect(openMembership(peer.state, crypto)?.document).toEqual(house.household.document);
		await expect(peer.sync.noteDocument(new Uint8Array(10))).rejects.toThrow(/document does not read/);
		const other = await serveHouse({ overlayName: "other.example" });
		await expect(peer.sync.noteDocument(other.household.document)).rejects.toThrow(/is for other\.example/);
	});

	test("the household is restored from a backup: peers take its state though its sequence is lower", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const backup = new Map(house.store.records);
		await house.admin.addAccount("bob", PASSWORD);
		const peer = await follow(house);
		peer.sync.start();
		await until(() => peer.serves("bob"));
		await peer.sync.close();
		const invitations = [...house.store.records].filter(([key]) => key.startsWith("pi/issued/"));
		house.store.records.clear();
		for (const [key, value] of [...backup, ...invitations]) house.store.records.set(key, value);
		const record = house.store.records.get("pi/household") as { configSequence: number };
		house.store.records.set("pi/household", {
			...record,
			configSequence: record.configSequence + 1000,
			restored: true,
		});
		const restored = await Household.open({ state: house.state, crypto, clock: house.clock, timers: house.timers });
		if (restored === undefined) throw new Error("no household");
		const membership = openMembership(peer.state, crypto);
		if (membership === undefined) throw new Error("no membership");
		const again = new HouseholdSync({
			state: peer.state,
			crypto,
			clock: house.clock,
			timers: peer.timers,
			membership,
			source: new LocalSource(restored, new Issuing(restored)),
			onApply: () => undefined,
		});
		again.start();
		await until(() => again.account("bob") === undefined && again.account("alice") !== undefined);
		expect(again.config.sequence).toBe(restored.config.sequence);
		await again.close();
		await restored.close();
	});
});

test("a joined peer answers what it knows and says where the household is run", async () => {
	const house = await serveHouse();
	await house.admin.addAccount("alice", PASSWORD);
	const peer = await follow(house);
	peer.sync.start();
	await until(() => peer.serves("alice"));
	const commands = memberCommands(peer.sync, peer.state, house.clock);
	expect(Object.keys(commands).sort()).toEqual([...HOUSEHOLD_COMMANDS].sort());
	const context = { emit: () => undefined, signal: new AbortController().signal };
	expect(commands["account.list"]?.({}, context)).toEqual([{ name: "alice", aor: ALICE, kind: "user", members: [] }]);
	expect(commands["household.status"]?.({}, context)).toMatchObject({
		overlayName: HOME,
		accounts: 1,
		connected: true,
	});
	expect(commands["household.backup"]?.({ file: join(scratch(), "b") }, context)).toMatchObject({
		records: expect.any(Number),
	});
	expect(() => commands["account.add"]?.({ name: "bob" }, context)).toThrow(
		`this peer does not run the household; run this on the peer at 127.0.0.1:${house.address.port}`,
	);
});

test("at rest: no verifier, password hash, code or key is readable in the store of founder or peer", async () => {
	const clock = new ManualClock();
	const path = join(scratch(), "founder");
	const state = PiState.open({ path });
	const household = await Household.found({ state, crypto, clock }, { overlayName: HOME });
	const membership = openMembership(state, crypto);
	if (membership === undefined) throw new Error("no membership");
	const admin = new HouseholdAdmin(household);
	const source = new LocalSource(household, new Issuing(household));
	const sync = new HouseholdSync({ state, crypto, clock, membership, source, onApply: () => undefined });
	sync.start();
	await until(() => household.connected().length === 1);
	await admin.addAccount("alice", PASSWORD);
	const { code } = await admin.invite({
		role: "device",
		name: "frontdoor",
		addresses: [{ address: "192.0.2.1", port: 6085 }],
	});
	await household.serverIdentity(["127.0.0.1"]);
	const account = household.accounts.get("alice");
	const secrets: Uint8Array[] = [
		Buffer.from(account?.ha1Sha256 ?? "?"),
		Buffer.from(account?.ha1Sha256 ?? "?", "hex"),
		Buffer.from(account?.ha1Md5 ?? "?"),
		Buffer.from(account?.ha1Md5 ?? "?", "hex"),
		account?.password?.hash ?? Buffer.from("?"),
		Buffer.from(PASSWORD),
		Buffer.from(code),
		Buffer.from(code.replaceAll("-", "")),
	];
	for (const key of ["pi/ca", "pi/signer", "pi/tls", "pi/identity/peer", `pi/hosted/${ALICE}`]) {
		const { pkcs8 } = state.getSealed(key) as { pkcs8: Uint8Array };
		// The private number of a P-256 key in PKCS#8: 32 octets from the 36th on.
		secrets.push(pkcs8, pkcs8.subarray(36, 68));
	}
	await sync.close();
	await household.close();
	await state.close();
	const bytes = readFileSync(join(path, "store", "data.mdb"));
	expect(bytes.includes("pi/account/alice")).toBe(true);
	for (const secret of secrets) expect(bytes.includes(Buffer.from(secret))).toBe(false);
});
