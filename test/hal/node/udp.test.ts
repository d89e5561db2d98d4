import { describe, expect, test } from "vitest";
import { DATAGRAM_SEND_OCTETS, DATAGRAMS } from "../../../hal/node/limits.ts";
import { type Datagram, UDP, type UDPOptions } from "../../../hal/node/udp.ts";
import { Happenings, turns } from "./waiting.ts";

const HOST = "127.0.0.1";

async function bound(options: Partial<UDPOptions> = {}): Promise<{ socket: UDP; events: Happenings }> {
	const events = new Happenings();
	const socket = new UDP({
		address: HOST,
		onReadable: () => events.add("readable"),
		onWritable: () => events.add("writable"),
		onError: (error) => events.add(error.message),
		...options,
	});
	await events.until(() => events.list.length > 0);
	return { socket, events };
}

describe("UDP in the ECMA-419 pattern", () => {
	test("datagrams with their sender", async () => {
		const a = await bound();
		const b = await bound();
		expect(a.socket.port).toBeGreaterThan(0);
		expect(a.socket.write(Buffer.from("ping"), HOST, b.socket.port)).toBe(true);
		await b.events.seen("readable");
		const datagram = b.socket.read() as Datagram;
		expect(Buffer.from(datagram).toString()).toBe("ping");
		expect(datagram.constructor).toBe(Uint8Array);
		expect([datagram.address, datagram.port]).toEqual([HOST, a.socket.port]);
		expect(b.socket.read()).toBeUndefined();
		b.socket.write(Buffer.from("pong"), datagram.address, datagram.port);
		await a.events.seen("readable");
		a.socket.close();
		b.socket.close();
	});

	test("IPv6", async () => {
		const a = await bound({ address: "::1" });
		a.socket.write(Buffer.from("self"), "::1", a.socket.port);
		await a.events.seen("readable");
		expect(a.socket.read()!.address).toBe("::1");
		a.socket.close();
	});

	test("not before it is bound, not above the grant, not after close: refused, nothing thrown", async () => {
		const early = new UDP({ address: HOST });
		expect(early.write(new Uint8Array(1), HOST, 9)).toBe(false);
		expect(early.port).toBe(0);
		early.close();
		const { socket } = await bound();
		expect(socket.write(new Uint8Array(DATAGRAM_SEND_OCTETS + 1), HOST, socket.port)).toBe(false);
		socket.close();
		socket.close();
		expect(socket.write(new Uint8Array(1), HOST, 9)).toBe(false);
	});

	test("what the machine cannot send is counted and harms nothing", async () => {
		const { socket, events } = await bound();
		expect(socket.write(new Uint8Array(100_000), HOST, socket.port)).toBe(true);
		socket.write(Buffer.from("after"), HOST, socket.port);
		await events.seen("readable");
		expect(socket.failed).toBe(1);
		socket.close();
	});

	test("datagrams nobody reads are dropped above the limit and counted", async () => {
		const a = await bound();
		const b = await bound();
		let sent = 0;
		while (b.socket.dropped === 0) {
			for (let i = 0; i < 50; i++) if (a.socket.write(new Uint8Array(10), HOST, b.socket.port)) sent++;
			await turns(2);
			expect(sent).toBeLessThan(50 * DATAGRAMS);
		}
		let waiting = 0;
		while (b.socket.read() !== undefined) waiting++;
		expect(waiting).toBe(DATAGRAMS);
		a.socket.close();
		b.socket.close();
	});

	test("a port that is taken is one error", async () => {
		const a = await bound();
		const b = await bound({ port: a.socket.port });
		expect(b.events.list).toEqual([expect.stringContaining("EADDRINUSE")]);
		expect(b.socket.port).toBe(0);
		a.socket.close();
		b.socket.close();
	});
});
