import { describe, expect, test } from "vitest";
import { readNameAddr, readTag, readUriText } from "../../../core/sip/address.ts";
import { responseHead } from "../../../core/sip/build.ts";
import { HeadEdit } from "../../../core/sip/edit.ts";
import { Flow } from "../../../core/sip/flow.ts";
import { Header } from "../../../core/sip/header-names.ts";
import { indexText } from "../../../core/sip/parse.ts";
import { quote, sourceOf, unquote } from "../../../core/sip/syntax.ts";
import { readVia } from "../../../core/sip/via.ts";
import { noteVia } from "../../../core/sip/via-note.ts";
import { lines } from "./support.ts";

const address = (text: string) => readNameAddr(sourceOf(text), 0, text.length);
const via = (text: string) => readVia(sourceOf(text), 0, text.length);

describe("addresses (RFC 3261 §20.10)", () => {
	test.each([
		['"A. G. Bell" <sip:agb@bell.com> ;tag=a48s', "A. G. Bell", "sip:agb@bell.com", "a48s"],
		["sip:+12125551212@server.com;tag=887s", "", "sip:+12125551212@server.com", "887s"],
		["Anonymous <sip:c8@anon.com>;tag=hyh8", "Anonymous", "sip:c8@anon.com", "hyh8"],
		["<sip:a@b;tag=in>;TAG=out", "", "sip:a@b;tag=in", "out"],
		['"<sip:no@no>;tag=no \\" , " <sip:a,b@c>;x="y;tag=z";tag=1', '<sip:no@no>;tag=no " , ', "sip:a,b@c", "1"],
		["Two  Words <sip:a@b>", "Two  Words", "sip:a@b", ""],
		["<sip:a@b>;tag", "", "sip:a@b", ""],
	])("%s", (text, display, uri, tag) => {
		const read = address(text)!;
		expect([read.display(), read.uriText(), read.tag]).toEqual([display, uri, tag]);
		expect(read.next).toBe(-1);
		// The short ways agree.
		expect([readTag(sourceOf(text), 0, text.length), readUriText(sourceOf(text), 0, text.length)]).toEqual([tag, uri]);
	});

	test.each([
		"",
		"<>",
		"<sip:a@b",
		'"x <sip:a@b>',
		"sip:a@b?x=y",
		"<sip:a@b>;;",
		"<sip:a@b>,",
		"<sip:a@b> x",
		"<sip:a@b>;=1",
	])("%j is refused", (text) => {
		expect(address(text)).toBeUndefined();
	});

	test("an unquoted comma parts two values, and the first is no URI", () => {
		const read = address("Bell, Alexander <sip:c>")!;
		expect([read.uri(), read.next]).toEqual([undefined, 6]);
	});

	test("the next value begins behind the comma", () => {
		const text = '"a, b" <sip:a>;x=1 , <sip:b>';
		expect(text.slice(address(text)!.next)).toBe("<sip:b>");
	});
});

