import { describe, expect, test } from "vitest";
import {
	algorithmOf,
	answerChallenge,
	challengeValue,
	type DigestAlgorithm,
	digestResponse,
	makeHa1,
	readDigest,
} from "../../../core/sip/digest.ts";
import { Header } from "../../../core/sip/header-names.ts";
import { IdSource } from "../../../core/sip/ids.ts";
import { FAILURES_BEFORE_BLOCK } from "../../../core/sip/limits.ts";
import { Nonces } from "../../../core/sip/nonces.ts";
import { sourceOf } from "../../../core/sip/syntax.ts";
import { pickChallenge } from "../../../core/sip/ua.ts";
import { lines, type Sent, testCrypto, World } from "./support.ts";

const crypto = testCrypto();
const digest = (text: string) => readDigest(sourceOf(text), 0, text.length);

describe("digest (RFC 7616, RFC 8760)", () => {
	// RFC 7616 §3.9.1.
	test.each<[DigestAlgorithm, string]>([
		["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
		["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
	])("the example of RFC 7616 with %s", (algorithm, response) => {
		const ha1 = makeHa1(crypto, algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
		const nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
		const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
		expect(digestResponse(crypto, algorithm, ha1, "GET", "/dir/index.html", nonce, "00000001", cnonce)).toBe(response);
	});

	test("values as phones write them", () => {
		const fields = digest(
			'Digest username="al\\"ice",realm = "a, b" , nonce="n" ,uri="sip:b@c;x=1",response=abc, algorithm=md5,qop=auth,nc=00000001 , cnonce="c",foo=bar, username="second"',
		)!;
		expect(fields).toMatchObject({
			username: 'al"ice',
			realm: "a, b",
			uri: "sip:b@c;x=1",
			response: "abc",
			nc: "00000001",
		});
		expect(algorithmOf(fields)).toBe("MD5");
		expect(digest('DIGEST realm="x"')?.realm).toBe("x");
	});

	test.each([
		"",
		"Digest",
		'Basic realm="x"',
		"Digest realm",
		'Digest realm="x',
		'Digest realm="x" nonce="y"',
		"Digest =x",
		'Digest realm=,nonce="x"',
	])("%j is refused", (text) => {
		expect(digest(text)).toBeUndefined();
	});

	test("a challenge that cannot be answered is not answered", () => {
		const credentials = { username: "a", ha1Md5: "x" };
		const answer = (text: string) => answerChallenge(crypto, digest(text)!, credentials, "OPTIONS", "sip:b", "c");
		expect(answer(challengeValue("r", "n", "MD5", false))).toContain('username="a"');
		expect(answer(challengeValue("r", "n", "SHA-256", false))).toBeUndefined();
		expect(answer('Digest realm="r",nonce="n",qop="auth-int"')).toBeUndefined();
		expect(answer('Digest realm="r",nonce="n",qop="auth",algorithm=SHA-512-256')).toBeUndefined();
	});
});

describe("nonces", () => {
	const make = (limit = 4) =>
		new Nonces(crypto, new IdSource(crypto), { key: new Uint8Array(32), realm: "r", lifetimeMs: 10_000, limit });

	test("are good for their lifetime, for the address they were given to", () => {
		const nonces = make();
		const nonce = nonces.issue("192.0.2.9", 5000);
		expect(nonces.check(nonce, "192.0.2.9", 5000)).toBe("good");
		expect(nonces.check(nonce, "192.0.2.9", 15_000)).toBe("good");
		expect(nonces.check(nonce, "192.0.2.9", 15_001)).toBe("stale");
		expect(nonces.check(nonce, "192.0.2.8", 5000)).toBe("foreign");
		expect(nonces.check(`0${nonce.slice(1, -1)}x`, "192.0.2.9", 5000)).toBe("foreign");
		expect(nonces.check("", "192.0.2.9", 5000)).toBe("foreign");
	});

	test("each count once; late ones within a window", () => {
		const nonces = make();
		const nonce = nonces.issue("a", 0);
		const use = (count: number): boolean => nonces.use(nonce, count.toString(16).padStart(8, "0"));
		expect([use(1), use(1), use(3), use(2), use(2), use(3)]).toEqual([true, false, true, true, false, false]);
		expect([use(40), use(9), use(8), use(9), use(39)]).toEqual([true, true, false, false, true]);
		expect([use(100), use(71), use(69), use(68)]).toEqual([true, true, true, false]);
		expect([nonces.use(nonce, "1"), nonces.use(nonce, "00000000"), nonces.use(nonce, "xxxxxxxx")]).toEqual([
			false,
			false,
			false,
		]);
	});

	test("a full memory makes what it forgets stale, so nothing can be replayed", () => {
		const nonces = make(2);
		const issued = [0, 1000, 2000, 3000].map((at) => nonces.issue("a", at));
		for (const nonce of issued.slice(0, 3)) expect(nonces.use(nonce, "00000001")).toBe(true);
		expect(issued.map((nonce) => nonces.check(nonce, "a", 3000))).toEqual(["stale", "good", "good", "good"]);
	});
});

/** A phone with a password at 192.0.2.50. */
class Phone {
	readonly world: World;
	readonly name: string;
	readonly place: string;
	#branch = 0;

	constructor(world: World, name: string, place = "192.0.2.50:5060") {
		this.world = world;
		this.name = name;
		this.place = place;
	}

	send(method: string, options: { uri?: string; from?: string; extra?: string[]; toTag?: string } = {}): Sent[] {
		const uri = options.uri ?? "sip:home.example";
		const aor = options.from ?? `sip:${this.name}@home.example`;
		const to = method === "REGISTER" ? aor : uri;
		const tag = options.toTag === undefined ? "" : `;tag=${options.toTag}`;
		this.world.from(
			this.place,
			lines(
				`${method} ${uri} SIP/2.0`,
				`Via: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bK${this.name}${this.#branch++}`,
				`From: <${aor}>;tag=f`,
				`To: <${to}>${tag}`,
				`Call-ID: ${this.name}${this.#branch}`,
				`CSeq: 1 ${method}`,
				`Contact: <sip:${this.name}@192.0.2.50>`,
				...(options.extra ?? []),
			),
		);
		return this.world.take();
	}

	/** The header line that answers a challenge. */
	answer(
		challenge: Sent,
		password: string,
		options: { uri?: string; method?: string; algorithm?: DigestAlgorithm; nc?: string; username?: string } = {},
	): string {
		const { message } = challenge;
		const isProxy = message.status === 407;
		const header = isProxy ? Header.proxyAuthenticate : Header.wwwAuthenticate;
		const fields = pickChallenge(message, header)!;
		if (options.algorithm !== undefined) fields.algorithm = options.algorithm;
		const credentials = { username: options.username ?? this.name, password };
		const uri = options.uri ?? "sip:home.example";
		const value = answerChallenge(crypto, fields, credentials, options.method ?? message.cseqMethod, uri, "cn")!;
		return `${isProxy ? "Proxy-Authorization" : "Authorization"}: ${value}`;
	}
}

describe("authentication at the edge", () => {
	const ACCOUNTS: Record<string, string> = { hall: "secret", attic: "word" };

	function house(options = {}): World {
		return new World({
			isAuthenticating: true,
			verifier: (aor, username) => {
				const password = ACCOUNTS[username];
				if (password === undefined || aor !== `${username}@home.example`) return undefined;
				return {
					ha1Sha256: makeHa1(crypto, "SHA-256", username, "home.example", password),
					ha1Md5: makeHa1(crypto, "MD5", username, "home.example", password),
				};
			},
			...options,
		});
	}

	const statuses = (sent: Sent[]): number[] => sent.map((each) => each.message.status);

	test("REGISTER: 401 with both algorithms, SHA-256 first; then in, by either", () => {
		for (const algorithm of ["SHA-256", "MD5"] as const) {
			const phone = new Phone(house(), "hall");
			const [challenge] = phone.send("REGISTER");
			expect(challenge!.message.status).toBe(401);
			expect(challenge!.text.match(/WWW-Authenticate: .*algorithm=(\S+),/g)?.length).toBe(2);
			expect(challenge!.text.indexOf("SHA-256")).toBeLessThan(challenge!.text.indexOf("algorithm=MD5"));
			expect(challenge!.text).not.toContain("stale");
			expect(statuses(phone.send("REGISTER", { extra: [phone.answer(challenge!, "secret", { algorithm })] }))).toEqual([
				200,
			]);
			expect(phone.world.events.map((event) => event.type)).toEqual(["registered"]);
		}
	});

	test("a challenge costs no transaction", () => {
		const phone = new Phone(house(), "hall");
		phone.send("REGISTER");
		phone.send("INVITE", { uri: "sip:attic@home.example" });
		expect(phone.world.edge.stats()).toMatchObject({ serverTransactions: 0, refused: 2 });
		expect(phone.world.edge.deadline()).toBe(Number.POSITIVE_INFINITY);
	});

	test("calls are challenged with 407; the credentials do not travel on, the ACK of the 407 neither", () => {
		const world = house();
		const phone = new Phone(world, "hall");
		world.locate = (output) => ({
			type: "located",
			token: output.token,
			targets: [{ uri: "sip:x@192.0.2.60", address: "192.0.2.60" }],
		});
		const uri = "sip:attic@home.example";
		const [challenge] = phone.send("INVITE", { uri });
		expect(challenge!.message.status).toBe(407);
		world.from(
			phone.place,
			lines(
				`ACK ${uri} SIP/2.0`,
				"Via: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKhall0",
				"From: <sip:hall@home.example>;tag=f",
				`To: <${uri}>;tag=${challenge!.message.to()!.tag}`,
				`Call-ID: ${challenge!.message.callId()}`,
				"CSeq: 1 ACK",
			),
		);
		expect(world.take()).toEqual([]);
		const sent = phone.send("INVITE", { uri, extra: [phone.answer(challenge!, "secret", { uri })] });
		expect(sent.map((each) => each.message.status || each.message.method)).toEqual([100, "INVITE"]);
		expect(sent[1]!.text).not.toContain("Proxy-Authorization");
		expect(phone.send("MESSAGE", { uri })[0]!.message.status).toBe(407);
	});

	test("From must be the account's, To of a REGISTER too", () => {
		const phone = new Phone(house(), "hall");
		const uri = "sip:attic@home.example";
		const [challenge] = phone.send("MESSAGE", { uri, from: "sip:attic@home.example" });
		const answer = phone.answer(challenge!, "secret", { uri });
		const [refused] = phone.send("MESSAGE", { uri, from: "sip:attic@home.example", extra: [answer] });
		expect([refused!.message.status, refused!.text.split("\r\n")[0]]).toEqual([
			403,
			"SIP/2.0 403 From Is Not The Account",
		]);
		const [again] = phone.send("REGISTER", { from: "sip:attic@home.example" });
		const [other] = phone.send("REGISTER", { from: "sip:attic@home.example", extra: [phone.answer(again!, "secret")] });
		expect(other!.message.status).toBe(403);
	});

	test("a replay gets a new challenge, not in", () => {
		const phone = new Phone(house(), "hall");
		const [challenge] = phone.send("REGISTER");
		const answer = phone.answer(challenge!, "secret");
		expect(statuses(phone.send("REGISTER", { extra: [answer] }))).toEqual([200]);
		const [replay] = phone.send("REGISTER", { extra: [answer] });
		expect(replay!.message.status).toBe(401);
		expect(replay!.text).toContain("stale=true");
	});

	test("an old nonce, one of another life, one of another address: stale, and no failure", () => {
		const world = house();
		const phone = new Phone(world, "hall");
		const [challenge] = phone.send("REGISTER");
		const answer = phone.answer(challenge!, "secret");
		world.advance(301_000);
		expect(phone.send("REGISTER", { extra: [answer] })[0]!.text).toContain("stale=true");
		const reborn = new Phone(house({ key: new Uint8Array(32) }), "hall");
		expect(reborn.send("REGISTER", { extra: [answer] })[0]!.text).toContain("stale=true");
		const moved = new Phone(world, "hall", "192.0.2.51:5060");
		const [fresh] = phone.send("REGISTER");
		expect(moved.send("REGISTER", { extra: [phone.answer(fresh!, "wrong")] })[0]!.text).toContain("stale=true");
		expect(world.events).toEqual([]);
	});

	test("wrong passwords and unknown users look the same; after six of them 403 for a minute", () => {
		for (const name of ["hall", "nobody"]) {
			const world = house();
			const phone = new Phone(world, name);
			const [challenge] = phone.send("REGISTER");
			let last = challenge!;
			for (let i = 0; i < FAILURES_BEFORE_BLOCK; i++) {
				[last] = phone.send("REGISTER", { extra: [phone.answer(last, "wrong")] }) as [Sent];
				expect(last.message.status).toBe(401);
				expect(last.text).not.toContain("stale");
			}
			// Now even the right one.
			const [blocked] = phone.send("REGISTER", { extra: [phone.answer(last, "secret")] });
			expect(blocked!.text.split("\r\n")[0]).toBe("SIP/2.0 403 Too Many Failures");
			expect(world.events.length).toBe(FAILURES_BEFORE_BLOCK + 1);
			expect(world.events.at(-1)).toEqual({
				type: "authenticationFailed",
				aor: `${name}@home.example`,
				address: "192.0.2.50",
				isBlocked: true,
			});
			// Another source is not concerned.
			expect(new Phone(world, "hall", "192.0.2.51:5060").send("REGISTER")[0]!.message.status).toBe(401);
			world.advance(60_000);
			expect(phone.send("REGISTER")[0]!.message.status).toBe(401);
		}
	});

	test("a right password forgives what was wrong before", () => {
		const phone = new Phone(house(), "hall");
		let [last] = phone.send("REGISTER") as [Sent];
		for (let round = 0; round < 3; round++) {
			for (let i = 1; i < FAILURES_BEFORE_BLOCK; i++)
				[last] = phone.send("REGISTER", { extra: [phone.answer(last, "wrong")] }) as [Sent];
			expect(statuses(phone.send("REGISTER", { extra: [phone.answer(last, "secret")] }))).toEqual([200]);
			[last] = phone.send("REGISTER") as [Sent];
		}
	});

	test("digest for another resource, without qop, by an algorithm not offered: asked again", () => {
		const phone = new Phone(house({ algorithms: ["SHA-256"] }), "hall");
		const [challenge] = phone.send("REGISTER");
		const other = phone.answer(challenge!, "secret", { uri: "sip:elsewhere" });
		const md5 = phone.answer(challenge!, "secret", { algorithm: "MD5" });
		const bare = phone.answer(challenge!, "secret").replace("qop=auth, ", "");
		for (const extra of [other, md5, bare]) expect(statuses(phone.send("REGISTER", { extra: [extra] }))).toEqual([401]);
		expect(phone.world.events).toEqual([]);
	});

	test("a username with its domain is the same account", () => {
		const phone = new Phone(
			house({
				verifier: (aor: string, username: string) =>
					aor === "hall@home.example"
						? { ha1Sha256: makeHa1(crypto, "SHA-256", username, "home.example", "secret") }
						: undefined,
			}),
			"hall",
		);
		const [challenge] = phone.send("REGISTER");
		expect(
			statuses(
				phone.send("REGISTER", { extra: [phone.answer(challenge!, "secret", { username: "hall@Home.Example" })] }),
			),
		).toEqual([200]);
	});

	test("the memory of failing sources is bounded", () => {
		const world = house({ limits: { failureSources: 2 } });
		const fail = (place: string, times: number): void => {
			const phone = new Phone(world, "hall", place);
			let [last] = phone.send("REGISTER") as [Sent];
			for (let i = 0; i < times; i++)
				[last] = phone.send("REGISTER", { extra: [phone.answer(last, "wrong")] }) as [Sent];
		};
		fail("192.0.2.1:1", FAILURES_BEFORE_BLOCK);
		fail("192.0.2.2:1", 1);
		expect(new Phone(world, "hall", "192.0.2.1:1").send("REGISTER")[0]!.message.status).toBe(403);
		fail("192.0.2.3:1", 1);
		expect(new Phone(world, "hall", "192.0.2.1:1").send("REGISTER")[0]!.message.status).toBe(401);
	});
});
