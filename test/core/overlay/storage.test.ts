/** Store, Fetch, Stat, Find through the overlay; replicas, handover, pass-on (RFC 6940 §7.4, §10.4, §10.5). */
import { describe, expect, test, vi } from "vitest";
import { type LocalIdentity, signStored } from "../../../core/identity/signer.ts";
import { bytesToUtf8, compareBytes, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { errorResponse, writeErrorResponse } from "../../../core/wire/error.ts";
import { writeFetchAns } from "../../../core/wire/fetch.ts";
import type { Message } from "../../../core/wire/message.ts";
import { readStoreReq, writeStoreAns } from "../../../core/wire/store.ts";
import { encode } from "../../../core/wire/writer.ts";
import { ARRAY_KIND, DICTIONARY_KIND, good, SINGLE_KIND } from "./support/household.ts";
import { WirePeer } from "./support/wire-peer.ts";
import { type Member, World } from "./support/world.ts";

const value = (text: string, lifetimeS = 3600) => ({ exists: true, value: utf8ToBytes(text), lifetimeS });

/** A full mesh of peers with the static topology, sorted by Node-ID. */
function mesh(count: number, options: ConstructorParameters<typeof World>[0] = {}): { world: World; peers: Member[] } {
	const world = new World(options);
	const peers: Member[] = [];
	for (let i = 0; i < count; i++) peers.push(world.peer(`p${i}`));
	for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) world.link(peers[i]!, peers[j]!);
	peers.sort((a, b) => compareBytes(a.id, b.id));
	world.advance(50);
	return { world, peers };
}

/** The peer that is responsible for a resource, and those after it in the ring. */
function owners(peers: readonly Member[], resource: Uint8Array): Member[] {
	const at = peers.findIndex((peer) => compareBytes(peer.id, resource) >= 0);
	const start = Math.max(at, 0);
	return [...peers.slice(start), ...peers.slice(0, start)];
}

function stored(member: Member): number {
	return member.node.status(member.world.now).storedValues;
}

function text(member: Member, resource: Uint8Array, kind = SINGLE_KIND): string[] {
	const { body } = member.ok("fetch", (node, now) => node.fetch(resource, [{ kind }], now));
	return body.kinds[0]!.values.map(({ stored: { value: data } }) => bytesToUtf8(data.value.value));
}

function resourceOf(member: Member, identity: LocalIdentity = member.identity): Uint8Array {
	return member.node.resourceId(utf8ToBytes(identity.userName));
}

