/**
 * SIP messages read and written per second: core/sip against the npm package `sip` 0.0.6, by turns in one process, CPU time; medians
 * over the rounds, the ratio too.
 *
 *   npx esbuild tools/bench/sip-parse.ts --bundle --platform=node --format=esm --packages=external --outfile=dist/bench/sip-parse.js \
 *     && node dist/bench/sip-parse.js [rounds]
 *
 * route   what a proxy needs to send a message on: start line and Request-URI, topmost Via (transport, sent-by, branch), Route, To tag,
 *         Call-ID, CSeq, Max-Forwards, where the body is. `sip` has one way of reading, which reads everything: that is what it does here.
 * full    every header field of the message read to its parts, as deep as `sip` reads them (Via, addresses to name, URI and parameters,
 *         CSeq, digest fields, numbers; for all others the value), then the message written again as octets: what was not changed is
 *         passed on as it is, which is how the core writes. `sip` writes everything from its parts, it has no other way.
 * rebuilt as full, but ours too is written from nothing but the parts.
 * proxy   read for routing, one Via put on top and Max-Forwards lowered, everything else passed on as it is, as octets;
 *         `sip`: parse, the same two changes, stringify.
 */
import { createRequire } from "node:module";
import { type NameAddr, readNameAddr, readUriText } from "../../core/sip/address.ts";
import { type DigestFields, readDigest } from "../../core/sip/digest.ts";
import { HeadEdit } from "../../core/sip/edit.ts";
import { Header } from "../../core/sip/header-names.ts";
import { LINE, type SipMessage } from "../../core/sip/message.ts";
import { ParamCursor } from "../../core/sip/params.ts";
import { parseDatagram, type ReadOctets } from "../../core/sip/parse.ts";
import { quote } from "../../core/sip/syntax.ts";
import { readVia } from "../../core/sip/via.ts";

/** What Buffer has and its types do not say: `toString("latin1")` without its detour. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

interface SipPackage {
	parse(octets: Buffer): { uri: string; headers: Record<string, unknown> };
	stringify(message: unknown): string;
}

const sip = createRequire(import.meta.url)("sip") as SipPackage;
const ROUNDS = Number(process.argv[2] ?? 25);
const RUN_MS = 40;
const WARM_UP_MS = 300;

const SDP = [
	"v=0",
	"o=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com",
	"s=-",
	"c=IN IP4 192.0.2.101",
	"t=0 0",
	"m=audio 49172 RTP/AVP 0",
	"a=rtpmap:0 PCMU/8000",
	"",
].join("\r\n");

const MESSAGES: Readonly<Record<string, Buffer>> = {
	"INVITE with SDP": octets(
		[
			"INVITE sip:bob@biloxi.example.com SIP/2.0",
			"Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74b43",
			"Max-Forwards: 70",
			"Route: <sip:ss1.atlanta.example.com;lr>",
			"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl",
			"To: Bob <sip:bob@biloxi.example.com>",
			"Call-ID: 3848276298220188511@atlanta.example.com",
			"CSeq: 1 INVITE",
			"Contact: <sip:alice@client.atlanta.example.com;transport=udp>",
			"User-Agent: Phone/1.0",
			"Content-Type: application/sdp",
			`Content-Length: ${SDP.length}`,
		],
		SDP,
	),
	"REGISTER with digest": octets([
		"REGISTER sip:registrar.biloxi.example.com SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.201:5061;branch=z9hG4bKnashd92;rport",
		"Max-Forwards: 70",
		"From: Bob <sip:bob@biloxi.example.com>;tag=ja743ks76zlflH",
		"To: Bob <sip:bob@biloxi.example.com>",
		"Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com",
		"CSeq: 2 REGISTER",
		"Contact: <sip:bob@192.0.2.201:5061>;expires=3600",
		'Authorization: Digest username="bob", realm="biloxi.example.com", nonce="df84f1cec4341ae6cbe5ap359a9c8e88",' +
			' uri="sip:registrar.biloxi.example.com", response="aa7ab4678258377c6f7d4be6087e2f60", algorithm=MD5, cnonce="0a4f113b", qop=auth, nc=00000001',
		"Content-Length: 0",
	]),
};

function octets(head: readonly string[], body = ""): Buffer {
	return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1");
}

const read: ReadOctets = (bytes, start, end) => (bytes as Latin1Buffer).latin1Slice(start, end);

/** Kept so that nothing measured can be optimised away. */
let sink = 0;

