/** Edges of peers in one overlay, with scripted phones that share no code with them. */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import { hostedDestinations, registerRoute } from "../../../core/usages/sip.ts";
import type { ScriptedPhone } from "../../../tools/demo/phone.ts";
import { accountOf, accountsOf, EdgePeer, until } from "./composed.ts";
import { DOMAIN, Realm } from "./realm.ts";

/** Peers that are in one overlay, with the accounts of all. */
async function house(peers: number, ...names: string[]): Promise<EdgePeer[]> {
	const realm = new Realm();
	const accounts = accountsOf(...names);
	const all: EdgePeer[] = [];
	for (let i = 0; i < peers; i++) all.push(await EdgePeer.open(realm, accounts));
	const [first, ...others] = all as [EdgePeer, ...EdgePeer[]];
	await first.overlay.start();
	for (const peer of others) await peer.overlay.start(first.overlay);
	return all;
}

interface Two {
	readonly one: EdgePeer;
	readonly two: EdgePeer;
	readonly anna: ScriptedPhone;
	readonly bert: ScriptedPhone;
}

/** Anna's phone at one peer, Bert's at the other. */
async function annaAndBert(): Promise<Two> {
	const [one, two] = (await house(2, "anna", "bert")) as [EdgePeer, EdgePeer];
	const [anna, bert] = [await one.phone("anna"), await two.phone("bert")];
	expect([await anna.register(), await bert.register()]).toEqual([200, 200]);
	await two.registered("bert");
	return { one, two, anna, bert };
}

/** A REGISTER with a contact of one's choice. */
async function registerContact(phone: ScriptedPhone, contact: string, expires = 300): Promise<string> {
	const { uri, options } = phone;
	const more = [["contact", contact] as const, ["expires", String(expires)] as const];
	const draft = { method: "REGISTER", uri: `sip:${options.domain}`, from: `<${uri}>;tag=x`, to: `<${uri}>` };
	return (await phone.ask({ ...draft, callId: `${Math.random()}`, more })).start;
}

async function answerOf(phone: ScriptedPhone, uri: string): Promise<number> {
	return await (await phone.call(uri)).answered;
}

function contactsOf(peer: EdgePeer, name: string): Promise<number> {
	return peer.edge.resolver.lookup(`${name}@${DOMAIN}`).then(({ resolution }) => resolution.contacts.length);
}

