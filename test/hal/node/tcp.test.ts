import { connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { STREAM_RECEIVE_OCTETS, STREAM_SEND_OCTETS } from "../../../hal/node/limits.ts";
import { Listener, type ListenerOptions, TCP, type TCPOptions } from "../../../hal/node/tcp.ts";
import { Happenings, turns } from "./waiting.ts";

const HOST = "127.0.0.1";

async function listen(options: Partial<ListenerOptions> = {}): Promise<{ listener: Listener; events: Happenings }> {
	const events = new Happenings();
	const listener = new Listener({
		address: HOST,
		onReadable: () => events.add("readable"),
		onListening: () => events.add("listening"),
		onError: (error) => events.add(error.message),
		...options,
	});
	await events.seen("listening");
	return { listener, events };
}

function recorded(options: TCPOptions): { stream: TCP; events: Happenings; errors: string[]; grants: number[] } {
	const events = new Happenings();
	const errors: string[] = [];
	const grants: number[] = [];
	const stream = new TCP({
		onReadable: () => events.add("readable"),
		onWritable: (count) => {
			grants.push(count);
			events.add("writable");
		},
		onError: (error) => {
			errors.push(error.message);
			events.add("error");
		},
		...options,
	});
	return { stream, events, errors, grants };
}

async function pair(): Promise<{
	client: ReturnType<typeof recorded>;
	server: ReturnType<typeof recorded>;
	listener: Listener;
}> {
	const { listener, events } = await listen();
	const client = recorded({ address: HOST, port: listener.port });
	await events.seen("readable");
	const server = recorded({ from: listener.read()! });
	await client.events.seen("writable");
	return { client, server, listener };
}

function text(stream: TCP): string {
	let all = "";
	for (let bytes = stream.read(); bytes !== undefined; bytes = stream.read()) all += Buffer.from(bytes).toString();
	return all;
}

describe("TCP in the ECMA-419 pattern", () => {
	test("connects, writes, reads; onWritable first means connected", async () => {
		const { client, server, listener } = await pair();
		expect(client.grants[0]).toBe(STREAM_SEND_OCTETS);
		expect([client.stream.remoteAddress, client.stream.remotePort]).toEqual([HOST, listener.port]);
		expect(server.stream.remoteAddress).toBe(HOST);
		expect(client.stream.write(Buffer.from("hello"))).toBeGreaterThan(0);
		await server.events.seen("readable");
		expect(server.stream.readableOctets).toBe(5);
		const bytes = server.stream.read()!;
		expect(bytes.constructor).toBe(Uint8Array);
		expect(Buffer.from(bytes).toString()).toBe("hello");
		expect(server.stream.read()).toBeUndefined();
		client.stream.close();
		server.stream.close();
		listener.close();
	});

	test("read takes a count across the pieces received", async () => {
		const { client, server, listener } = await pair();
		for (const piece of ["one", "two", "three"]) {
			client.stream.write(Buffer.from(piece));
			await server.events.until(() => server.stream.readableOctets >= piece.length);
			await turns();
		}
		await server.events.until(() => server.stream.readableOctets === 11);
		expect(Buffer.from(server.stream.read(2)!).toString()).toBe("on");
		expect(Buffer.from(server.stream.read(6)!).toString()).toBe("etwoth");
		expect(Buffer.from(server.stream.read(100)!).toString()).toBe("ree");
		for (const { stream } of [client, server]) stream.close();
		listener.close();
	});

	test("a write above the grant is refused whole and throws nothing; the grant comes back when all has left", async () => {
		const { client, server, listener } = await pair();
		expect(client.stream.write(new Uint8Array(STREAM_SEND_OCTETS + 1))).toBe(-1);
		expect(client.stream.bufferedAmount).toBe(0);
		let sent = 0;
		// The kernel takes some; then what is written waits here, up to the grant.
		while (client.stream.write(new Uint8Array(65_536)) >= 0) sent += 65_536;
		expect(client.stream.bufferedAmount).toBeGreaterThan(STREAM_SEND_OCTETS - 65_536);
		const { writable } = client.stream;
		expect(client.stream.write(new Uint8Array(writable + 1))).toBe(-1);
		expect(client.stream.write(new Uint8Array(writable))).toBe(0);
		sent += writable;
		const before = client.grants.length;
		for (let got = 0; got < sent; await turns(1)) got += server.stream.read()?.length ?? 0;
		await client.events.until(() => client.grants.length > before);
		expect(client.stream.bufferedAmount).toBe(0);
		expect(client.grants.at(-1)).toBe(STREAM_SEND_OCTETS);
		for (const { stream } of [client, server]) stream.close();
		listener.close();
	});

	test("a reader that does not read is not filled up: the sender is slowed down", async () => {
		const { client, server, listener } = await pair();
		let sent = 0;
		let stalled = 0;
		while (stalled < 50) {
			if (client.stream.write(new Uint8Array(65_536)) >= 0) {
				sent += 65_536;
				stalled = 0;
			} else stalled++;
			await turns(1);
		}
		expect(server.stream.readableOctets).toBeLessThanOrEqual(STREAM_RECEIVE_OCTETS + 65_536);
		let got = 0;
		while (got < sent) {
			got += server.stream.read()?.length ?? 0;
			if (server.stream.readableOctets === 0) await turns(1);
		}
		expect(got).toBe(sent);
		for (const { stream } of [client, server]) stream.close();
		listener.close();
	});

	test("what was written before close arrives; the other side learns of the end once, after the octets", async () => {
		const { client, server, listener } = await pair();
		client.stream.write(Buffer.alloc(300_000, "x"));
		client.stream.close();
		client.stream.close();
		let got = "";
		while (server.errors.length === 0) {
			got += text(server.stream);
			await turns(1);
		}
		got += text(server.stream);
		expect(got).toHaveLength(300_000);
		expect(server.errors).toEqual(["the other side closed the connection"]);
		expect(server.stream.closed).toBe(true);
		expect(server.stream.write(new Uint8Array(1))).toBe(-1);
		server.stream.close();
		await turns();
		expect(client.errors).toEqual([]);
		listener.close();
	});

	test("no callback after close", async () => {
		const { client, server, listener } = await pair();
		server.stream.write(Buffer.from("late"));
		client.stream.close();
		const before = client.events.list.length;
		await server.events.seen("error");
		expect(client.events.list).toHaveLength(before);
		expect(client.stream.read()).toBeUndefined();
		listener.close();
	});

	test("a port nobody listens on, and a peer that never answers, are errors", async () => {
		const { listener } = await listen();
		const { port } = listener;
		listener.close();
		const refused = recorded({ address: HOST, port });
		await refused.events.seen("error");
		expect(refused.errors).toEqual([expect.stringContaining("ECONNREFUSED")]);
		const closed = recorded({ address: HOST, port });
		closed.stream.close();
		await turns();
		expect(closed.errors).toEqual([]);
	});
});

describe("Listener", () => {
	test("limits: all connections, and those of one address; refused ones are closed at once and counted", async () => {
		const { listener, events } = await listen({ connections: 3, connectionsPerAddress: 2 });
		const open = (from: string): Promise<boolean> =>
			new Promise((resolve) => {
				const socket = connect({ host: HOST, port: listener.port, localAddress: from });
				socket.on("error", () => undefined);
				socket.on("close", () => resolve(false));
				socket.on("data", () => resolve(true));
			});
		const serve = async (from: string): Promise<boolean> => {
			const refused = listener.refused;
			const result = open(from);
			await events
				.until(() => {
					const accepted = listener.read();
					accepted?.socket.write("x");
					return accepted !== undefined || listener.refused > refused;
				})
				.catch(() => undefined);
			return result;
		};
		expect(await serve("127.0.0.1")).toBe(true);
		expect(await serve("127.0.0.1")).toBe(true);
		const third = open("127.0.0.1");
		expect(await third).toBe(false);
		expect(await serve("127.0.0.2")).toBe(true);
		expect(await open("127.0.0.3")).toBe(false);
		expect(listener.refused).toBe(2);
		expect(listener.connections).toBe(3);
		listener.close();
	});

	test("a connection that has gone before its owner came is an error to the owner, and is counted no more", async () => {
		const { listener, events } = await listen();
		const socket = connect({ host: HOST, port: listener.port });
		await events.seen("readable");
		expect(listener.connections).toBe(1);
		socket.resetAndDestroy();
		await turns();
		const late = recorded({ from: listener.read()! });
		await late.events.seen("error");
		await turns();
		expect(listener.connections).toBe(0);
		listener.close();
	});

	test("a port that is taken is one error", async () => {
		const server = createServer().listen(0, HOST);
		await new Promise((resolve) => server.once("listening", resolve));
		const events = new Happenings();
		const { port } = server.address() as { port: number };
		const listener = new Listener({ address: HOST, port, onError: (error) => events.add(error.message) });
		await events.until(() => events.list.length > 0);
		expect(events.list).toEqual([expect.stringContaining("EADDRINUSE")]);
		listener.close();
		server.close();
	});
});