function route(message: SipMessage): number {
	const via = message.via()!;
	const routes = message.find(Header.route);
	const next = routes < 0 ? "" : readUriText(message, message.valueStart(routes), message.valueEnd(routes));
	return (
		message.requestUri().length +
		via.host.length +
		via.port +
		via.branch.length +
		via.transport.length +
		next.length +
		message.toTag().length +
		message.callId().length +
		message.cseq +
		message.maxForwards() +
		message.contentLength
	);
}

interface Parameter {
	readonly name: string;
	readonly value: string | undefined;
}

/** Every header field to its parts and back. */
function rewrite(message: SipMessage): Buffer {
	let head = `${message.method} ${message.requestUri()} SIP/2.0\r\n`;
	for (let line = 0; line < message.lines.length; line += LINE) {
		const start = message.valueStart(line);
		const end = message.valueEnd(line);
		switch (message.headerOf(line)) {
			case Header.via:
				head += `Via: ${writeVia(message, start, end)}\r\n`;
				break;
			case Header.from:
				head += `From: ${writeAddress(message.from()!)}\r\n`;
				break;
			case Header.to:
				head += `To: ${writeAddress(message.to()!)}\r\n`;
				break;
			case Header.contact:
				head += `Contact: ${writeAddress(readNameAddr(message, start, end)!)}\r\n`;
				break;
			case Header.route:
				head += `Route: ${writeAddress(readNameAddr(message, start, end)!)}\r\n`;
				break;
			case Header.callId:
				head += `Call-ID: ${message.text.slice(start, end)}\r\n`;
				break;
			case Header.cseq:
				head += `CSeq: ${message.cseq} ${message.cseqMethod}\r\n`;
				break;
			case Header.maxForwards:
				head += `Max-Forwards: ${message.maxForwards()}\r\n`;
				break;
			case Header.contentLength:
				head += `Content-Length: ${message.contentLength}\r\n`;
				break;
			case Header.authorization:
				head += `Authorization: ${writeDigest(readDigest(message, start, end)!)}\r\n`;
				break;
			default: {
				const at = message.lineStart(line);
				const name = message.text.slice(at, message.text.indexOf(":", at));
				head += `${name}: ${message.text.slice(start, end)}\r\n`;
			}
		}
	}
	return whole(`${head}\r\n`, message.body);
}

/** Every header field to its parts; then out again, unchanged. */
function readAll(message: SipMessage): Buffer {
	for (let line = 0; line < message.lines.length; line += LINE) {
		const start = message.valueStart(line);
		const end = message.valueEnd(line);
		switch (message.headerOf(line)) {
			case Header.via: {
				const via = readVia(message, start, end)!;
				sink += via.host.length + via.port + via.branch.length;
				break;
			}
			case Header.from:
			case Header.to:
			case Header.contact:
			case Header.route: {
				const address = readNameAddr(message, start, end)!;
				sink += address.display().length + address.uriText().length + parameters(address).length;
				break;
			}
			case Header.cseq:
				sink += message.cseq + message.cseqMethod.length;
				break;
			case Header.maxForwards:
				sink += message.maxForwards();
				break;
			case Header.contentLength:
				sink += message.contentLength;
				break;
			case Header.authorization:
				sink += readDigest(message, start, end)!.nonce.length;
				break;
			default: {
				const at = message.lineStart(line);
				sink += message.text.slice(at, message.text.indexOf(":", at)).length + message.text.slice(start, end).length;
			}
		}
	}
	return whole(new HeadEdit(message).toText(), message.body);
}

function writeVia(message: SipMessage, start: number, end: number): string {
	const via = readVia(message, start, end)!;
	let value = `SIP/2.0/${via.transport} ${via.host}${via.port === 0 ? "" : `:${via.port}`};branch=${via.branch}`;
	if (via.rport >= 0) value += via.rport === 0 ? ";rport" : `;rport=${via.rport}`;
	return via.received === "" ? value : `${value};received=${via.received}`;
}

function writeAddress(address: NameAddr): string {
	const display = address.display();
	let value = display === "" ? `<${address.uriText()}>` : `${quote(display)} <${address.uriText()}>`;
	for (const { name, value: text } of parameters(address))
		value += text === undefined ? `;${name}` : `;${name}=${text}`;
	return value;
}

