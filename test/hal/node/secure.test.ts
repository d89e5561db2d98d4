import { connect as connectTcp, createServer } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { STREAM_SEND_OCTETS } from "../../../hal/node/limits.ts";
import { secureContext, secureContextOptions, type TlsIdentity } from "../../../hal/node/secure.ts";
import { SecureListener, type SecureListenerOptions } from "../../../hal/node/secure-listener.ts";
import { SecureStream, type SecureStreamOptions } from "../../../hal/node/secure-stream.ts";
import { enroll, newIssuer } from "../../core/identity/house.ts";
import { Happenings, turns } from "./waiting.ts";

const HOST = "127.0.0.1";
const issuer = newIssuer();
const [peer, hosted, door, stranger] = [enroll(issuer), enroll(issuer), enroll(issuer), enroll(newIssuer())];
const caDer = issuer.certificate.der;

interface Listening {
	readonly listener: SecureListener;
	readonly events: Happenings;
	readonly refusals: string[];
}

async function listen(options: Partial<SecureListenerOptions> = {}): Promise<Listening> {
	const events = new Happenings();
	const refusals: string[] = [];
	const listener = new SecureListener({
		address: HOST,
		identity: peer,
		onReadable: () => events.add("readable"),
		onListening: () => events.add("listening"),
		onError: (error) => events.add(error.message),
		onRefused: (reason, address) => {
			refusals.push(`${address} ${reason}`);
			events.add("refused");
		},
		...options,
	});
	await events.until(() => events.list.length > 0);
	return { listener, events, refusals };
}

interface Recorded {
	readonly stream: SecureStream;
	readonly events: Happenings;
	readonly errors: string[];
}

function recorded(options: SecureStreamOptions): Recorded {
	const events = new Happenings();
	const errors: string[] = [];
	const stream = new SecureStream({
		onReadable: () => events.add("readable"),
		onWritable: () => events.add("writable"),
		onDrained: () => events.add("drained"),
		onError: (error) => {
			errors.push(error.message);
			events.add("error");
		},
		...options,
	});
	return { stream, events, errors };
}

async function accept({ listener, events }: Listening): Promise<Recorded> {
	let from = listener.read();
	while (from === undefined) {
		const count = events.list.length;
		await events.until(() => events.list.length > count);
		from = listener.read();
	}
	return recorded({ from });
}

/** Both ends of a connection through `server`, as `identity`, asking for `serverName`. */
async function pair(
	server: Listening,
	identity: TlsIdentity = door,
	options: Partial<SecureStreamOptions> = {},
): Promise<{ client: Recorded; far: Recorded }> {
	const client = recorded({ address: HOST, port: server.listener.port, identity, ...options });
	await client.events.until(() => client.events.list.length > 0);
	const far = await accept(server);
	return { client, far };
}

/** A client of Node's own, for what our class never does. */
async function rawClient(port: number, options: ConnectionOptions): Promise<{ socket: TLSSocket; outcome: string }> {
	const socket = connectTls({ host: HOST, port, rejectUnauthorized: false, ...options });
	const outcome = await new Promise<string>((resolve) => {
		socket.once("error", (error) => resolve(error.message));
		socket.once("close", () => resolve("closed"));
		// In TLS 1.3 the client is done before the server has looked at its certificate: only an octet shows that it was taken.
		socket.once("data", () => resolve("served"));
	});
	return { socket, outcome };
}

/** Answers every connection with an octet. */
function serveAll(options: Partial<SecureListenerOptions> = {}): Promise<Listening> {
	return listen({
		...options,
		onReadable() {
			for (let from = this.read(); from !== undefined; from = this.read()) {
				new SecureStream({ from }).write(new Uint8Array([1]));
			}
		},
	});
}

