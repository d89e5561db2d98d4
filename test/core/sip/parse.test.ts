import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Header, headerAt, headerNameLength, headerNumber } from "../../../core/sip/header-names.ts";
import { DEFAULT_LIMITS } from "../../../core/sip/limits.ts";
import { AddressWalk, LINE } from "../../../core/sip/message.ts";
import { headLength, indexText, octetsToText, parseDatagram } from "../../../core/sip/parse.ts";
import { bytes, lines } from "./support.ts";

const INVITE = lines(
	"INVITE sip:bob@biloxi.example.com SIP/2.0",
	"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhds",
	"Max-Forwards: 70",
	'To: "Bob" <sip:bob@biloxi.example.com>',
	"From: Alice <sip:alice@atlanta.example.com>;tag=1928301774",
	"Call-ID: a84b4c76e66710",
	"CSeq: 314159 INVITE",
	"Contact: <sip:alice@pc33.atlanta.example.com>",
	"Content-Type: application/sdp",
	"Content-Length: 4",
	"",
	"v=0",
).concat("\n");

describe("the indexer (RFC 3261 §7)", () => {
	test("reads what a proxy needs", () => {
		const message = parseDatagram(bytes(INVITE))!;
		expect(message.fault).toBeUndefined();
		expect(message.method).toBe("INVITE");
		expect(message.requestUri()).toBe("sip:bob@biloxi.example.com");
		expect(message.via()).toMatchObject({ transport: "UDP", host: "pc33.atlanta.example.com", port: 5066 });
		expect(message.via()!.branch).toBe("z9hG4bK776asdhds");
		expect(message.from()!.tag).toBe("1928301774");
		expect(message.from()!.display()).toBe("Alice");
		expect(message.to()!.tag).toBe("");
		expect(message.to()!.display()).toBe("Bob");
		expect(message.callId()).toBe("a84b4c76e66710");
		expect([message.cseq, message.cseqMethod]).toEqual([314159, "INVITE"]);
		expect(message.maxForwards()).toBe(70);
		expect(octetsToText(message.body, 0, message.body.length)).toBe("v=0\n");
	});

	test("a response", () => {
		const message = indexText(
			lines(
				"SIP/2.0 486 Busy Here",
				"Via: SIP/2.0/UDP a;branch=b",
				"To: sip:a@b",
				"From: sip:c@d;tag=1",
				"Call-ID: x",
				"CSeq: 1 BYE",
			),
		)!;
		expect([message.isRequest, message.status, message.cseqMethod]).toEqual([false, 486, "BYE"]);
		expect(message.text.slice(message.uriStart, message.uriEnd)).toBe("Busy Here");
	});

	test("every known header field, in any case, compact or long", () => {
		const names: [string, number][] = [
			["Via", Header.via],
			["v", Header.via],
			["f", Header.from],
			["t", Header.to],
			["To", Header.to],
			["TO", Header.to],
			["i", Header.callId],
			["CALL-ID", Header.callId],
			["m", Header.contact],
			["l", Header.contentLength],
			["content-LENGTH", Header.contentLength],
			["c", Header.contentType],
			["k", Header.supported],
			["Max-Forwards", Header.maxForwards],
			["Record-Route", Header.recordRoute],
			["Proxy-Authorization", Header.proxyAuthorization],
			["WWW-Authenticate", Header.wwwAuthenticate],
			["Subject", Header.subject],
			["X-Subject", Header.other],
			["Tx", Header.other],
			["Vib", Header.other],
			["Content-Lengtj", Header.other],
			["Call_ID", Header.other],
			["Max\rForwards", Header.other],
			["Content\rLength", Header.other],
		];
		for (const [name, header] of names) {
			const found = headerAt(bytes(`${name}: x\r\n\r\n`), 0);
			expect([name, headerNumber(found)]).toEqual([name, header]);
			if (header !== Header.other) expect(headerNameLength(found)).toBe(name.length);
		}
	});

	test("each name that the core knows has a place of its own", () => {
		for (const [key, header] of Object.entries(Header)) {
			const hyphened = key.replace(/[A-Z]/g, (capital) => `-${capital}`);
			const name = key === "cseq" ? "CSeq" : key === "wwwAuthenticate" ? "WWW-Authenticate" : hyphened;
			expect([name, headerNumber(headerAt(bytes(`${name}:`), 0))]).toEqual([name, header]);
		}
	});

	test("what may hide in a short line is found as in any other", () => {
		const head = (line: string) => INVITE.replace("CSeq: 314159 INVITE", line);
		const faultOf = (line: string) => indexText(head(line))?.fault?.reason;
		for (const name of [
			"CSeq: 1 INVITE",
			"CSeq:1 INVITE",
			"CSeq: 1\tINVITE",
			"CSeq: 1\r\n INVITE",
			"CSeq: 0001  INVITE ",
		]) {
			expect([name, faultOf(name)]).toEqual([name, undefined]);
			expect(indexText(head(name))?.cseqMethod).toBe("INVITE");
		}
		for (const name of [
			"CSeq: 1\rX INVITE",
			"CSeq: 1 INVITE\n",
			"Max\rForwards: 7\r\nCSeq: 1 INVITE",
			"Content-Length: 1\n",
		]) {
			expect([name, faultOf(name)]).toEqual([name, "Stray CR or LF"]);
		}
		expect(faultOf("CSeq: 1 INVITES")).toBe("CSeq Method Mismatch");
		expect(faultOf("CSeq: 1 INVIT")).toBe("CSeq Method Mismatch");
	});

	test("folded lines, spaces around the colon, lists over several lines", () => {
		const message = indexText(
			lines(
				"OPTIONS sip:a@b SIP/2.0",
				"Via  :\r\n SIP/2.0/UDP a;branch=z9hG4bK1",
				"route: <sip:one;lr> ,",
				"\t<sip:two;lr>",
				"Route:<sip:three;lr>",
				"To: sip:a@b",
				"From: sip:c@d;tag=1",
				"Call-ID: x",
				"CSeq: 1 OPTIONS",
			),
		)!;
		expect(message.fault).toBeUndefined();
		expect(message.via()!.branch).toBe("z9hG4bK1");
		const routes: string[] = [];
		const walk = new AddressWalk(message, Header.route);
		while (walk.next()) routes.push(walk.address!.uriText());
		expect(routes).toEqual(["sip:one;lr", "sip:two;lr", "sip:three;lr"]);
	});

	test.each([
		["a stray LF", INVITE.replace("Max-Forwards: 70\r\n", "Max-Forwards: 70\n"), "Stray CR or LF"],
		["a stray CR", INVITE.replace("Call-ID: a84", "Call-ID: a\rRoute: <sip:x>"), "Stray CR or LF"],
		["no colon", INVITE.replace("Max-Forwards: 70", "Max-Forwards 70"), "Malformed Header Field"],
		["two Call-IDs", INVITE.replace("Max-Forwards: 70", "i: 2"), "Repeated Header Field"],
		["no To", INVITE.replace("To:", "Tx:"), "Missing Header Field"],
		["another version", INVITE.replace("SIP/2.0\r\n", "SIP/7.0\r\n"), "Version Not Supported"],
		["CSeq of another method", INVITE.replace("314159 INVITE", "314159 ACK"), "CSeq Method Mismatch"],
		["a CSeq too large", INVITE.replace("314159", "4294967296"), "Bad CSeq"],
		["a negative length", INVITE.replace("Content-Length: 4", "Content-Length: -4"), "Bad Content-Length"],
		[
			"a length beyond the datagram",
			INVITE.replace("Content-Length: 4", "Content-Length: 5"),
			"Body Shorter Than Content-Length",
		],
		["no empty line", INVITE.slice(0, INVITE.indexOf("\r\n\r\n") + 2), "Header Not Ended"],
	])("%s is a fault, and the message can still be answered", (_name, text, reason) => {
		const message = parseDatagram(bytes(text))!;
		expect(message.fault?.reason).toBe(reason);
		expect(message.via()!.branch).toBe("z9hG4bK776asdhds");
	});

	test.each([
		"",
		"\r\n\r\n",
		"\0",
		"hello",
		"INVITE\r\n\r\n",
		"SIP/2.0 99 x\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"SIP/2.0 700 x\r\n\r\n",
	])("%j is no SIP message", (text) => {
		expect(parseDatagram(bytes(text))).toBeUndefined();
	});

	test("limits: head, lines, body", () => {
		const limits = { ...DEFAULT_LIMITS, headOctets: 400, headerLines: 9, bodyOctets: 4 };
		expect(parseDatagram(bytes(INVITE), octetsToText, limits)!.fault).toBeUndefined();
		const long = INVITE.replace("Max-Forwards: 70", `Max-Forwards: 70\r\nX: ${"y".repeat(100)}`);
		expect(parseDatagram(bytes(long), octetsToText, limits)!.fault?.status).toBe(513);
		const many = INVITE.replace("Max-Forwards: 70", "Max-Forwards: 70\r\nX: y");
		expect(parseDatagram(bytes(many), octetsToText, limits)!.fault?.reason).toBe("Too Many Header Fields");
		const body = `${INVITE.replace("Length: 4", "Length: 5")}x`;
		expect(parseDatagram(bytes(body), octetsToText, limits)!.fault?.status).toBe(413);
	});

	test("a head that no limit stops is stopped by the index", () => {
		const limits = { ...DEFAULT_LIMITS, headOctets: 1 << 20, headerLines: 1 << 20 };
		const long = INVITE.replace("Max-Forwards: 70", "X: y\r\n".repeat(10_000).trimEnd());
		expect(parseDatagram(bytes(long), octetsToText, limits)!.fault?.status).toBe(513);
	});

	test("headLength finds the empty line wherever it stands", () => {
		for (let n = 0; n < 20; n++) {
			for (const noise of ["\r\n", "\n", "\r", "x", "\r\nx", "\n\r\n"]) {
				const text = `${"a".repeat(n)}${noise}${"b".repeat(n % 5)}\r\n\r\nrest`;
				expect(headLength(bytes(text), 0, text.length)).toBe(text.indexOf("\r\n\r\n") + 4);
			}
		}
		expect(headLength(bytes("abc\r\n\r"), 0, 6)).toBe(-1);
	});
});