describe("calls", () => {
	test("across two peers: found through the overlay, answered, hung up by either side", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		const call = await anna.call(bert.uri);
		expect(await call.answered).toBe(200);
		expect(await call.hangup()).toBe(200);
		const back = await bert.call(anna.uri);
		expect(await back.answered).toBe(200);
		expect(await anna.calls[1]?.hangup()).toBe(200);
		expect(await back.ended).toBe("BYE");
		expect(await anna.message(bert.uri, "come in")).toBe(200);
		expect(bert.inbox).toEqual([{ from: anna.uri, text: "come in" }]);
		await until(() => one.edge.calls + two.edge.calls === 0);
		expect(one.overlay.log.of("call.started").length + one.overlay.log.of("call.answered").length).toBeGreaterThan(0);
	});

	test("nobody of that name: 404; known and nowhere registered: 480; another domain: 404 with a reason", async () => {
		const { anna, bert } = await annaAndBert();
		expect(await answerOf(anna, `sip:nobody@${DOMAIN}`)).toBe(404);
		expect(await bert.register(0)).toBe(200);
		await until(() => bert.inbox.length === 0);
		expect(await answerOf(anna, bert.uri)).toBe(480);
		const draft = { method: "OPTIONS", from: `<${anna.uri}>;tag=x`, callId: "elsewhere" };
		const answer = await anna.ask({ ...draft, uri: "sip:a@elsewhere.example", to: "<sip:a@elsewhere.example>" });
		expect(answer.start).toBe("SIP/2.0 404 Domain Not Served Here");
	});

	test("two phones of one account at two peers: both ring, the first answer is the call", async () => {
		const { one, anna, bert } = await annaAndBert();
		const second = await one.phone("bert");
		expect(await second.register()).toBe(200);
		let rang = 0;
		bert.onInvite = () => void rang++;
		second.onInvite = (call) => {
			rang++;
			void until(() => rang === 2).then(() => call.answer());
		};
		const call = await anna.call(bert.uri);
		expect(await call.answered).toBe(200);
		expect(await bert.calls[0]?.ended).toBe("CANCEL");
		expect(second.calls[0]?.state).toBe("talking");
	});

	test("registered at a peer that is dead and at one that lives: the living phone rings before the dead one is given up", async () => {
		const [one, two, three] = (await house(3, "anna", "bert")) as [EdgePeer, EdgePeer, EdgePeer];
		const [anna, dead, living] = [await one.phone("anna"), await two.phone("bert"), await three.phone("bert")];
		for (const phone of [anna, dead, living]) expect(await phone.register()).toBe(200);
		for (const peer of [two, three]) await peer.registered("bert");
		await until(() => one.overlay.status().links.length === 2);
		two.overlay.close();
		await until(() => one.overlay.status().links.length === 1);
		const givenUp: number[] = [];
		living.onInvite = (call) => {
			givenUp.push(one.overlay.log.of("sip.unreachable").length);
			call.answer();
		};
		const call = await anna.call(living.uri);
		expect(await call.answered).toBe(200);
		expect(givenUp).toEqual([0]);
		expect(await contactsOf(one, "bert")).toBe(2);
		await call.hangup();
	});

	test("a peer passes nothing on that came from a peer: two stale registrations that point at each other end in 480", async () => {
		const [one, two] = (await house(2, "anna", "carla")) as [EdgePeer, EdgePeer];
		const anna = await one.phone("anna");
		expect(await anna.register()).toBe(200);
		const aor = `carla@${DOMAIN}`;
		for (const peer of [one, two]) {
			const { host, identity, records } = peer.overlay;
			const hosted = peer.hosted.get(aor) as LocalIdentity;
			const route = registerRoute(
				{ userName: aor, nodeId: hosted.nodeId, resourceHash: (name) => host.node.resourceId(name) },
				{ destinations: hostedDestinations(identity.nodeId, hosted.nodeId), contactPrefs: "", lifetimeS: 600 },
			);
			if (isRefused(route)) throw new Error(route.refused);
			records.keepRegistration(hosted, route.resourceId, route.kinds[0]?.values[0]?.value ?? new Uint8Array(0), 600);
			await peer.registered("carla");
		}
		expect(await contactsOf(one, "carla")).toBe(2);
		expect(await answerOf(anna, `sip:${aor}`)).toBe(480);
		// REGISTER twice and INVITE twice (each challenged once), ACKs, and the INVITE's answer: no more.
		const received = (peer: EdgePeer): number => peer.edge.counters()["sip.received"] ?? 0;
		expect(received(two)).toBeLessThanOrEqual(2);
		expect(received(one)).toBeLessThanOrEqual(9);
	});
});

describe("registrations", () => {
	test("an unregistered phone is gone from the overlay, too", async () => {
		const { one, bert } = await annaAndBert();
		expect(await contactsOf(one, "bert")).toBe(1);
		expect(await bert.register(0)).toBe(200);
		await expect.poll(() => contactsOf(one, "bert")).toBe(0);
	});

	test("a peer that stops takes its phones' registrations with it", async () => {
		const { one, two } = await annaAndBert();
		expect(await contactsOf(one, "bert")).toBe(1);
		await two.edge.stop();
		expect(await contactsOf(one, "bert")).toBe(0);
	});

	test("a phone that moves to another peer: the old one forgets its contact and its registration, the new one has both", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		const moved = await one.phone("bert");
		// The same phone: the same contact.
		const contact = bert.contact[1];
		expect(await registerContact(moved, contact)).toBe("SIP/2.0 200 OK");
		await until(() => two.edge.registrations().length === 0);
		await expect.poll(() => contactsOf(two, "bert")).toBe(1);
		expect(one.edge.registrations().find(({ aor }) => aor === `bert@${DOMAIN}`)?.contacts.length).toBe(1);
		expect(await answerOf(anna, bert.uri)).toBe(200);
	});

	test("another phone of the same account stays where it is", async () => {
		const { one, two } = await annaAndBert();
		const second = await one.phone("bert");
		expect(await second.register()).toBe(200);
		await one.registered("bert");
		await until(() => two.overlay.connections.size > 0);
		expect(await contactsOf(one, "bert")).toBe(2);
		expect(two.edge.registrations().length).toBe(1);
	});

	test("registered before the account's certificate has come: accepted, and stored as soon as it is there", async () => {
		const [one] = (await house(1, "anna")) as [EdgePeer];
		one.accounts.set("dora", accountOf("dora"));
		const dora = await one.phone("dora");
		expect(await dora.register()).toBe(200);
		expect(String(one.overlay.log.of("sip.noIdentity")[0]?.fields.hint)).toContain("certificate has not come");
		one.refresh();
		await one.registered("dora");
		expect(await contactsOf(one, "dora")).toBe(1);
	});

	test("a wrong password, an unknown user: refused, logged with the address", async () => {
		const [one] = (await house(1, "anna")) as [EdgePeer];
		const wrong = await one.phone("anna", "guessed");
		expect(await wrong.register()).toBe(401);
		const unknown = await one.phone("nobody");
		expect(await unknown.register()).toBe(401);
		const lines = one.overlay.log.of("sip.authentication");
		expect(lines.map(({ fields }) => fields.aor)).toEqual([`anna@${DOMAIN}`, `nobody@${DOMAIN}`]);
		expect(lines.every(({ level, fields }) => level === "warn" && fields.address === "127.0.0.1")).toBe(true);
	});

	test("an account that is removed: nobody is put through, nothing is registered any more, its record goes", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		one.accounts.delete("bert");
		for (const peer of [one, two]) peer.remove("bert");
		await expect.poll(() => contactsOf(one, "bert")).toBe(0);
		expect(await answerOf(anna, bert.uri)).toBe(404);
		expect(await bert.register()).toBe(401);
	});
});

