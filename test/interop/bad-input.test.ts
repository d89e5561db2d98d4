/** A running peer and what no program should send it, on every port it has open: answered or dropped, counted, never a crash. */
import { createSocket } from "node:dgram";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../hal/sim/random.ts";
import { type Place, placeOf } from "../../tools/demo/sip-text.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

/** A request with these lines in place of (or beside) its own; `undefined` leaves a line out. */
function request(
	change: Readonly<Record<string, string | undefined>> = {},
	start = `OPTIONS sip:${DOMAIN} SIP/2.0`,
	body = "",
): string {
	const lines: Record<string, string | undefined> = {
		Via: "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKbad;rport",
		"Max-Forwards": "70",
		From: `<sip:mallory@${DOMAIN}>;tag=1`,
		To: `<sip:${DOMAIN}>`,
		"Call-ID": "bad-input",
		CSeq: "1 OPTIONS",
		"Content-Length": String(body.length),
		...change,
	};
	const text = Object.entries(lines).map(([name, value]) => (value === undefined ? "" : `${name}: ${value}\r\n`));
	return `${start}\r\n${text.join("")}\r\n${body}`;
}

/** Malformed requests, and what the status line of the answer must say. */
const REFUSED: readonly [string, string, RegExp][] = [
	["without From", request({ From: undefined }), /^SIP\/2\.0 400 .*\w/],
	["without Call-ID", request({ "Call-ID": undefined }), /^SIP\/2\.0 400 .*\w/],
	["without CSeq", request({ CSeq: undefined }), /^SIP\/2\.0 400 .*\w/],
	["a CSeq of another method", request({ CSeq: "1 INVITE" }), /^SIP\/2\.0 400 .*\w/],
	["a CSeq that is no number", request({ CSeq: "one OPTIONS" }), /^SIP\/2\.0 400 .*\w/],
	["a negative Content-Length", request({ "Content-Length": "-1" }), /^SIP\/2\.0 400 .*\w/],
	["a body that is too short", request({ "Content-Length": "500" }), /^SIP\/2\.0 400 .*\w/],
	["two Call-IDs", `${request({ From: `<sip:a@${DOMAIN}>;tag=1\r\nCall-ID: other` })}`, /^SIP\/2\.0 400 .*\w/],
	["a broken From", request({ From: "<sip:mallory@" }), /^SIP\/2\.0 400 .*\w/],
	["another version", request({}, `OPTIONS sip:${DOMAIN} SIP/7.0`), /^SIP\/2\.0 (505|400) .*\w/],
	["no more hops", request({ "Max-Forwards": "0" }, `OPTIONS sip:anna@${DOMAIN} SIP/2.0`), /^SIP\/2\.0 483 /],
	["an extension nobody has", request({ Require: "teleport" }), /^SIP\/2\.0 420 /],
];

