import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Framed, StreamFramer } from "../../../core/sip/framing.ts";
import { DEFAULT_LIMITS } from "../../../core/sip/limits.ts";
import { octetsToText } from "../../../core/sip/parse.ts";
import { bytes, lines } from "./support.ts";

const message = (id: number, body = ""): string =>
	`${lines("MESSAGE sip:a SIP/2.0", "Via: SIP/2.0/TCP h;branch=z9hG4bK1", "From: <sip:a>;tag=1", "To: <sip:b>", `Call-ID: ${id}`, "CSeq: 1 MESSAGE", `Content-Length: ${body.length}`)}${body}`;

function name(framed: Framed): string {
	if (typeof framed === "string") return framed;
	return `${framed.callId()} ${octetsToText(framed.body, 0, framed.body.length)}`.trim();
}

function feed(framer: StreamFramer, ...chunks: string[]): string[] {
	const found: string[] = [];
	for (const chunk of chunks) {
		framer.push(bytes(chunk));
		for (let next = framer.next(); next !== "wait"; next = framer.next()) {
			found.push(name(next));
			if (next === "broken") return found;
		}
	}
	return found;
}

describe("messages in a stream (RFC 3261 §18.3, RFC 5626 §3.5.1)", () => {
	test("several in one chunk, with pings between and CRLFs before", () => {
		const text = `\r\n${message(1, "hello")}\r\n\r\n${message(2)}\r\n\r\n\r\n\r\n`;
		expect(feed(new StreamFramer(), text)).toEqual(["1 hello", "ping", "2", "ping", "ping"]);
	});

	test("cut anywhere, it is the same", () => {
		const text = `${message(1, "a\r\n\r\nb")}\r\n\r\n${message(2, "x".repeat(50))}`;
		fc.assert(
			fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
				const places = [0, ...cuts.sort((a, b) => a - b), text.length];
				const chunks = places.slice(1).map((end, i) => text.slice(places[i], end));
				expect(feed(new StreamFramer(), ...chunks)).toEqual([`1 a\r\n\r\nb`, "ping", `2 ${"x".repeat(50)}`]);
			}),
		);
		expect(feed(new StreamFramer(), ...text.split(""))).toEqual([`1 a\r\n\r\nb`, "ping", `2 ${"x".repeat(50)}`]);
	});

	test("bodies handed out stay what they were while more comes", () => {
		const framer = new StreamFramer();
		framer.push(bytes(message(1, "keep me").slice(0, -3)));
		expect(framer.next()).toBe("wait");
		framer.push(bytes(`${message(1, "keep me").slice(-3)}${message(2, "second")}`));
		const first = framer.next();
		feed(framer, message(3, "third!!"), message(4, "fourth"));
		expect(name(first)).toBe("1 keep me");
	});

	test("isInside tells a begun message from a pause between messages", () => {
		const framer = new StreamFramer();
		feed(framer, message(1));
		expect(framer.isInside).toBe(false);
		feed(framer, "\r\n");
		expect(framer.isInside).toBe(false);
		feed(framer, "MESS");
		expect(framer.isInside).toBe(true);
		const half = new StreamFramer();
		feed(half, message(1, "body").slice(0, -1));
		expect(half.isInside).toBe(true);
	});

	test.each([
		["no Content-Length", message(1).replace("Content-Length: 0\r\n", ""), ["1", "broken"]],
		["two of them", message(1).replace("CSeq", "l: 0\r\nCSeq"), ["1", "broken"]],
		["no SIP at all", "GET / HTTP/1.1\r\n\r\n", ["broken"]],
		["a stray LF", message(1).replace("Call-ID: 1\r\n", "Call-ID: 1\r\nX: y\nz\r\n"), ["1", "broken"]],
	])("%s: the stream cannot be followed any more", (_name, text, expected) => {
		const framer = new StreamFramer();
		expect(feed(framer, text)).toEqual(expected);
		framer.push(bytes(message(2)));
		expect(framer.next()).toBe("broken");
	});

	test("limits: head and body", () => {
		const limits = { ...DEFAULT_LIMITS, headOctets: 200, bodyOctets: 10 };
		expect(feed(new StreamFramer(octetsToText, limits), message(1, "1234567890"))).toEqual(["1 1234567890"]);
		expect(feed(new StreamFramer(octetsToText, limits), message(1, "12345678901"))).toEqual(["1", "broken"]);
		const trickle = Array.from({ length: 300 }, () => "A");
		expect(feed(new StreamFramer(octetsToText, limits), ...trickle)).toEqual(["broken"]);
		expect(
			feed(new StreamFramer(octetsToText, limits), message(1).replace("CSeq", `X: ${"y".repeat(100)}\r\nCSeq`)),
		).toEqual(["broken"]);
	});
});