describe("connections", () => {
	test("a node that the household revokes loses its connections at once, and gets no new one", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		expect(await answerOf(anna, bert.uri)).toBe(200);
		expect(one.overlay.connections.size).toBe(1);
		const revoked = two.hosted.get(`bert@${DOMAIN}`) as LocalIdentity;
		const document = one.overlay.realm.revise({ badNodes: [revoked.nodeId] });
		one.overlay.host.input({ type: "document", bytes: document });
		expect(one.overlay.connections.size).toBe(0);
		const down = await one.overlay.log.line("app.down");
		expect(down.fields).toMatchObject({ to: `bert@${DOMAIN}`, as: `anna@${DOMAIN}` });
		expect(String(down.fields.reason)).toContain("revoked");
		expect(await answerOf(anna, bert.uri)).toBe(480);
		expect(one.overlay.connections.size).toBe(0);
	});

	test("octets that are no SIP end the connection, not the peer; the next call has a new one", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		expect(await anna.message(bert.uri, "one")).toBe(200);
		const [from, to] = [one.hosted.get(`anna@${DOMAIN}`), two.hosted.get(`bert@${DOMAIN}`)];
		const connection = one.overlay.connections.find(from as LocalIdentity, (to as LocalIdentity).nodeId);
		connection?.send(new Uint8Array(20_000).fill(65));
		await until(() => two.overlay.connections.size === 0 && one.overlay.connections.size === 0);
		expect((await two.overlay.log.line("app.down")).fields.reason).toBe("unframed octets");
		expect(await anna.message(bert.uri, "two")).toBe(200);
		expect(bert.inbox.map(({ text }) => text)).toEqual(["one", "two"]);
	});

	test("a call outlives its connection: what follows in the call goes over a new one, from either side", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		for (const caller of [anna, bert]) {
			const call = await caller.call((caller === anna ? bert : anna).uri);
			expect(await call.answered).toBe(200);
			const called = caller === anna ? bert : anna;
			await until(() => called.calls.at(-1)?.state === "talking");
			// What was still on its way when the call was answered (the ACK) has arrived.
			expect(await caller.message(called.uri, "still here")).toBe(200);
			for (const { overlay, hosted } of [one, two]) {
				for (const local of hosted.values()) {
					for (const remote of [...one.hosted.values(), ...two.hosted.values()])
						overlay.connections.find(local, remote.nodeId)?.close("as if idle for long");
				}
			}
			await until(() => one.overlay.connections.size + two.overlay.connections.size === 0);
			expect(await (caller === anna ? call : called.calls.at(-1))?.hangup()).toBe(200);
			expect(await (caller === anna ? called.calls.at(-1) : call)?.ended).toBe("BYE");
		}
	});

	test("the other peer dies: the call that cannot be put through is told so", async () => {
		const { one, two, anna, bert } = await annaAndBert();
		expect(await anna.message(bert.uri, "one")).toBe(200);
		two.overlay.close();
		await until(() => one.overlay.connections.size === 0);
		expect([480, 503]).toContain(await anna.message(bert.uri, "two"));
	});
});

describe("sockets", () => {
	test("every place is told, with the port it has got", async () => {
		const [one] = (await house(1, "anna")) as [EdgePeer];
		expect(one.edge.listening().map((uri) => uri.replace(/:\d+;/, ":PORT;"))).toEqual([
			"sip:127.0.0.1:PORT;transport=udp",
			"sip:127.0.0.1:PORT;transport=tcp",
		]);
	});
});