describe("Via (RFC 3261 §20.42, RFC 3581)", () => {
	test.each([
		[
			"SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7",
			"UDP",
			"erlang.bell-telephone.com:5060",
			"z9hG4bK87asdks7",
		],
		["SIP/2.0/TCP 192.0.2.1", "TCP", "192.0.2.1:5060", ""],
		["sip/2.0/tls [2001:DB8::1];Branch=x", "TLS", "[2001:db8::1]:5061", "x"],
		["SIP / 2.0 / WSS h.invalid ;branch = x ; y", "WSS", "h.invalid:443", "x"],
	])("%s", (text, transport, sentBy, branch) => {
		const read = via(text)!;
		expect([read.transport, read.sentBy(), read.branch]).toEqual([transport, sentBy, branch]);
		expect(text.slice(read.start, read.end)).toBe(text);
	});

	test.each([
		"",
		"SIP/2.0/UDP",
		"SIP/2.0/UDP h;;",
		"SIP/2.0/UDP h,",
		"SIP/2.0/UDP h:",
		"SIP/3.0/UDP h",
		"SIP/2.0/UDPh",
		"SIP/2.0/UDP h x",
		"HTTP/2.0/UDP h",
	])("%j is refused", (text) => {
		expect(via(text)).toBeUndefined();
	});

	/** The top Via of the 200 that answers a request with this Via, which came from 192.0.2.7:9000. */
	function noted(value: string): string {
		const request = indexText(
			lines(
				"OPTIONS sip:a SIP/2.0",
				`Via: ${value}`,
				"Via: SIP/2.0/UDP old",
				"From: <sip:a>;tag=1",
				"To: <sip:b>",
				"Call-ID: 1",
				"CSeq: 1 OPTIONS",
			),
		)!;
		const flow = new Flow(
			{ flow: 1, transport: "udp", localAddress: "::", localPort: 1, remoteAddress: "192.0.2.7", remotePort: 9000 },
			true,
		);
		expect(noteVia(request, flow.hop)).toBe(true);
		const response = indexText(responseHead(request, 200, "", "t"))!;
		const last = response.find(Header.via, response.find(Header.via) + 2);
		expect(response.text.slice(response.valueStart(last), response.valueEnd(last))).toBe("SIP/2.0/UDP old");
		return response.value(Header.via)!;
	}

	test.each([
		["SIP/2.0/UDP 192.0.2.7:5060;branch=b", "SIP/2.0/UDP 192.0.2.7:5060;branch=b"],
		["SIP/2.0/UDP host;branch=b", "SIP/2.0/UDP host;branch=b;received=192.0.2.7"],
		["SIP/2.0/UDP 10.0.0.1;rport;branch=b", "SIP/2.0/UDP 10.0.0.1;rport=9000;received=192.0.2.7;branch=b"],
		["SIP/2.0/UDP 192.0.2.7;branch=b;rport", "SIP/2.0/UDP 192.0.2.7;branch=b;rport=9000;received=192.0.2.7"],
		// What the sender claims about itself is taken out.
		["SIP/2.0/UDP 192.0.2.7;received=1.2.3.4;branch=b", "SIP/2.0/UDP 192.0.2.7;branch=b"],
		["SIP/2.0/UDP h;received=1.2.3.4;branch=b", "SIP/2.0/UDP h;received=192.0.2.7;branch=b"],
		["SIP/2.0/UDP h;rport;x;received=1.2.3.4;y", "SIP/2.0/UDP h;rport=9000;received=192.0.2.7;x;y"],
		["SIP/2.0/UDP h;received=1.2.3.4;x;rport;y", "SIP/2.0/UDP h;x;rport=9000;received=192.0.2.7;y"],
	])("%s is answered with %s", (value, expected) => {
		expect(noted(value)).toBe(expected);
	});
});

describe("small syntax", () => {
	test("quote and unquote", () => {
		for (const text of ["", 'a"b\\c', "\0\x7f", "plain"]) {
			const quoted = quote(text);
			expect(unquote(quoted, 0, quoted.length)).toBe(text);
		}
		expect(quote("a\r\nb")).toBe('"a  b"');
	});

	test("edits are written in the order of their places, at one place in the order they were made", () => {
		const message = indexText(lines("OPTIONS sip:a SIP/2.0", "A: 1", "B: 2", "C: 3"))!;
		const edit = new HeadEdit(message);
		edit.append("D: 4\r\n");
		edit.removeLine(2);
		edit.insert(message.lineStart(0), "X: 0\r\n");
		edit.insert(message.lineStart(0), "Y: 0\r\n");
		edit.replace(message.uriStart, message.uriEnd, "sip:b");
		expect(edit.toText()).toBe(lines("OPTIONS sip:b SIP/2.0", "X: 0", "Y: 0", "A: 1", "C: 3", "D: 4"));
	});
});