describe("mutual certificates", () => {
	test("each end gets the other's chain as DER, leaf first, intermediates included", async () => {
		const server = await listen({ identity: { chain: [...peer.chain, caDer], key: peer.key } });
		const { client, far } = await pair(server, { chain: [...door.chain, caDer], key: door.key });
		expect(client.stream.chain).toEqual([peer.chain[0], caDer]);
		expect(far.stream.chain).toEqual([door.chain[0], caDer]);
		expect(far.stream.chain[0]!.constructor).toBe(Uint8Array);
		expect([client.stream.protocol, far.stream.protocol]).toEqual(["TLSv1.3", "TLSv1.3"]);
		expect([client.stream.address, client.stream.port]).toEqual([HOST, server.listener.port]);
		expect(far.stream.address).toBe(HOST);
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});

	test("who signed the certificate is not judged here: the core's Trust does that", async () => {
		const server = await listen();
		const { client, far } = await pair(server, stranger);
		expect(far.stream.chain).toEqual([stranger.chain[0]]);
		expect(client.stream.chain).toEqual([peer.chain[0]]);
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});

	test("a client without a certificate is refused, in TLS 1.2 and 1.3; where none is asked for it is served", async () => {
		const server = await serveAll();
		for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
			const { outcome } = await rawClient(server.listener.port, { minVersion: version, maxVersion: version });
			expect(outcome).not.toBe("served");
		}
		await server.events.seen("refused", 2);
		expect(server.refusals).toEqual([`${HOST} no certificate`, `${HOST} no certificate`]);
		server.listener.close();
		const phones = await serveAll({ clientCertificate: "none" });
		const { socket, outcome } = await rawClient(phones.listener.port, {});
		expect(outcome).toBe("served");
		socket.destroy();
		phones.listener.close();
	});

	test("a key that does not belong to the certificate is our own mistake and throws", () => {
		expect(() => secureContext({ chain: peer.chain, key: door.key })).toThrow();
		expect(() => new SecureStream({ address: HOST, port: 1 })).toThrow(TypeError);
	});
});

describe("versions and suites", () => {
	test("TLS 1.2 with ECDHE-ECDSA-AES128-GCM-SHA256, as a device speaks it", async () => {
		const server = await serveAll();
		const { socket, outcome } = await rawClient(server.listener.port, {
			...secureContextOptions(door, { maxVersion: "TLSv1.2" }),
			ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
			ecdhCurve: "prime256v1",
		});
		expect(outcome).toBe("served");
		expect(socket.getProtocol()).toBe("TLSv1.2");
		expect(socket.getCipher().name).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
		socket.destroy();
		server.listener.close();
	});

	test("TLS 1.1, and suites without forward secrecy or authentication, are refused with a reason", async () => {
		const server = await serveAll();
		const base = secureContextOptions(door);
		const old = { ...base, minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
		expect((await rawClient(server.listener.port, old)).outcome).not.toBe("served");
		for (const ciphers of ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"]) {
			const options = { ...base, maxVersion: "TLSv1.2", ciphers } as const;
			expect((await rawClient(server.listener.port, options)).outcome).not.toBe("served");
		}
		await server.events.seen("refused", 3);
		expect(server.listener.failed).toBe(3);
		for (const refusal of server.refusals) expect(refusal).toContain("handshake failed");
		server.listener.close();
	});

	test("no session is resumed, whatever the client offers: each handshake shows a certificate", async () => {
		const server = await serveAll();
		for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
			const options = { ...secureContextOptions(door), minVersion: version, maxVersion: version } as const;
			const first = await rawClient(server.listener.port, options);
			const session = first.socket.getSession();
			first.socket.destroy();
			const second = await rawClient(server.listener.port, { ...options, ...(session ? { session } : {}) });
			expect(second.outcome).toBe("served");
			expect(second.socket.isSessionReused()).toBe(false);
			second.socket.destroy();
		}
		server.listener.close();
	});

	test("both of our ends can be held to TLS 1.2", async () => {
		const server = await listen({ maxVersion: "TLSv1.2" });
		const { client, far } = await pair(server, door, { maxSendFragment: 1_024 });
		expect(client.stream.protocol).toBe("TLSv1.2");
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});
});

describe("one listener, several identities (SNI)", () => {
	const name = "00112233445566778899aabbccddeeff.overlay.example.org";

	test("the name chooses the certificate; no name or an unknown one gets the peer's own", async () => {
		const server = await listen({ identities: new Map([[name, hosted]]) });
		const shown = async (serverName?: string): Promise<{ leaf: Uint8Array; asked: string }> => {
			const { client, far } = await pair(server, door, serverName === undefined ? {} : { serverName });
			const leaf = client.stream.chain[0]!;
			const asked = far.stream.serverName;
			client.stream.close();
			far.stream.close();
			return { leaf, asked };
		};
		expect(await shown(name)).toEqual({ leaf: hosted.chain[0], asked: name });
		expect(await shown(name.toUpperCase())).toEqual({ leaf: hosted.chain[0], asked: name });
		expect(await shown("ffff.overlay.example.org")).toEqual({ leaf: peer.chain[0], asked: "ffff.overlay.example.org" });
		expect(await shown()).toEqual({ leaf: peer.chain[0], asked: "" });
		// An address is no name (RFC 6066 §3).
		expect(await shown("127.0.0.1")).toEqual({ leaf: peer.chain[0], asked: "" });
		server.listener.close();
	});

	test("identities are replaced at run time, for handshakes to come; a table given is copied", async () => {
		const table = new Map<string, TlsIdentity>();
		const server = await listen({ identities: table });
		table.set(name, hosted);
		const leaf = async (serverName: string): Promise<Uint8Array> => {
			const { client, far } = await pair(server, door, { serverName });
			client.stream.close();
			far.stream.close();
			return client.stream.chain[0]!;
		};
		expect(await leaf(name)).toEqual(peer.chain[0]);
		const { client, far } = await pair(server);
		server.listener.setIdentities(stranger, table);
		expect(await leaf(name)).toEqual(hosted.chain[0]);
		expect(await leaf("other.overlay.example.org")).toEqual(stranger.chain[0]);
		client.stream.write(Buffer.from("still up"));
		await far.events.seen("readable");
		const bad = { chain: peer.chain, key: door.key };
		expect(() => server.listener.setIdentities(peer, new Map([["x", bad]]))).toThrow();
		expect(await leaf("other.overlay.example.org")).toEqual(stranger.chain[0]);
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});
});

