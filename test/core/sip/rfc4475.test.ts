import { describe, expect, test } from "vitest";
import { Header } from "../../../core/sip/header-names.ts";
import { AddressWalk, type SipMessage } from "../../../core/sip/message.ts";
import { parseDatagram } from "../../../core/sip/parse.ts";
import { unescapeUri } from "../../../core/sip/uri.ts";
import { bytes, World } from "./support.ts";
import { OTHERS, VALID } from "./torture-messages.ts";

function read(name: string): SipMessage {
	return parseDatagram(bytes(VALID[name]!))!;
}

/** Sends a message to an edge that serves example.com and knows one phone for everybody. */
function deliver(text: string, options = {}): World {
	const world = new World({ domains: ["example.com", "example.net", "chair-dnrc.example.com"], ...options });
	world.locate = (output) => ({
		type: "located",
		token: output.token,
		targets: [{ uri: "sip:phone@192.0.2.200", address: "192.0.2.200" }],
	});
	world.from("192.0.2.99:5060", text);
	return world;
}

describe("valid messages (RFC 4475 §3.1.1)", () => {
	test.each(Object.keys(VALID))("%s has no fault", (name) => {
		expect(read(name).fault).toBeUndefined();
	});

	test("wsinv: white space everywhere", () => {
		const message = read("wsinv");
		expect(message.to()!.tag).toBe("1918181833n");
		expect(message.from()!.display()).toBe('J Rosenberg \\"');
		expect(message.from()!.tag).toBe("98asjd8");
		expect(message.maxForwards()).toBe(68);
		expect([message.cseq, message.cseqMethod]).toEqual([9, "INVITE"]);
		expect(message.via()).toMatchObject({ transport: "UDP", host: "192.0.2.2", branch: "390skdjuw" });
		expect(message.body.length).toBe(150);
		const walk = new AddressWalk(message, Header.contact);
		expect(walk.next()).toBe(true);
		expect(walk.address!.param("q")).toBe("0.33");
		expect(walk.address!.param("newparam")).toBe("newvalue");
		expect(walk.address!.param("secondparam")).toBe("");
	});

	test("intmeth: every character that may stand anywhere", () => {
		const message = read("intmeth");
		expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
		expect(message.to()!.display()).toBe("BEL:\x07 NUL:\0 DEL:\x7f");
		expect(message.from()!.tag).toBe("_token~1'+`*%!-.");
		expect(message.to()!.uri()!.user).toBe("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
		expect(deliver(VALID.intmeth!).story()).toEqual([
			"!interesting-Method0123456789_*+`.%indeed'~ -> 192.0.2.200:5060",
		]);
	});

	test("esc01, semiuri: escapes in URIs, decoded once", () => {
		expect(unescapeUri(read("esc01").to()!.uri()!.user!)).toBe("user");
		const walk = new AddressWalk(read("esc01"), Header.contact);
		walk.next();
		expect(unescapeUri(walk.address!.uri()!.param("name")!)).toBe("value%41");
		expect(walk.address!.uri()!.param("lr")).toBe("");
		const uri = deliver(VALID.semiuri!);
		expect(unescapeUri(read("semiuri").requestUri())).toContain("u@example.net@example.com");
		expect(uri.story()).toEqual(["OPTIONS -> 192.0.2.200:5060"]);
	});

	test("escnull: two contacts, an AOR with a NUL in it", () => {
		const world = deliver(VALID.escnull!);
		expect(world.one().message.status).toBe(200);
		expect(world.edge.bindings("null-\0-null@example.com").map((info) => info.target.uri)).toEqual([
			"sip:%00@host5.example.com",
			"sip:%00%00@host5.example.com",
		]);
	});

	test("esc02: RE%47IST%45R is not REGISTER, C%6Fntact is not Contact", () => {
		const message = read("esc02");
		expect(message.method).toBe("RE%47IST%45R");
		expect(message.to()!.display()).toBe("%Z%45");
		let contacts = 0;
		const walk = new AddressWalk(message, Header.contact);
		while (walk.next()) contacts++;
		expect(contacts).toBe(2);
	});

	test("lwsdisp, longreq, transports, mpart01", () => {
		expect(read("lwsdisp").from()!.display()).toBe("caller");
		const long = read("longreq");
		expect(long.from()!.tag).toBe(`12${"982".repeat(50)}424`);
		let vias = 0;
		for (let line = long.find(Header.via); line >= 0; line = long.find(Header.via, line + 2)) vias++;
		expect(vias).toBe(34);
		expect(read("transports").find(Header.via)).toBeGreaterThanOrEqual(0);
		expect(deliver(VALID.transports!).story()).toEqual(["OPTIONS -> 192.0.2.200:5060"]);
		const sent = deliver(VALID.mpart01!).one();
		// Its Route names a strict router.
		expect(sent.message.requestUri()).toBe("sip:127.0.0.1:5080");
		expect(sent.message.value(Header.route)).toBe("<sip:kumiko@example.org>");
		expect(sent.text.slice(sent.text.indexOf("\r\n\r\n"))).toBe(
			VALID.mpart01!.slice(VALID.mpart01!.indexOf("\r\n\r\n")),
		);
	});

	test("dblreq: octets behind the message are noise", () => {
		const world = deliver(VALID.dblreq!);
		expect(world.story()).toEqual(["200 REGISTER -> 192.0.2.99:5060"]);
		expect(world.edge.stats().received).toBe(1);
	});
});

describe("the other messages (RFC 4475 §3.1.2, §3.2, §3.3, §3.4)", () => {
	test.each(OTHERS)("%s", (name, text, outcome) => {
		const verifier = () => undefined;
		const world = deliver(text, name === "regaut01" ? { isAuthenticating: true, verifier } : {});
		const sent = world.take();
		const finals = sent.filter((each) => each.message.status !== 100);
		if (outcome === "dropped") expect(sent).toEqual([]);
		else if (outcome === "forwarded") expect(finals.map((each) => each.address)).toEqual(["192.0.2.200"]);
		else expect(finals.map((each) => each.message.status)).toEqual([outcome]);
	});

	test("escruri: headers of a Request-URI do not travel", () => {
		const world = deliver(OTHERS.find(([name]) => name === "escruri")![1]);
		world.locate = undefined;
		const sent = world.take().at(-1)!;
		expect(sent.message.requestUri()).toBe("sip:phone@192.0.2.200");
		expect(sent.text).not.toContain("%3C");
	});

	test("bext01: the answer names what is not supported", () => {
		const sent = deliver(OTHERS.find(([name]) => name === "bext01")![1]).one();
		expect(sent.message.value(Header.unsupported)).toBe("noProxiesSupportThis, norDoAnyProxiesSupportThis");
	});

	test.each([
		["cparam01", "sip:+19725552222@gw1.example.net"],
		["cparam02", "sip:+19725552222@gw1.example.net;unknownparam"],
		["regescrt", "sip:user@example.com?Route=%3Csip:sip.example.com%3E"],
	])("%s: what belongs to the contact's URI and what does not", (name, uri) => {
		const world = deliver(OTHERS.find(([other]) => other === name)![1]);
		expect(world.edge.bindings("user@example.com").map((info) => info.target.uri)).toEqual([uri]);
		expect(world.one().text).toContain(`<${uri}>;expires=300`);
	});

	test("over a stream: clerr waits and is closed, ncl and mcl01 end the connection at once", () => {
		const of = (name: string): string => OTHERS.find(([other]) => other === name)![1];
		const world = new World();
		for (const flow of [2, 3, 4]) {
			const remote = { remoteAddress: "192.0.2.9", remotePort: 4000 + flow };
			world.edge.addFlow({ flow, transport: "tcp", localAddress: "192.0.2.1", localPort: 5060, ...remote });
		}
		world.over(2, of("clerr"));
		expect(world.story()).toEqual([]);
		world.advance(31_999);
		expect(world.outputs).toEqual([]);
		world.advance(1);
		expect(world.outputs).toEqual([{ type: "close", flow: 2, reason: "unfinished message" }]);
		world.over(3, of("ncl"));
		world.over(4, of("mcl01"));
		expect(world.story()).toEqual(["400 INVITE -> flow 3", "400 OPTIONS -> flow 4"]);
		expect(world.outputs.slice(1).map((output) => output.type === "close" && output.flow)).toEqual([3, 4]);
	});
});