/** What deserves no answer. */
const DROPPED: readonly [string, Buffer][] = [
	["nothing", Buffer.alloc(0)],
	["zeros", Buffer.alloc(500)],
	["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
	["a response to nothing", Buffer.from("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\n\r\n")],
	["the largest datagram, of one letter", Buffer.alloc(60_000, "A")],
	["a start line only", Buffer.from("INVITE sip:a@b SIP/2.0\r\n")],
];

describeWith([], "bad input to a running peer", () => {
	let house: TestHousehold;
	let sip: Place;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 1 });
		await house.account("anna");
		sip = placeOf(`sip:${house.edge(0)}`) as Place;
	});

	afterAll(async () => house?.close());

	beforeEach((context) => house.watch(context));

	/** The peer is the same process, in the overlay, and serves phones. */
	async function isWell(): Promise<void> {
		const status = await house.status(0);
		expect(status).toMatchObject({ pid: house.peers[0]?.ready.pid, inOverlay: true });
		const phone = await house.phone("anna", 0);
		expect(await phone.register()).toBe(200);
		expect(await phone.register(0)).toBe(200);
		expect(logLines().filter(({ level }) => level === "error")).toEqual([]);
	}

	function logLines(): { level: string; event: string; [field: string]: unknown }[] {
		const text = house.peers[0]?.log ?? "";
		return text
			.split("\n")
			.filter((line) => line.startsWith("{"))
			.map((line) => JSON.parse(line) as { level: string; event: string });
	}

	async function counter(name: string): Promise<number> {
		return (await house.status(0)).counters[name] ?? 0;
	}

	/** Sends datagrams from one socket; the first lines of what comes back until `count` are there or `withinMs` are over. */
	async function datagrams(octets: readonly (Buffer | string)[], count: number, withinMs = 3_000): Promise<string[]> {
		const answers: string[] = [];
		const socket = createSocket("udp4");
		try {
			await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
			const enough = new Promise<void>((done) => {
				const timer = setTimeout(done, withinMs);
				socket.on("message", (data) => {
					answers.push(data.toString("latin1").split("\r\n")[0] ?? "");
					if (answers.length < count) return;
					clearTimeout(timer);
					done();
				});
			});
			for (const one of octets) socket.send(one, sip.port, sip.address);
			await enough;
		} finally {
			socket.close();
		}
		return answers;
	}

	/** A TCP connection to a place, what it hears, and its end. */
	async function dial({
		address,
		port,
	}: Place): Promise<{ socket: Socket; heard: () => string; ended: Promise<void> }> {
		let text = "";
		const socket = connectTcp(port, address);
		socket.on("error", () => undefined);
		socket.on("data", (data) => {
			text += data.toString("latin1");
		});
		const ended = new Promise<void>((done) => socket.once("close", () => done()));
		await new Promise<void>((done) => socket.once("connect", () => done()));
		return { socket, heard: () => text, ended };
	}

	test.each(REFUSED)("SIP over UDP, %s: refused with a reason", async (_name, text, status) => {
		const [answer = ""] = await datagrams([text], 1);
		expect(answer).toMatch(status);
	});

	test("SIP over UDP that is none: dropped without an answer, and counted", async () => {
		const before = await counter("sip.dropped");
		// The last one is answered: whatever came before it was read by then.
		const answers = await datagrams([...DROPPED.map(([, octets]) => octets), request({ CSeq: undefined })], 1);
		expect(answers).toHaveLength(1);
		// An empty datagram is a keep-alive (RFC 5626) and not counted.
		expect(await counter("sip.dropped")).toBeGreaterThanOrEqual(before + DROPPED.length - 2);
		await isWell();
	});

	test("SIP over TCP: a malformed request is answered with 400; octets that are none end the connection", async () => {
		const good = await dial(sip);
		good.socket.write(request({ From: undefined }).replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
		await waitFor("the answer", 5_000, () => /^SIP\/2\.0 400 \w/.test(good.heard()));
		for (const octets of [Buffer.alloc(30_000, "A"), Buffer.from("INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n")]) {
			const bad = await dial(sip);
			bad.socket.write(octets);
			await bad.ended;
		}
		// The others are not touched.
		good.socket.write("\r\n\r\n");
		await waitFor("the keep-alive's answer", 5_000, () => good.heard().endsWith("\r\n\r\n\r\n"));
		good.socket.destroy();
		await isWell();
	});

	test("thousands of damaged messages, over UDP and TCP", async () => {
		const random = seededRandom(11);
		const whole = Buffer.from(request({}, `INVITE sip:anna@${DOMAIN} SIP/2.0`));
		const damaged = (): Buffer => {
			const copy = Buffer.from(whole.subarray(0, random.below(10) === 0 ? random.below(whole.length) : whole.length));
			for (let i = random.below(6); i >= 0; i--)
				if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
			return copy;
		};
		for (let i = 0; i < 20; i++) await datagrams(Array.from({ length: 100 }, damaged), 30, 300);
		for (let i = 0; i < 40; i++) {
			const line = await dial(sip);
			line.socket.write(Buffer.concat(Array.from({ length: 20 }, damaged)));
			line.socket.end();
			await line.ended;
		}
		await isWell();
	});

	test("a wrong password: 401, and a line in the log with who and from where", async () => {
		const phone = await house.phone("anna", 0);
		Object.assign(phone.options, { password: "guessed" });
		expect(await phone.register()).toBe(401);
		const find = (): ReturnType<typeof logLines>[number] | undefined =>
			logLines().find(({ event }) => event === "sip.authentication");
		await waitFor("a line in the log", 5_000, () => find() !== undefined);
		const line = find();
		expect(line).toMatchObject({ level: "warn", aor: `anna@${DOMAIN}` });
		expect(String(line?.address)).toMatch(/^127\./);
	});

	test("octets that are no TLS, and TLS without a certificate, at the port of overlay links: closed, logged", async () => {
		const link = placeOf(`sip:${house.peers[0]?.ready.link}`) as Place;
		const bad = await dial(link);
		bad.socket.write(Buffer.alloc(300, 7));
		await bad.ended;
		await new Promise<void>((done) => {
			const stranger = connectTls({ host: link.address, port: link.port, rejectUnauthorized: false });
			stranger.on("error", () => undefined);
			stranger.once("close", () => done());
		});
		const refusals = (): ReturnType<typeof logLines> => logLines().filter(({ event }) => event === "link.refused");
		await waitFor("two lines in the log", 5_000, () => refusals().length >= 2);
		const refused = refusals();
		expect(
			refused.every(({ reason, address }) => String(reason).length > 5 && String(address).startsWith("127.")),
		).toBe(true);
		await isWell();
	});

	test("octets that are no HTTP at the enrollment server, and paths it does not have", async () => {
		const http = placeOf(`sip:${(house.peers[0]?.ready.http ?? "").slice("https://".length)}`) as Place;
		const bad = await dial(http);
		bad.socket.write(Buffer.alloc(5_000, 7));
		await bad.ended;
		const answer = await new Promise<string>((done) => {
			let text = "";
			const stranger = connectTls({ host: http.address, port: http.port, rejectUnauthorized: false }, () =>
				stranger.write("GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
			);
			stranger.on("data", (data) => {
				text += data.toString();
			});
			stranger.on("error", () => undefined);
			stranger.once("close", () => done(text));
		});
		expect(answer).toMatch(/^HTTP\/1\.1 40[04] /);
		await isWell();
	});

	test("what was refused and dropped is in `status --counters`", async () => {
		const { stdout } = await house.ringlet(0, "status", "--counters");
		for (const name of ["sip.received", "sip.dropped", "sip.refused"])
			expect(stdout).toMatch(new RegExp(`^ {2}${name} +[1-9]`, "m"));
	});
});
