import { describe, expect, test } from "vitest";
import { Header } from "../../../core/sip/header-names.ts";
import { lines, type Sent, World } from "./support.ts";

let branch = 0;

function register(
	options: {
		contacts?: string[];
		expires?: number | string;
		callId?: string;
		cseq?: number;
		to?: string;
		uri?: string;
		extra?: string[];
	} = {},
): string {
	return lines(
		`REGISTER ${options.uri ?? "sip:home.example"} SIP/2.0`,
		`Via: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKr${branch++}`,
		"From: <sip:hall@home.example>;tag=1",
		`To: <${options.to ?? "sip:hall@home.example"}>`,
		`Call-ID: ${options.callId ?? "c1"}`,
		`CSeq: ${options.cseq ?? ++branch} REGISTER`,
		...(options.contacts ?? []).map((contact) => `Contact: ${contact}`),
		...(options.expires === undefined ? [] : [`Expires: ${options.expires}`]),
		...(options.extra ?? []),
	);
}

function send(world: World, text: string, place = "192.0.2.50:5060"): Sent {
	world.from(place, text);
	return world.one();
}

function contacts(sent: Sent): string[] {
	const values: string[] = [];
	const { message } = sent;
	for (let line = message.find(Header.contact); line >= 0; line = message.find(Header.contact, line + 2)) {
		values.push(message.text.slice(message.valueStart(line), message.valueEnd(line)));
	}
	return values;
}

const uris = (world: World, aor = "hall@home.example"): string[] =>
	world.edge.bindings(aor).map((info) => info.target.uri);