function parameters(address: NameAddr): Parameter[] {
	const list: Parameter[] = [];
	const cursor = new ParamCursor(address.source, address.paramsStart, address.end);
	while (cursor.next()) {
		list.push({ name: cursor.name(), value: cursor.valueStart < 0 ? undefined : cursor.value() });
	}
	return list;
}

function writeDigest(fields: DigestFields): string {
	const { username, realm, nonce, uri, response, algorithm, cnonce, qop, nc } = fields;
	return (
		`Digest username=${quote(username)}, realm=${quote(realm)}, nonce=${quote(nonce)}, uri=${quote(uri)}, ` +
		`response="${response}", algorithm=${algorithm}, cnonce="${cnonce}", qop=${qop}, nc=${nc}`
	);
}

function whole(head: string, body: Uint8Array): Buffer {
	const octets = Buffer.allocUnsafe(head.length + body.length);
	octets.write(head, 0, "latin1");
	if (body.length > 0) octets.set(body, head.length);
	return octets;
}

const OUR_VIA = "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKr4f2c9a1e0b1c2d3e";

function passOn(message: SipMessage): Buffer {
	route(message);
	const edit = new HeadEdit(message);
	const hops = message.find(Header.maxForwards);
	edit.insert(message.lineStart(message.find(Header.via)), `Via: ${OUR_VIA}\r\n`);
	edit.replace(message.valueStart(hops), message.valueEnd(hops), String(message.maxForwards() - 1));
	return whole(edit.toText(), message.body);
}

function theirPassOn(datagram: Buffer): Buffer {
	const parsed = sip.parse(datagram);
	const vias = parsed.headers.via as unknown[];
	vias.unshift({
		version: "2.0",
		protocol: "UDP",
		host: "192.0.2.1",
		port: 5060,
		params: { rport: null, branch: "z9hG4bKr4f2c9a1e0b1c2d3e" },
	});
	parsed.headers["max-forwards"] = Number(parsed.headers["max-forwards"]) - 1;
	return Buffer.from(sip.stringify(parsed), "latin1");
}

function theirFull(datagram: Buffer): number {
	return Buffer.from(sip.stringify(sip.parse(datagram)), "latin1").length;
}

type Operation = (datagram: Buffer) => number;

const PAIRS: ReadonlyArray<readonly [name: string, ours: Operation, theirs: Operation, target: number]> = [
	["route", (d) => route(parseDatagram(d, read)!), (d) => sip.parse(d).uri.length, 5],
	["full", (d) => readAll(parseDatagram(d, read)!).length, theirFull, 3],
	["rebuilt", (d) => rewrite(parseDatagram(d, read)!).length, theirFull, 0],
	["proxy", (d) => passOn(parseDatagram(d, read)!).length, (d) => theirPassOn(d).length, 3],
];

/** Messages per second of CPU time (garbage collection included), over about `duration` milliseconds. */
function rate(operation: Operation, datagram: Buffer, duration = RUN_MS): number {
	let count = 0;
	const start = process.cpuUsage();
	for (;;) {
		for (let i = 0; i < 500; i++) sink += operation(datagram);
		count += 500;
		const { user, system } = process.cpuUsage(start);
		const ms = (user + system) / 1000;
		if (ms >= duration) return (count * 1000) / ms;
	}
}

function median(values: number[]): number {
	return values.sort((a, b) => a - b)[values.length >> 1]!;
}

console.log("                                  core/sip       npm sip    ratio");
for (const [title, datagram] of Object.entries(MESSAGES)) {
	for (const [name, ours, theirs, target] of PAIRS) {
		const mine: number[] = [];
		const other: number[] = [];
		const ratios: number[] = [];
		rate(ours, datagram, WARM_UP_MS);
		rate(theirs, datagram, WARM_UP_MS);
		for (let round = 0; round < ROUNDS; round++) {
			mine.push(rate(ours, datagram));
			other.push(rate(theirs, datagram));
			ratios.push(mine.at(-1)! / other.at(-1)!);
		}
		const a = median(mine);
		const b = median(other);
		const label = `${title} (${datagram.length} B), ${name}`.padEnd(42);
		console.log(
			`${label}${Math.round(a).toString().padStart(9)}${Math.round(b).toString().padStart(12)}   ${median(ratios).toFixed(2)}${target === 0 ? "" : ` (wanted: ${target})`}`,
		);
	}
}
console.log(`(${sink % 10})`);