describe("octets", () => {
	test("both ways, in order, in pieces as large as TLS makes them; drained when all has left", async () => {
		const server = await listen();
		const { client, far } = await pair(server);
		const sent = new Uint8Array(STREAM_SEND_OCTETS).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
		expect(client.stream.write(sent)).toBeGreaterThanOrEqual(0);
		const got: Uint8Array[] = [];
		let octets = 0;
		while (octets < sent.length) {
			const bytes = far.stream.read();
			if (bytes === undefined) await turns(1);
			else {
				got.push(bytes);
				octets += bytes.length;
			}
		}
		expect(Buffer.compare(Buffer.concat(got), sent)).toBe(0);
		expect(got[0]!.constructor).toBe(Uint8Array);
		await client.events.seen("drained");
		await client.events.seen("writable", 2);
		expect(client.events.list.indexOf("drained")).toBeLessThan(client.events.list.lastIndexOf("writable"));
		expect(client.stream.bufferedAmount).toBe(0);
		far.stream.write(Buffer.from("back"));
		await client.events.seen("readable");
		expect(Buffer.from(client.stream.read()!).toString()).toBe("back");
		await far.events.seen("drained");
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});

	test("each write that has left is told with what has not", async () => {
		const server = await listen();
		const { client, far } = await pair(server);
		const left: number[] = [];
		const events = new Happenings();
		const watched = new SecureStream({
			address: HOST,
			port: server.listener.port,
			identity: door,
			onWritable: () => events.add("writable"),
			onSent(buffered) {
				expect(buffered).toBe(this.bufferedAmount);
				left.push(buffered);
			},
			onDrained: () => events.add("drained"),
		});
		await events.seen("writable");
		for (let i = 0; i < 4; i++) watched.write(new Uint8Array(1_000));
		expect(watched.bufferedAmount).toBe(4_000);
		await events.seen("drained");
		expect(left.at(-1)).toBe(0);
		expect([...left].sort((a, b) => b - a)).toEqual(left);
		const owner = await accept(server);
		for (const stream of [client.stream, far.stream, watched, owner.stream]) stream.close();
		server.listener.close();
	});

	test("octets sent before the accepted connection has an owner are not lost", async () => {
		const server = await listen();
		const client = recorded({ address: HOST, port: server.listener.port, identity: door });
		await client.events.seen("writable");
		client.stream.write(Buffer.from("early"));
		await client.events.seen("drained");
		await server.events.seen("readable");
		await turns();
		const far = await accept(server);
		await far.events.seen("readable");
		expect(Buffer.from(far.stream.read()!).toString()).toBe("early");
		client.stream.close();
		far.stream.close();
		server.listener.close();
	});

	test("a write above the grant, before the handshake, or after the end is refused and throws nothing", async () => {
		const server = await listen();
		const client = recorded({ address: HOST, port: server.listener.port, identity: door });
		expect(client.stream.write(new Uint8Array(1))).toBe(-1);
		await client.events.seen("writable");
		const far = await accept(server);
		expect(client.stream.write(new Uint8Array(STREAM_SEND_OCTETS + 1))).toBe(-1);
		far.stream.close();
		await client.events.seen("error");
		expect(client.errors).toEqual(["the other side closed the connection"]);
		expect(client.stream.write(new Uint8Array(1))).toBe(-1);
		client.stream.close();
		server.listener.close();
	});

	test("close after a write: the octets arrive, then the end; our own side hears nothing", async () => {
		const server = await listen();
		const { client, far } = await pair(server);
		client.stream.write(Buffer.alloc(200_000, "y"));
		client.stream.close();
		client.stream.close();
		let octets = 0;
		while (far.errors.length === 0) {
			octets += far.stream.read()?.length ?? 0;
			await turns(1);
		}
		while (far.stream.readableOctets > 0) octets += far.stream.read()!.length;
		expect(octets).toBe(200_000);
		expect(client.errors).toEqual([]);
		server.listener.close();
	});
});