describe("storing and reading", () => {
	test("each data model, signed by the identity that stores, verified by the reader", () => {
		const { peers } = mesh(4);
		const [a, b] = peers as [Member, Member];
		const resource = resourceOf(a);
		const kinds = [
			{ kind: SINGLE_KIND, values: [value("one")] },
			{ kind: ARRAY_KIND, values: [value("x"), value("y")] },
			{ kind: DICTIONARY_KIND, values: [{ ...value("mine"), key: a.id }] },
		];
		const { body } = a.ok("store", (node, now) => node.store(resource, kinds, now));
		expect(body.kinds.map(({ kind }) => kind)).toEqual([SINGLE_KIND, ARRAY_KIND, DICTIONARY_KIND]);
		expect(body.kinds[0]!.replicas.map(toHex)).toEqual(
			owners(peers, resource)
				.slice(1, 3)
				.map(({ id }) => toHex(id)),
		);
		expect(text(b, resource)).toEqual(["one"]);
		expect(text(b, resource, ARRAY_KIND)).toEqual(["x", "y"]);
		const read = b.ok("fetch", (node, now) =>
			node.fetch(resource, [{ kind: DICTIONARY_KIND, keys: [a.id, b.id] }], now),
		);
		const [mine, missing] = read.body.kinds[0]!.values;
		expect(mine!.signer!.nodeId).toEqual(a.id);
		expect(missing!.signer).toBeUndefined();
		expect(missing!.stored.value.value.exists).toBe(false);
	});

	test("as a hosted identity", () => {
		const { world, peers } = mesh(3);
		const hosted = world.household.enroll({ userName: "hall@overlay.example.org" });
		const [a, b] = peers as [Member, Member];
		a.node.addIdentity(hosted);
		const resource = resourceOf(a, hosted);
		const store = (as?: Uint8Array) =>
			a.ask((node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("hall")] }], now, as && { as }));
		expect(store()).toMatchObject({ ok: false, errorCode: ErrorCode.forbidden });
		expect(store(hosted.nodeId)).toMatchObject({ ok: true });
		expect(text(b, resource)).toEqual(["hall"]);
	});

	test("Stat and Find", () => {
		const { peers } = mesh(3);
		const [a, b] = peers as [Member, Member];
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		const { body } = b.ok("stat", (node, now) => node.stat(resource, [{ kind: SINGLE_KIND }], now));
		expect(body.kinds[0]!.values[0]!.metadata.value).toMatchObject({ exists: true, valueLength: 3 });
		const found = b.ok("find", (node, now) => node.find(resource, [SINGLE_KIND], now));
		expect(found.body.results[0]!.closest).toEqual(resource);
	});

	test("a Kind that this overlay does not have: told at once", () => {
		const { peers } = mesh(1);
		const [a] = peers as [Member];
		const kind = 0xf0009999;
		expect(a.error((node, now) => node.store(a.id, [{ kind, values: [] }], now))).toBe(ErrorCode.unknownKind);
		expect(a.error((node, now) => node.fetch(a.id, [{ kind }], now))).toBe(ErrorCode.unknownKind);
		expect(a.error((node, now) => node.stat(a.id, [{ kind }], now))).toBe(ErrorCode.unknownKind);
	});

	test.each([MessageCode.storeReq, MessageCode.fetchReq, MessageCode.statReq, MessageCode.findReq])(
		"a body that cannot be read (code %d): Error_Invalid_Message",
		(code) => {
			const world = new World();
			const a = world.peer("a");
			const b = new WirePeer(world, a);
			b.send({ code, body: new Uint8Array(3), to: [nodeDestination(a.id)] });
			expect(b.error).toBe(ErrorCode.invalidMessage);
		},
	);

	test("a refusal of the store comes back with its code", () => {
		const { peers } = mesh(2);
		const [a, b] = peers as [Member, Member];
		const kinds = [{ kind: SINGLE_KIND, values: [value("not mine")] }];
		expect(b.error((node, now) => node.store(resourceOf(a), kinds, now))).toBe(ErrorCode.forbidden);
		const big = [{ kind: SINGLE_KIND, values: [value("x".repeat(2001))] }];
		expect(a.error((node, now) => node.store(resourceOf(a), big, now))).toBe(ErrorCode.dataTooLarge);
		expect(stored(a) + stored(b)).toBe(0);
	});

	test("the answer of a reader that lies is noticed: a value without a good signature is left out and counted", () => {
		const { world, peers } = mesh(2);
		const [a, b] = peers as [Member, Member];
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		const [owner] = owners(peers, resource) as [Member];
		const reader = owner === a ? b : a;
		// The reader's clock says that the certificate has run out.
		reader.input({ type: "clock", wallMs: world.household.config.sequence });
		const result = reader.ask((node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
		expect(result.ok).toBe(false);
		reader.input({ type: "clock", wallMs: 1_772_366_400_000 + world.now });
		reader.node.settings.verifier.verifyStored = () => ({ refused: "as told", at: -1 });
		const again = reader.ok("fetch", (node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
		expect(again.body.kinds[0]).toMatchObject({ values: [], discarded: 1 });
		expect(reader.count("fetchedValuesDiscarded")).toBe(1);
	});
});

describe("an acknowledged record", () => {
	test("is on three peers when three are there", () => {
		const { peers } = mesh(5);
		const [a] = peers as [Member];
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		expect(owners(peers, resource).map(stored)).toEqual([1, 1, 1, 0, 0]);
		expect(owners(peers, resource)[0]!.count("replicasSent")).toBe(2);
	});

	test("is on disk before it is acknowledged", () => {
		const { world, peers } = mesh(1);
		const [a] = peers as [Member];
		a.diskMs = 400;
		const start = world.now;
		a.ok("store", (node, now) => node.store(resourceOf(a), [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		expect(world.now - start).toBe(400);
		expect(a.disk.size).toBeGreaterThan(0);
	});

	test("the answer is signed while the disk is at work, once", () => {
		const world = new World();
		const a = world.peer("a");
		a.diskMs = 400;
		const sign = vi.spyOn(a.identity.key, "sign");
		const token = a.do((node, now) => node.store(resourceOf(a), [{ kind: ARRAY_KIND, values: [value("x")] }], now));
		// The value, the request, its answer.
		expect(sign).toHaveBeenCalledTimes(3);
		expect(a.results.has(token)).toBe(false);
		world.advance(500);
		expect(a.results.get(token)).toMatchObject({ ok: true });
		expect(sign).toHaveBeenCalledTimes(3);
		// Answered before anybody has time to spare: nothing is signed twice.
		a.diskMs = 0;
		a.ok("store", (node, now) => node.store(resourceOf(a), [{ kind: ARRAY_KIND, values: [value("y")] }], now));
		expect(sign).toHaveBeenCalledTimes(6);
		sign.mockRestore();
	});

	test("a replica that does not answer holds it up for replicaAckMs at most, and gets it later", () => {
		const { world, peers } = mesh(3);
		const [a] = peers as [Member];
		const resource = resourceOf(a);
		const [owner, replica] = owners(peers, resource) as [Member, Member];
		replica.diskMs = 3_000;
		const result = a.ok("store", (node, now) =>
			node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now),
		);
		expect(result.rttMs).toBeGreaterThanOrEqual(world.profile.replicaAckMs);
		expect(result.rttMs).toBeLessThan(world.profile.replicaAckMs + 50);
		world.advance(20_000);
		expect(stored(replica)).toBe(1);
		expect(owner.count("replicasFailed")).toBe(0);
	});

	test("the disk fails: refused, and written again later", () => {
		const { world, peers } = mesh(1);
		const [a] = peers as [Member];
		a.diskError = "no space";
		const kinds = [{ kind: SINGLE_KIND, values: [value("one")] }];
		expect(a.error((node, now) => node.store(resourceOf(a), kinds, now))).toBe(ErrorCode.dataTooLarge);
		expect(a.count("persistFailures")).toBe(1);
		a.diskError = undefined;
		world.advance(2_000);
		expect(a.disk.size).toBeGreaterThan(0);
	});

	test("too many at once: Error_Data_Too_Large", () => {
		const world = new World();
		const a = world.peer("a", { options: { limits: { pendingStores: 2 } } });
		a.diskMs = 1_000;
		const store = (text: string) =>
			a.do((node, now) => node.store(resourceOf(a), [{ kind: ARRAY_KIND, values: [value(text)] }], now));
		const tokens = ["a", "b", "c"].map(store);
		world.advance(5_000);
		expect(tokens.map((token) => a.results.get(token)?.ok)).toEqual([true, true, false]);
	});

	test("a repetition of the request while it is being written is not processed again", () => {
		const world = new World();
		const a = world.peer("a");
		a.diskMs = 2_500;
		const token = a.do((node, now) => node.store(resourceOf(a), [{ kind: ARRAY_KIND, values: [value("x")] }], now));
		world.advance(4_000);
		expect(a.results.get(token)).toMatchObject({ ok: true });
		expect(a.count("droppedDuplicateRequest")).toBe(2);
		expect(stored(a)).toBe(1);
	});

	test("ends with its lifetime, everywhere", () => {
		const { world, peers } = mesh(3);
		const [a] = peers as [Member];
		const kinds = [{ kind: SINGLE_KIND, values: [value("short", 60)] }];
		a.ok("store", (node, now) => node.store(resourceOf(a), kinds, now));
		world.advance(59_000);
		expect(peers.map(stored)).toEqual([1, 1, 1]);
		world.advance(10_000);
		expect(peers.map(stored)).toEqual([0, 0, 0]);
		expect(peers.every((peer) => [...peer.disk.keys()].filter((key) => key.startsWith("storage/v")).length === 0)).toBe(
			true,
		);
	});
});

describe("maintenance", () => {
	/** Peers of which one is not in the ring yet; the newcomer will be responsible for the resource of `a`. */
	function withNewcomer(): { world: World; peers: Member[]; newcomer: Member; resource: Uint8Array; owner: Member } {
		const { world, peers } = mesh(4);
		const a = peers[0]!;
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		const [owner] = owners(peers, resource) as [Member];
		const newcomer = world.peer("new", { nodeId: resource });
		world.ring.members = peers.map(({ id }) => id);
		for (const peer of peers) world.link(peer, newcomer);
		return { world, peers, newcomer, resource, owner };
	}

	function enter(world: World, peers: readonly Member[], newcomer: Member): void {
		world.ring.members = [...peers, newcomer].map(({ id }) => id);
		for (const peer of [...peers, newcomer]) {
			peer.static.push({ type: "placementChanged" });
			peer.input({ type: "clock", wallMs: 1_772_366_400_000 + world.now });
			peer.node.role.linkDown(new Uint8Array(16), true, world.now);
			peer.drain();
		}
	}

	test("handOver: everything of the interval is stored at the new owner, then the plug-in is told", () => {
		const { world, newcomer, resource, owner } = withNewcomer();
		owner.static.push({ type: "handOver", to: newcomer.id, after: owner.id, upTo: resource });
		owner.node.role.linkDown(new Uint8Array(16), true, world.now);
		owner.input({ type: "timeout" });
		world.advance(100);
		expect(stored(newcomer)).toBe(1);
		expect(owner.count("handedOver")).toBe(1);
		expect(owner.static.seen[owner.static.seen.length - 1]).toMatchObject({
			type: "handedOver",
			to: newcomer.id,
			ok: true,
		});
	});

	test("handOver of nothing, or to a node that goes away, is told as well", () => {
		const { world, newcomer, resource, owner } = withNewcomer();
		const told = () => owner.static.seen.filter((input) => input.type === "handedOver");
		owner.static.push({ type: "handOver", to: newcomer.id, after: resource, upTo: owner.id });
		owner.node.role.linkDown(new Uint8Array(16), true, world.now);
		owner.input({ type: "timeout" });
		expect(told()).toMatchObject([{ ok: true }]);
		world.unplug(newcomer);
		owner.static.push({ type: "handOver", to: newcomer.id, after: owner.id, upTo: resource });
		owner.node.role.linkDown(new Uint8Array(16), true, world.now);
		owner.input({ type: "timeout" });
		world.advance(5_000);
		expect(told()[1]).toMatchObject({ ok: false });
	});

	test("a value that is not ours any more is passed on at once; who is out of the replica set forgets it after the hold-down", () => {
		const { world, peers, newcomer, resource } = withNewcomer();
		enter(world, peers, newcomer);
		world.advance(300);
		expect(stored(newcomer)).toBe(1);
		expect(owners(peers, resource).map(stored)).toEqual([1, 1, 1, 0]);
		world.advance(15_000);
		// Responsible now: newcomer; replicas: the two after it; the third of before is out.
		expect(owners(peers, resource).map(stored)).toEqual([1, 1, 0, 0]);
		expect(text(peers[2]!, resource)).toEqual(["one"]);
	});

	test("a member of the replica set fails: its place is filled after the hold-down time, not before", () => {
		const { world, peers } = mesh(5);
		const a = peers[0]!;
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		const [owner, second, third, fourth] = owners(peers, resource) as [Member, Member, Member, Member];
		world.ring.members = world.ring.members.filter((id) => toHex(id) !== toHex(second.id));
		owner.static.push({ type: "placementChanged" });
		world.kill(second);
		world.advance(world.profile.holdDownMs - 200);
		expect(stored(fourth)).toBe(0);
		world.advance(1_000);
		expect([third, fourth].map(stored)).toEqual([1, 1]);
	});

	test("the owner fails: the next one is responsible and makes the replicas", () => {
		const { world, peers } = mesh(5);
		const resource = resourceOf(peers[0]!);
		const [owner, second, , fourth] = owners(peers, resource) as [Member, Member, Member, Member];
		const writer = peers.find((peer) => peer === peers[0])!;
		writer.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		world.ring.members = world.ring.members.filter((id) => toHex(id) !== toHex(owner.id));
		second.static.push({ type: "placementChanged" });
		world.kill(owner);
		world.advance(10_000);
		expect(stored(fourth)).toBe(1);
		expect(text(fourth, resource)).toEqual(["one"]);
	});

	test("after a restart the disk's values are served and replicated again", () => {
		const { world, peers } = mesh(3);
		const [a] = peers as [Member];
		const resource = resourceOf(a);
		a.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value("one")] }], now));
		const [owner] = owners(peers, resource) as [Member];
		world.kill(owner);
		const again = world.peer("again", { identity: owner.identity, disk: owner.disk });
		world.ring.members = peers.map(({ id }) => id);
		expect(stored(again)).toBe(1);
		expect(text(again, resource)).toEqual(["one"]);
	});

	/** A peer with one neighbour in the ring, and a stored value whose only replica goes to that neighbour. */
	function withReplica(): { world: World; a: Member; b: WirePeer; user: LocalIdentity; sent: () => Message[] } {
		const world = new World();
		const a = world.peer("a");
		const b = new WirePeer(world, a);
		world.ring.members = [a.id, b.id];
		let user = world.household.enroll();
		while (!a.static.isResponsible(resourceOf(a, user))) user = world.household.enroll();
		a.node.addIdentity(user);
		world.advance(5_000);
		b.clear();
		const kinds = [{ kind: SINGLE_KIND, values: [value("one")] }];
		a.do((node, now) => node.store(resourceOf(a, user), kinds, now, { as: user.nodeId }));
		world.advance(1);
		return {
			world,
			a,
			b,
			user,
			sent: () => b.messages.filter(({ contents }) => contents.messageCode === MessageCode.storeReq),
		};
	}

	test("replica stores carry replica_number 1, the values and the certificates of their writers", () => {
		const { a, b, sent } = withReplica();
		const [request] = sent();
		const body = good(readStoreReq(request!.contents.messageBody, a.node.settings.modelOf));
		expect(body.replicaNumber).toBe(1);
		expect(body.kindData[0]!.generationCounter).toBeGreaterThan(0);
		expect(body.kindData[0]!.values.length).toBe(1);
		// The writer's certificate beside the peer's own.
		expect(request!.security.certificates.length).toBe(2);
		const { transactionIdHigh: high, transactionIdLow: low } = request!.header;
		const answer = encode(writeStoreAns, { kindResponses: [] });
		b.send({ code: MessageCode.storeAns, body: answer, to: [nodeDestination(a.id)], transaction: { high, low } });
		expect(a.count("replicasSent")).toBe(1);
	});

	test("one that is refused as too old: the newer values are fetched there and replace ours", () => {
		const { world, a, b, user, sent } = withReplica();
		const resource = resourceOf(a, user);
		const refuse = ({ header }: Message): void => {
			const { transactionIdHigh: high, transactionIdLow: low } = header;
			const body = encode(writeErrorResponse, errorResponse(ErrorCode.dataTooOld));
			b.send({ code: MessageCode.error, body, to: [nodeDestination(a.id)], transaction: { high, low } });
		};
		refuse(sent()[0]!);
		const fetch = b.last;
		expect(fetch.contents.messageCode).toBe(MessageCode.fetchReq);
		const fields = {
			storageTime: 1_772_366_400_000 + world.now + 1000,
			lifetimeS: 600,
			value: { model: "single", value: { exists: true, value: utf8ToBytes("newer") } },
		} as const;
		const newer = signStored(user, resource, SINGLE_KIND, fields, world.household.crypto);
		const answer = { kindResponses: [{ kind: SINGLE_KIND, generation: 9_999_999_999, values: [newer] }] };
		b.send({
			code: MessageCode.fetchAns,
			body: encode(writeFetchAns, answer),
			certificates: user.chain,
			to: [nodeDestination(a.id)],
			transaction: { high: fetch.header.transactionIdHigh, low: fetch.header.transactionIdLow },
		});
		expect(a.count("merged")).toBe(1);
		expect(a.event("merged")).toMatchObject([{ resourceId: resource, values: 1 }]);
		world.advance(600);
		expect(text(a, resource)).toEqual(["newer"]);
	});

	test("one that is refused, not as outdated, is tried again later", () => {
		const { world, a, b, sent } = withReplica();
		const { transactionIdHigh: high, transactionIdLow: low } = sent()[0]!.header;
		const body = encode(writeErrorResponse, errorResponse(ErrorCode.forbidden));
		b.send({ code: MessageCode.error, body, to: [nodeDestination(a.id)], transaction: { high, low } });
		expect(a.count("replicasFailed")).toBe(1);
		b.clear();
		world.advance(4_900);
		expect(sent().length).toBe(0);
		world.advance(200);
		expect(sent().length).toBe(1);
	});

	test("thousands of values are looked at a few at a time", () => {
		const world = new World();
		const a = world.peer("a");
		for (let i = 0; i < 100; i++) {
			const identity = world.household.enroll({ userName: `u${i}@overlay.example.org` });
			a.node.addIdentity(identity);
			const resource = resourceOf(a, identity);
			const kinds = [{ kind: SINGLE_KIND, values: [value("x")] }];
			a.do((node, now) => node.store(resource, kinds, now, { as: identity.nodeId }));
			a.node.removeIdentity(identity.nodeId);
		}
		world.advance(10);
		expect(stored(a)).toBe(100);
		const b = world.peer("b");
		world.link(a, b);
		a.static.push({ type: "placementChanged" });
		a.node.role.linkDown(new Uint8Array(16), true, world.now);
		a.drain();
		let most = 0;
		for (let i = 0; i < 400; i++) {
			world.advance(25);
			most = Math.max(most, a.node.requests.size);
		}
		expect(most).toBeGreaterThan(1);
		expect(most).toBeLessThanOrEqual(8 + 2);
		expect(stored(b)).toBe(100);
	});
});