describe("REGISTER (RFC 3261 §10.3)", () => {
	test("binds, tells all bindings, refreshes, expires", () => {
		const world = new World();
		const first = send(
			world,
			register({ contacts: ["<sip:a@192.0.2.50>;q=0.5;expires=120", "sip:b@192.0.2.51;q=0.7"], expires: 600 }),
		);
		expect(first.message.status).toBe(200);
		expect(contacts(first)).toEqual([
			"<sip:a@192.0.2.50>;expires=120;q=0.500",
			"<sip:b@192.0.2.51>;expires=600;q=0.700",
		]);
		expect(uris(world)).toEqual(["sip:b@192.0.2.51", "sip:a@192.0.2.50"]);
		world.advance(100_000);
		expect(contacts(send(world, register()))).toEqual([
			"<sip:a@192.0.2.50>;expires=20;q=0.500",
			"<sip:b@192.0.2.51>;expires=500;q=0.700",
		]);
		send(world, register({ contacts: ["<sip:a@192.0.2.50>"], expires: 600 }));
		world.advance(499_999);
		expect(uris(world)).toEqual(["sip:a@192.0.2.50", "sip:b@192.0.2.51"]);
		world.advance(1);
		expect(uris(world)).toEqual(["sip:a@192.0.2.50"]);
		expect(world.events.map((event) => [event.type, "remaining" in event && event.remaining])).toEqual([
			["registered", 2],
			["refreshed", 2],
			["expired", 1],
		]);
	});

	test("requests to a binding go where it registered from, not where its contact says", () => {
		const world = new World();
		send(world, register({ contacts: ["<sip:hall@10.0.0.5:5060>"] }), "203.0.113.9:40000");
		expect(world.edge.bindings("hall@home.example")[0]!.target).toEqual({
			uri: "sip:hall@10.0.0.5:5060",
			flow: 1,
			address: "203.0.113.9",
			port: 40000,
		});
	});

	test("a retransmission is answered the same and changes nothing", () => {
		const world = new World();
		const text = register({ contacts: ["<sip:a@x>"], cseq: 5 });
		const first = send(world, text);
		expect(send(world, text).text).toBe(first.text);
		expect(world.events.length).toBe(1);
	});

	test("0 removes, * removes all, and only with Expires 0 and alone", () => {
		const world = new World();
		send(world, register({ contacts: ["<sip:a@x>", "<sip:b@x>", "<sip:c@x>"] }));
		expect(contacts(send(world, register({ contacts: ["<sip:b@x>"], expires: 0 }))).length).toBe(2);
		for (const bad of [
			{ contacts: ["*"] },
			{ contacts: ["*"], expires: 60 },
			{ contacts: ["*", "<sip:a@x>"], expires: 0 },
		]) {
			expect(send(world, register(bad)).message.status).toBe(400);
		}
		expect(uris(world).length).toBe(2);
		expect(contacts(send(world, register({ contacts: ["*"], expires: 0 })))).toEqual([]);
		expect(world.events.map((event) => event.type)).toEqual(["registered", "unregistered", "unregistered"]);
	});

	test("too brief is 423, too long is shortened, no number is the default", () => {
		const world = new World();
		const brief = send(world, register({ contacts: ["<sip:a@x>", "<sip:b@x>;expires=59"], expires: 60 }));
		expect([brief.message.status, brief.message.value(Header.minExpires)]).toEqual([423, "60"]);
		expect(uris(world)).toEqual([]);
		const long = register({
			contacts: ["<sip:a@x>;expires=999999", "<sip:b@x>;expires=soon", "<sip:c@x>"],
			expires: "later",
		});
		expect(contacts(send(world, long)).map((value) => value.split("=")[1])).toEqual(["600", "300", "300"]);
	});

	test("an older request of the same Call-ID changes nothing; another Call-ID may", () => {
		const world = new World();
		send(world, register({ contacts: ["<sip:a@x>"], cseq: 10 }));
		for (const cseq of [10, 9]) {
			// The transactions of before are over: these are no merged copies.
			world.advance(32_000);
			expect(send(world, register({ contacts: ["<sip:new@x>", "<sip:a@x>"], cseq })).message.status).toBe(500);
			world.advance(32_000);
			expect(send(world, register({ contacts: ["*"], expires: 0, cseq })).message.status).toBe(500);
		}
		expect(uris(world)).toEqual(["sip:a@x"]);
		expect(send(world, register({ contacts: ["<sip:a@x>"], callId: "c2", cseq: 1 })).message.status).toBe(200);
	});

	test("contacts are compared as URIs", () => {
		const world = new World();
		send(world, register({ contacts: ["<sip:%61@X.example;transport=UDP>"] }));
		send(world, register({ contacts: ["<sip:a@x.example;transport=udp;line=1>"] }));
		expect(uris(world)).toEqual(["sip:a@x.example;transport=udp;line=1"]);
		send(world, register({ contacts: ["<sip:a@x.example>"] }));
		expect(uris(world).length).toBe(2);
	});

	test("outbound: instance and reg-id name the binding (RFC 5626 §6)", () => {
		const world = new World();
		const instance = '+sip.instance="<urn:uuid:1>"';
		const extra = ["Supported: path, outbound"];
		const sent = send(world, register({ contacts: [`<sip:a@10.0.0.1>;${instance};reg-id=1`], extra }));
		expect(sent.text).toContain("Require: outbound");
		expect(contacts(sent)[0]).toContain(`${instance};reg-id=1`);
		send(
			world,
			register({ contacts: [`<sip:a@10.0.0.2>;${instance};reg-id=1`], callId: "c2", extra }),
			"192.0.2.77:5060",
		);
		expect(world.edge.bindings("hall@home.example").map((info) => info.target)).toEqual([
			{ uri: "sip:a@10.0.0.2", flow: 1, address: "192.0.2.77", port: 5060 },
		]);
		send(world, register({ contacts: [`<sip:a@10.0.0.2>;${instance};reg-id=2`], extra }));
		expect(uris(world).length).toBe(2);
	});

	test("Path is kept, told back, and put in front of requests (RFC 3327)", () => {
		const world = new World();
		const sent = send(
			world,
			register({
				contacts: ["<sip:a@10.0.0.1>"],
				extra: ["Path: <sip:p1.example;lr>", "Path: <sip:p2.example;lr>", "Supported: path"],
			}),
		);
		expect(sent.text).toContain("Path: <sip:p1.example;lr>\r\nPath: <sip:p2.example;lr>");
		world.from(
			"192.0.2.60:5060",
			lines(
				"MESSAGE sip:hall@home.example SIP/2.0",
				"Via: SIP/2.0/UDP 192.0.2.60;branch=z9hG4bKm",
				"From: <sip:x@y>;tag=1",
				"To: <sip:hall@home.example>",
				"Call-ID: m",
				"CSeq: 1 MESSAGE",
			),
		);
		const { message } = world.one();
		expect(message.value(Header.route)).toBe("<sip:p1.example;lr>, <sip:p2.example;lr>");
		expect(message.requestUri()).toBe("sip:a@10.0.0.1");
	});

	test.each([
		["a domain that is not ours", { to: "sip:hall@elsewhere.example" }, 404],
		["no user part", { to: "sip:home.example" }, 400],
		["a tel URI", { to: "tel:+1" }, 400],
		["a contact that is no SIP URI", { contacts: ["<mailto:a@b>"] }, 400],
		["a malformed contact", { contacts: ['"x <sip:a@b>'] }, 400],
		["a contact too long", { contacts: [`<sip:a@b;x=${"y".repeat(1100)}>`] }, 400],
		["a Path too long", { contacts: ["<sip:a@b>"], extra: [`Path: <sip:${"p".repeat(1100)};lr>`] }, 400],
	])("%s is refused", (_name, options, status) => {
		const world = new World();
		expect(send(world, register(options)).message.status).toBe(status);
		expect(world.edge.stats().bindings).toBe(0);
	});

	test("our addresses stand for the domain", () => {
		const world = new World();
		send(world, register({ uri: "sip:192.0.2.1", to: "sip:hall@192.0.2.1:5060", contacts: ["<sip:a@x>"] }));
		expect(uris(world)).toEqual(["sip:a@x"]);
	});

	test("limits: contacts of one AOR, bindings in all", () => {
		const world = new World({ limits: { bindingsPerAor: 2, bindings: 3 } });
		expect(send(world, register({ contacts: ["<sip:a@x>", "<sip:b@x>", "<sip:c@x>"] })).message.status).toBe(403);
		expect(world.edge.stats().bindings).toBe(0);
		expect(send(world, register({ contacts: ["<sip:a@x>", "<sip:b@x>"] })).message.status).toBe(200);
		expect(send(world, register({ contacts: ["<sip:c@x>"] })).message.status).toBe(403);
		expect(send(world, register({ contacts: ["<sip:c@x>", "<sip:a@x>;expires=0"] })).message.status).toBe(200);
		expect(send(world, register({ to: "sip:attic@home.example", contacts: ["<sip:a@x>"] })).message.status).toBe(200);
		const full = send(world, register({ to: "sip:porch@home.example", contacts: ["<sip:a@x>"] }));
		expect([full.message.status, full.message.value(Header.retryAfter)]).toEqual([503, "5"]);
		expect(world.edge.registeredAors()).toEqual(["hall@home.example", "attic@home.example"]);
	});

	test("the bindings of a connection go with it", () => {
		const world = new World();
		world.edge.addFlow({
			flow: 2,
			transport: "tcp",
			localAddress: "192.0.2.1",
			localPort: 5060,
			remoteAddress: "192.0.2.50",
			remotePort: 1,
		});
		const text = (options: object): string => `${register(options).slice(0, -2)}Content-Length: 0\r\n\r\n`;
		world.over(2, text({ contacts: ["<sip:a@x>", "<sip:b@x>"] }));
		world.take();
		send(world, register({ contacts: ["<sip:b@x>"] }));
		world.input({ type: "flowClosed", flow: 2 });
		expect(uris(world)).toEqual(["sip:b@x"]);
		expect(world.events.at(-1)).toMatchObject({ type: "flowClosed", aor: "hall@home.example", remaining: 1 });
	});

	test("the same request by another way is merged (RFC 3261 §8.2.2.2)", () => {
		const world = new World();
		const text = register({ contacts: ["<sip:a@x>"], cseq: 7 });
		send(world, text);
		const merged = send(world, text.replace(/branch=z9hG4bKr\d+/, "branch=z9hG4bKother"));
		expect([merged.message.status, merged.text.split("\r\n")[0]]).toEqual([482, "SIP/2.0 482 Merged Request"]);
	});
});

describe("other requests to the edge itself", () => {
	const ask = (method: string, extra: string[] = []): Sent => {
		const world = new World({ software: "Ringlet" });
		return send(
			world,
			lines(
				`${method} sip:192.0.2.1:5060 SIP/2.0`,
				"Via: SIP/2.0/UDP 192.0.2.50;rport;branch=z9hG4bKo",
				"From: <sip:x@y>;tag=1",
				"To: <sip:192.0.2.1>",
				"Call-ID: o",
				`CSeq: 1 ${method}`,
				...extra,
			),
		);
	};

	test("OPTIONS (RFC 3261 §11.2)", () => {
		const { message, text } = ask("OPTIONS");
		expect(message.status).toBe(200);
		expect(text).toContain("Allow: INVITE, ACK, CANCEL, BYE");
		expect(text).toContain("Supported: path, outbound");
		expect(text).toContain("Server: Ringlet");
		expect(text).toContain("rport=5060;received=192.0.2.50");
	});

	test("what it does not do", () => {
		expect(ask("NOTIFY").message.status).toBe(405);
		const { message } = ask("OPTIONS", ["Require: path, gruu, 100rel"]);
		expect([message.status, message.value(Header.unsupported)]).toEqual([420, "gruu, 100rel"]);
	});
});
