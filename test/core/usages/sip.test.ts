/** SIP registrations: what is stored, what a storing peer refuses, and what a caller finds (RFC 7904 §3 to §5). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { readAor } from "../../../core/usages/aor.ts";
import { writeGruu } from "../../../core/usages/gruu.ts";
import { MAX_CONTACTS, MAX_EXTERNAL, MAX_FORWARD_DEPTH, MAX_LOOKUPS } from "../../../core/usages/limits.ts";
import {
	destinationsKey,
	hostedDestinations,
	readRegistrations,
	registerForward,
	registerRoute,
	type SipStore,
	unregister,
} from "../../../core/usages/sip.ts";
import { sipKindCheck } from "../../../core/usages/sip-check.ts";
import { type SipResolution, SipResolver } from "../../../core/usages/sip-resolver.ts";
import { fromHex, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ErrorCode, KindId } from "../../../core/wire/codes.ts";
import { nodeDestination, opaqueDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { good, item, OVERLAY, resourceHash, resourceOf, T0, textOf, World } from "../storage/support.ts";
import { Node } from "./support.ts";

const SIP = KindId.sipRegistration;

function house() {
	const world = new World({ storage: { kindChecks: { [SIP]: sipKindCheck(OVERLAY) } } });
	const peer = world.identity("peer@house.example");
	const node = new Node(world, peer);
	const user = (name: string) => {
		const identity = world.identity(name);
		node.identities.set(toHex(identity.nodeId), identity);
		return identity;
	};
	const who = (identity: LocalIdentity) => ({ userName: identity.userName, nodeId: identity.nodeId, resourceHash });
	const put = (identity: LocalIdentity, store: SipStore) => {
		const result = node.store(store.resourceId, store.kinds, identity.nodeId);
		if (!result.ok) throw new Error(`refused ${result.errorCode}: ${result.info}`);
	};
	const route = (identity: LocalIdentity, more: { contactPrefs?: string; via?: LocalIdentity } = {}) => {
		const destinations = hostedDestinations((more.via ?? peer).nodeId, identity.nodeId);
		const contactPrefs = more.contactPrefs ?? "";
		put(identity, good(registerRoute(who(identity), { destinations, contactPrefs, lifetimeS: 3600 })));
	};
	const forward = (identity: LocalIdentity, target: string) => {
		put(identity, good(registerForward(who(identity), { target, lifetimeS: 3600 })));
	};
	const resolve = (target: string): SipResolution =>
		node.run(
			new SipResolver({
				target,
				nodeIdLength: 16,
				resourceHash,
				isHosted: (domain) => domain === OVERLAY || domain === "house2.example",
			}),
		);
	return { world, node, peer, user, who, put, route, forward, resolve };
}

const ids = (resolution: SipResolution) => resolution.contacts.map((contact) => toHex(contact.nodeId));

describe("registration", () => {
	test("the value of vector 03: route with preferences and one Node-ID", () => {
		const vector = JSON.parse(
			readFileSync(new URL("../../vectors/03-store-req-sip-registration.json", import.meta.url), "utf8"),
		);
		const data = vector.fields.message_contents.message_body;
		const expected = data.kind_data[0].values[0].value;
		const nodeId = fromHex(expected.key)!;
		const registrant = { userName: "alice@overlay.example.org", nodeId, resourceHash };
		const store = good(
			registerRoute(registrant, {
				destinations: hostedDestinations(nodeId, nodeId),
				contactPrefs: "(sip.schemes=SIP)",
				lifetimeS: 3600,
			}),
		);
		expect(toHex(store.resourceId)).toBe(data.resource);
		const [value] = store.kinds[0]!.values;
		expect(toHex(value!.value)).toBe(expected.value.value);
		expect(toHex(value!.key!)).toBe(expected.key);
		expect(store.kinds[0]!.kind).toBe(1);
	});

	test("refused before anything is sent: names, lists and texts that nobody would read", () => {
		const { user, who } = house();
		const alice = user("alice@house.example");
		const destinations = [nodeDestination(alice.nodeId)];
		const refused = (result: object) => (result as { refused?: string }).refused;
		for (const userName of ["Alice@HOUSE.example", "sip:alice@house.example", "alice", "a%20b@house.example"]) {
			expect(refused(registerRoute({ ...who(alice), userName }, { destinations, lifetimeS: 1 }))).toMatch(/AOR/);
		}
		const attempt = (more: object) => refused(registerRoute(who(alice), { destinations, lifetimeS: 1, ...more }));
		expect(attempt({ destinations: [] })).toMatch(/Node-ID/);
		expect(attempt({ destinations: [resourceDestination(alice.nodeId)] })).toMatch(/Node-ID/);
		expect(attempt({ destinations: Array.from({ length: 9 }, () => destinations[0]!) })).toMatch(/long/);
		expect(attempt({ contactPrefs: "x".repeat(1025) })).toMatch(/long/);
		expect(refused(registerForward(who(alice), { target: "nobody", lifetimeS: 1 }))).toMatch(/AOR/);
	});

	test("unregistering lasts as long as the registration would have", () => {
		const { user, who, put, route, resolve, world } = house();
		const alice = user("alice@house.example");
		route(alice);
		world.wallMs += 1_000_500;
		const store = good(unregister(who(alice), { registeredUntilMs: T0 + 3_600_000, wallMs: world.wallMs }));
		expect(store.kinds[0]!.values[0]).toMatchObject({ exists: false, lifetimeS: 2600 });
		put(alice, store);
		expect(resolve("alice@house.example").contacts).toEqual([]);
		const late = good(unregister(who(alice), { registeredUntilMs: T0, wallMs: world.wallMs }));
		expect(late.kinds[0]!.values[0]!.lifetimeS).toBe(1);
	});
});

describe("the storing peer", () => {
	const attempt = (userName: string, value: Uint8Array, restrictions?: { enable: boolean; patterns: string[] }) => {
		const { world } = house();
		world.kinds.set(SIP, { ...world.kinds.get(SIP)!, domainRestrictions: restrictions });
		const who = world.identity(userName);
		const place = resourceOf(userName);
		const stored = world.sign(who, place, SIP, {
			model: "dictionary",
			key: who.nodeId,
			value: { exists: true, value },
		});
		const result = world.store(who, place, SIP, [stored]);
		if (result.ok) return "stored";
		expect(result.errorCode).toBe(ErrorCode.forbidden);
		return textOf(result);
	};
	const uri = Uint8Array.of(1, 0, 9, 0, 7, ...utf8ToBytes("b@x.org"));

	test("takes what is a registration, and types it does not know", () => {
		expect(attempt("alice@house.example", uri)).toBe("stored");
		expect(attempt("alice@house.example", Uint8Array.of(9, 0, 1, 0xff))).toBe("stored");
		expect(attempt("alice@house.example", Uint8Array.of(1, 0, 1))).toMatch(/not a SipRegistration/);
		expect(attempt("alice@house.example", new Uint8Array())).toMatch(/not a SipRegistration/);
	});

	test("takes only AORs in normal form, of allowed domains (RFC 7904 §3.3, §3.4)", () => {
		expect(attempt("alice@House.example", uri)).toMatch(/normal form/);
		expect(attempt("alice@other.example", uri)).toBe("stored");
		expect(attempt("alice@other.example", uri, { enable: false, patterns: [] })).toMatch(/domain/);
		expect(attempt("alice@house.example", uri, { enable: false, patterns: [] })).toBe("stored");
		expect(attempt("alice@a.other.example", uri, { enable: true, patterns: [".*\\.other\\.example"] })).toBe("stored");
		expect(attempt("alice@house.example", uri, { enable: true, patterns: [".*\\.other\\.example"] })).toMatch(/domain/);
	});

	test("takes no key but the signer's Node-ID", () => {
		const { world } = house();
		const alice = world.identity("alice@house.example");
		const place = resourceOf(alice.userName);
		const stored = world.sign(alice, place, SIP, item(new Uint8Array(16), ""));
		expect(world.store(alice, place, SIP, [stored])).toMatchObject({ ok: false, errorCode: ErrorCode.forbidden });
	});
});

describe("resolving", () => {
	test("all registrations of an AOR, newest first, each list once", () => {
		const { world, user, route, resolve, peer } = house();
		const [one, two, three] = [1, 2, 3].map(() => user("alice@house.example"));
		route(one!, { contactPrefs: "(sip.schemes=SIP)" });
		world.wallMs += 1000;
		route(two!);
		world.wallMs += 1000;
		route(three!);
		const found = resolve("sip:alice@HOUSE.example;user=phone");
		expect(ids(found)).toEqual([three, two, one].map((identity) => toHex(identity!.nodeId)));
		expect(found.contacts[2]).toEqual({
			aor: "alice@house.example",
			nodeId: one!.nodeId,
			destinations: [nodeDestination(peer.nodeId), nodeDestination(one!.nodeId)],
			contactPrefs: "(sip.schemes=SIP)",
			storageTimeMs: T0,
			expiresMs: T0 + 3_600_000,
		});
		expect(found).toMatchObject({ external: [], ignored: 0, truncated: false, unreadable: false });
		expect(found.lookups).toMatchObject([{ aor: "alice@house.example", errorCode: 0 }]);
		expect(found.lookups[0]!.generation).toBeGreaterThan(0);
	});

	test("one device forwarded to another: the same list from two keys is one contact", () => {
		const { user, who, put, route, resolve, peer } = house();
		const one = user("alice@house.example");
		const two = user("alice@house.example");
		route(one);
		put(
			two,
			good(registerRoute(who(two), { destinations: hostedDestinations(peer.nodeId, one.nodeId), lifetimeS: 60 })),
		);
		expect(resolve("alice@house.example").contacts).toHaveLength(1);
	});

	test("forwarding is followed, external AORs are given back, loops end", () => {
		const { user, route, forward, resolve, node } = house();
		forward(user("alice@house.example"), "sip:bob@house.example");
		forward(user("alice@house.example"), "sip:out@elsewhere.example");
		forward(user("bob@house.example"), "carol@house.example");
		forward(user("bob@house.example"), "sips:alice@house.example");
		const carol = user("carol@house.example");
		route(carol);
		const found = resolve("alice@house.example");
		expect(ids(found)).toEqual([toHex(carol.nodeId)]);
		expect(found.contacts[0]!.aor).toBe("carol@house.example");
		expect(found.external).toEqual(["sip:out@elsewhere.example"]);
		expect(node.log).toHaveLength(3);
		expect(resolve("sip:bob@elsewhere.example")).toMatchObject({
			external: ["sip:bob@elsewhere.example"],
			lookups: [],
		});
	});

	test(`limit MAX_FORWARD_DEPTH: ${MAX_FORWARD_DEPTH} steps and no more (D-30)`, () => {
		const { user, route, forward, resolve, node } = house();
		for (let i = 0; i <= MAX_FORWARD_DEPTH; i++) forward(user(`u${i}@house.example`), `u${i + 1}@house.example`);
		route(user(`u${MAX_FORWARD_DEPTH + 1}@house.example`));
		expect(resolve("u0@house.example")).toMatchObject({ contacts: [], truncated: true });
		expect(node.log).toHaveLength(MAX_FORWARD_DEPTH + 1);
		expect(resolve("u1@house.example")).toMatchObject({ truncated: false });
		expect(resolve("u1@house.example").contacts).toHaveLength(1);
	});

	test("limits MAX_LOOKUPS and MAX_EXTERNAL", () => {
		const { world, user, forward, resolve, node } = house();
		world.kinds.set(SIP, { ...world.kinds.get(SIP)!, maxCount: 100 });
		for (let i = 0; i < MAX_LOOKUPS; i++) forward(user("fan@house.example"), `u${i}@house.example`);
		expect(resolve("fan@house.example")).toMatchObject({ truncated: true });
		expect(node.log).toHaveLength(MAX_LOOKUPS);
		for (let i = 0; i <= MAX_EXTERNAL; i++) forward(user("out@house.example"), `u${i}@elsewhere.example`);
		const found = resolve("out@house.example");
		expect(found.external).toHaveLength(MAX_EXTERNAL);
		expect(found.truncated).toBe(true);
	});

	test("limit MAX_CONTACTS", () => {
		const { world, user, route, resolve } = house();
		world.kinds.set(SIP, { ...world.kinds.get(SIP)!, maxCount: 100 });
		for (let i = 0; i <= MAX_CONTACTS; i++) route(user("many@house.example"));
		const found = resolve("many@house.example");
		expect(found.contacts).toHaveLength(MAX_CONTACTS);
		expect(found.truncated).toBe(true);
	});

	test("a GRUU of this overlay is contacted directly, one of another domain by SIP", () => {
		const { user, forward, resolve, node, peer } = house();
		const alice = user("alice@house.example");
		const list = hostedDestinations(peer.nodeId, alice.nodeId);
		const gruu = `sip:${writeGruu(readAor("alice@house.example")!, list)}`;
		const found = resolve(gruu);
		expect(node.log).toEqual([]);
		expect(found.contacts).toMatchObject([{ aor: "alice@house.example", destinations: list }]);
		expect(ids(found)).toEqual([toHex(alice.nodeId)]);
		forward(user("bob@house.example"), gruu);
		expect(destinationsKey(resolve("bob@house.example").contacts[0]!.destinations)).toBe(destinationsKey(list));
		const foreign = gruu.replace("house.example", "elsewhere.example");
		expect(resolve(foreign)).toMatchObject({ contacts: [], external: [foreign] });
		const toNobody = `sip:${writeGruu(readAor("alice@house.example")!, [opaqueDestination(Uint8Array.of(0x80, 1))])}`;
		expect(resolve(toNobody)).toMatchObject({ contacts: [], unreadable: true });
	});

	test("what cannot be read, nobody registered, and lookups that fail", () => {
		const { user, route, forward, resolve, node } = house();
		expect(resolve("tel:+49123")).toMatchObject({ unreadable: true, contacts: [], lookups: [] });
		expect(resolve("nobody@house.example")).toMatchObject({ unreadable: false, contacts: [], ignored: 0 });
		const alice = user("alice@house.example");
		route(alice);
		forward(user("alice@house.example"), "bob@house.example");
		const bobs = toHex(resourceOf("bob@house.example"));
		node.fails = (output) => toHex(output.resourceId) === bobs;
		const found = resolve("alice@house.example");
		expect(ids(found)).toEqual([toHex(alice.nodeId)]);
		expect(found.lookups.map((lookup) => lookup.errorCode)).toEqual([0, ErrorCode.requestTimeout]);
	});

	test("results that belong to nothing are ignored", () => {
		const resolver = new SipResolver({
			target: "a@house.example",
			nodeIdLength: 16,
			resourceHash,
			isHosted: () => true,
		});
		const [fetch] = [resolver.poll()!];
		const failed = { ok: false as const, errorCode: 4, info: "" };
		resolver.handle({ type: "result", token: 99, result: failed, wallMs: T0 }, 0);
		expect(resolver.poll()).toBeUndefined();
		if (fetch.type !== "fetch") throw new Error("no fetch");
		resolver.handle({ type: "result", token: fetch.token, result: failed, wallMs: T0 }, 0);
		resolver.handle({ type: "result", token: fetch.token, result: failed, wallMs: T0 }, 0);
		expect(resolver.poll()).toMatchObject({ type: "done" });
		expect(resolver.poll()).toBeUndefined();
		expect(resolver.deadline()).toBe(Number.POSITIVE_INFINITY);
	});
});

describe("a reader believes no storing peer", () => {
	test("values of another user, under another key, malformed or unsigned are ignored and counted", () => {
		const { world, user, node, route, resolve, peer } = house();
		const alice = user("alice@house.example");
		route(alice);
		const resource = resourceOf("alice@house.example");
		const result = node.fetch(resource, [{ kind: SIP }]);
		if (!result.ok || result.body.type !== "fetch") throw new Error("no fetch");
		const fetched = result.body.kinds[0]!;
		const honest = fetched.values[0]!;
		const aor = readAor("alice@house.example")!;
		const read = (...values: (typeof honest)[]) => readRegistrations(aor, { ...fetched, values }, world.wallMs);
		const changed = (stored: Partial<(typeof honest)["stored"]>) => ({
			...honest,
			stored: { ...honest.stored, ...stored },
		});
		const bytes = honest.stored.value.value.value;
		expect(read(honest)).toMatchObject({ ignored: 0 });
		const bad = [
			{ ...honest, signer: { ...honest.signer!, userName: "mallory@house.example" } },
			changed({ value: item(peer.nodeId, "") }),
			changed({ value: { model: "dictionary", key: alice.nodeId, value: { exists: true, value: bytes.slice(1) } } }),
			changed({
				value: { model: "dictionary", key: alice.nodeId, value: { exists: true, value: Uint8Array.of(9, 0, 0) } },
			}),
			changed({ value: { model: "single", value: { exists: true, value: bytes } } }),
		];
		expect(read(...bad)).toEqual({ contacts: [], forwards: [], ignored: bad.length });
		expect(read({ ...honest, signer: undefined })).toEqual({ contacts: [], forwards: [], ignored: 0 });
		expect(readRegistrations(aor, { ...fetched, discarded: 3 }, T0)).toMatchObject({ ignored: 3 });
		expect(resolve("alice@house.example").contacts).toHaveLength(1);
	});
});