describe("properties", () => {
	const piece = fc.oneof(
		fc.constantFrom(
			"\r\n",
			"\r",
			"\n",
			" ",
			"\t",
			":",
			";",
			",",
			"<",
			">",
			'"',
			"\\",
			"=",
			"@",
			"%",
			"%41",
			"?",
			"[",
			"]",
			"*",
		),
		fc.constantFrom(
			"INVITE ",
			"SIP/2.0",
			"Via: ",
			"v:",
			"From: ",
			"To: ",
			"CSeq: 1 INVITE",
			"Call-ID: x",
			"Route: ",
			"sip:",
			"z9hG4bK",
		),
		fc.string({ unit: "binary", maxLength: 4 }).map((text) => text.replace(/[^\0-\xff]/g, "\xff")),
	);

	test("random octets never throw and never hang, whatever is asked of them", () => {
		fc.assert(
			fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(INVITE.length), (parts, at) => {
				for (const text of [parts.join(""), INVITE.slice(0, at) + parts.join("") + INVITE.slice(at)]) {
					const message = parseDatagram(bytes(text));
					if (message === undefined) continue;
					message.via()?.sentBy();
					message.from()?.uri()?.param("x");
					message.from()?.display();
					message.to()?.param("tag");
					message.maxForwards();
					for (const header of [Header.contact, Header.route]) {
						const walk = new AddressWalk(message, header);
						while (walk.next()) walk.address!.uri();
					}
					expect(message.body.length).toBeLessThanOrEqual(text.length);
				}
			}),
			{ numRuns: 2000 },
		);
	});

	test("lines of the index, put together, are the head", () => {
		const token = fc.stringMatching(/^[a-zA-Z0-9-]{1,12}$/);
		const value = fc.stringMatching(/^[!-~]{0,20}( [!-~]{1,10}){0,2}$/);
		fc.assert(
			fc.property(fc.array(fc.tuple(token, value), { maxLength: 20 }), (headers) => {
				const head = lines("OPTIONS sip:a@b SIP/2.0", ...headers.map(([name, text]) => `${name}: ${text}`));
				const message = indexText(head)!;
				let joined = head.slice(0, head.indexOf("\r\n") + 2);
				for (let line = 0; line < message.lines.length; line += LINE) {
					joined += message.text.slice(message.lineStart(line), message.lineEnd(line));
				}
				expect(`${joined}\r\n`).toBe(head);
			}),
		);
	});
});