describe("limits of a listener", () => {
	test("a handshake that does not come is ended in time and counted", async () => {
		const server = await listen({ handshakeMs: 30 });
		const socket = connectTcp({ host: HOST, port: server.listener.port });
		socket.on("error", () => undefined);
		await new Promise((resolve) => socket.once("close", resolve));
		await server.events.seen("refused");
		expect(server.refusals[0]).toContain(`${HOST} handshake failed`);
		while (server.listener.connections > 0) await turns(1);
		expect(server.listener.handshakes).toBe(0);
		server.listener.close();
	});

	test("garbage instead of a handshake is refused with a reason", async () => {
		const server = await listen();
		const socket = connectTcp({ host: HOST, port: server.listener.port });
		socket.on("error", () => undefined);
		socket.write("GET / HTTP/1.0\r\n\r\n");
		await new Promise((resolve) => socket.once("close", resolve));
		await server.events.seen("refused");
		expect(server.refusals[0]).toContain("handshake failed");
		server.listener.close();
	});

	test("handshakes under way: further connections are closed at once; a finished one makes room", async () => {
		const server = await listen({ handshakes: 2, connections: 9 });
		const idle = [0, 1].map(() => connectTcp({ host: HOST, port: server.listener.port }));
		while (server.listener.handshakes < 2) await turns(1);
		const turned = recorded({ address: HOST, port: server.listener.port, identity: door });
		await turned.events.seen("error");
		expect(server.refusals).toEqual([`${HOST} too many handshakes under way`]);
		expect(server.listener.refused).toBe(1);
		idle[0]!.destroy();
		while (server.listener.handshakes > 1) await turns(1);
		const { client, far } = await pair(server);
		expect(server.listener.handshakes).toBe(1);
		for (const { stream } of [client, far]) stream.close();
		idle[1]!.destroy();
		server.listener.close();
	});

	test("connections of one address, and all of them; a closed one makes room", async () => {
		const server = await listen({ connections: 3, connectionsPerAddress: 2 });
		const first = await pair(server, door, { localAddress: "127.0.0.1" });
		const second = await pair(server, door, { localAddress: "127.0.0.1" });
		const third = recorded({ address: HOST, port: server.listener.port, identity: door, localAddress: "127.0.0.1" });
		await third.events.seen("error");
		const other = await pair(server, door, { localAddress: "127.0.0.2" });
		const fifth = recorded({ address: HOST, port: server.listener.port, identity: door, localAddress: "127.0.0.3" });
		await fifth.events.seen("error");
		expect(server.refusals).toEqual([
			"127.0.0.1 too many connections from this address",
			"127.0.0.3 too many connections",
		]);
		first.client.stream.close();
		first.far.stream.close();
		while (server.listener.connections > 2) await turns(1);
		const again = await pair(server, door, { localAddress: "127.0.0.1" });
		for (const both of [second, other, again]) for (const { stream } of [both.client, both.far]) stream.close();
		server.listener.close();
	});

	test("close ends handshakes under way and what nobody has taken, and keeps what was taken", async () => {
		const server = await listen();
		const { client, far } = await pair(server);
		const untaken = recorded({ address: HOST, port: server.listener.port, identity: door });
		await server.events.seen("readable", 2);
		const idle = connectTcp({ host: HOST, port: server.listener.port });
		idle.on("error", () => undefined);
		while (server.listener.handshakes < 1) await turns(1);
		server.listener.close();
		server.listener.close();
		await untaken.events.seen("error");
		if (!idle.destroyed) await new Promise((resolve) => idle.once("close", resolve));
		far.stream.write(Buffer.from("alive"));
		await client.events.seen("readable");
		const late = recorded({ address: HOST, port: client.stream.port, identity: door });
		await late.events.seen("error");
		for (const { stream } of [client, far]) stream.close();
	});

	test("a client gives up on a server that does not answer the handshake", async () => {
		const mute = createServer(() => undefined).listen(0, HOST);
		await new Promise((resolve) => mute.once("listening", resolve));
		const { port } = mute.address() as { port: number };
		const client = recorded({ address: HOST, port, identity: door, timeoutMs: 20 });
		await client.events.seen("error");
		expect(client.errors).toEqual(["connection timed out"]);
		mute.close();
	});
});
