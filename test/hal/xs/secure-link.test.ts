import { describe, expect, test } from "vitest";
import type { SecureConnectOptions } from "../../../hal/device.ts";
import { HANDSHAKE_MS, MAX_PLAINTEXT, MAX_TLS_QUEUE } from "../../../hal/xs/limits.ts";
import { SecureLink, type SecureParts, type TlsSession } from "../../../hal/xs/secure-link.ts";
import type { StreamPort, TcpSocket } from "../../../hal/xs/stream-port.ts";

/** ECMA-419's TCP, as far as it goes: takes no more than it has room for. */
class FakeSocket implements TcpSocket {
	inbox: number[] = [];
	sent: number[] = [];
	room = 0;
	isClosed = false;
	read(into: Uint8Array): void {
		into.set(this.inbox.splice(0, into.length));
	}
	write(bytes: Uint8Array): void {
		if (bytes.length > this.room) throw new Error("no room");
		this.room -= bytes.length;
		this.sent.push(...bytes);
	}
	close(): void {
		this.isClosed = true;
	}
}

const HELLO = 1;
const DONE = 2;
const FIN = 3;
const BROKEN = 255;

/** A protocol as simple as can be: hello out, done in; then octets as they are, 3 closes, 255 throws. */
class FakeSession implements TlsSession {
	readonly peerChain = [Uint8Array.of(9)];
	failure: string | undefined;
	#isHelloSent = false;
	readonly #isRefused: boolean;
	constructor(isRefused: boolean) {
		this.#isRefused = isRefused;
	}
	handshake(port: StreamPort): boolean {
		if (!this.#isHelloSent) {
			this.#isHelloSent = true;
			port.write(Uint8Array.of(HELLO));
			return false;
		}
		if (port.readable === 0) return false;
		const octet = this.#octet(port);
		if (octet === BROKEN) throw new Error("bad record");
		if (octet === DONE && this.#isRefused) this.failure = "TLS alert 42";
		return octet === DONE;
	}
	read(port: StreamPort): Uint8Array | null | undefined {
		const octet = this.#octet(port);
		if (octet === BROKEN) throw new Error("bad record");
		return octet === FIN ? null : Uint8Array.of(octet);
	}
	write(port: StreamPort, bytes: Uint8Array): void {
		port.write(bytes.slice());
	}
	close(port: StreamPort): void {
		port.write(Uint8Array.of(FIN));
	}
	#octet(port: StreamPort): number {
		const one = new Uint8Array(1);
		port.read(one);
		port.readable--;
		return one[0]!;
	}
}

function made(settings: { isRefused?: boolean; isUnreachable?: boolean; onUp?: (link: SecureLink) => void } = {}) {
	const told: string[] = [];
	const timers: { callback: () => void; ms: number; isOver: boolean }[] = [];
	const socket = new FakeSocket();
	const options: SecureConnectOptions = {
		address: "10.0.0.1",
		port: 1,
		verify: () => true,
		onUp: (chain) => {
			told.push(`up ${chain.length}`);
			settings.onUp?.(link);
		},
		onBytes: (bytes) => told.push(`bytes ${bytes}`),
		onDrained: () => told.push("drained"),
		onClosed: (reason) => told.push(`closed ${reason}`),
	};
	const parts: SecureParts = {
		timers: {
			set(callback, ms) {
				timers.push({ callback, ms, isOver: false });
				return timers.length - 1;
			},
			clear(timer) {
				timers[timer as number]!.isOver = true;
			},
		},
		connect() {
			if (settings.isUnreachable === true) throw new Error("no route");
			return socket;
		},
		session: () => new FakeSession(settings.isRefused === true),
		caught: (where, error) => void told.push(`caught ${where} ${error instanceof Error ? error.message : ""}`),
	};
	const link: SecureLink = new SecureLink(options, parts);
	const room = (count: number) => {
		socket.room = count;
		link.onWritable(count);
	};
	const receive = (...octets: number[]) => {
		socket.inbox.push(...octets);
		link.onReadable(socket.inbox.length);
	};
	return { link, socket, told, timers, room, receive };
}

describe("a TLS connection of the device", () => {
	test("connects, shakes hands, carries octets both ways, closes in order", () => {
		const { link, socket, told, room, receive, timers } = made();
		expect(link.write(Uint8Array.of(5))).toBe(false);
		room(100);
		expect(socket.sent).toEqual([HELLO]);
		receive(DONE, 7, 8);
		expect(told).toEqual(["up 1", "bytes 7", "bytes 8"]);
		expect(timers[0]!.isOver).toBe(true);
		expect(link.write(Uint8Array.of(5, 6))).toBe(true);
		expect(socket.sent).toEqual([HELLO, 5, 6]);
		link.close();
		expect(socket.sent).toEqual([HELLO, 5, 6, FIN]);
		expect(socket.isClosed).toBe(true);
		receive(9);
		link.onError();
		expect(told).toHaveLength(3);
	});

	test("a socket with little room: octets wait, none is lost, `drained` when all have left", () => {
		const { link, socket, told, room, receive } = made();
		room(1);
		receive(DONE);
		const sent = Uint8Array.from({ length: 3 * MAX_PLAINTEXT }, (_, i) => i & 0xff);
		expect(link.write(sent)).toBe(true);
		expect(link.buffered).toBe(sent.length);
		for (let i = 0; link.buffered > 0; i++) {
			expect(told).not.toContain("drained");
			room(100 + (i % 7));
		}
		expect(socket.sent.slice(1)).toEqual([...sent]);
		expect(told).toContain("drained");
	});

	test("the queue is bounded: a write beyond it takes nothing", () => {
		const { link, room, receive } = made();
		room(1);
		receive(DONE);
		let taken = 0;
		while (link.write(new Uint8Array(1_000))) taken += 1_000;
		expect(taken).toBeLessThan(MAX_TLS_QUEUE);
		expect(taken).toBeGreaterThan(MAX_TLS_QUEUE / 2);
		expect(link.buffered).toBe(taken);
	});

	test("refused by an alert, lost, closed by the other end, broken: told once, in words", () => {
		const refused = made({ isRefused: true });
		refused.room(9);
		refused.receive(DONE, 7);
		expect(refused.told).toEqual(["closed TLS alert 42"]);

		const lost = made();
		lost.link.onError();
		lost.link.onError();
		expect(lost.told).toEqual(["closed refused"]);

		const closed = made();
		closed.room(9);
		closed.receive(DONE, 7, FIN, 8);
		expect(closed.told).toEqual(["up 1", "bytes 7", "closed closed by the other end"]);

		for (const octets of [[BROKEN], [DONE, 7, BROKEN, 8]]) {
			const broken = made();
			broken.room(9);
			broken.receive(...octets);
			expect(broken.told.slice(-2)).toEqual(["caught tls bad record", "closed tls: bad record"]);
			expect(broken.socket.isClosed).toBe(true);
		}
	});

	test("no route: told, but not before the caller has the connection", () => {
		const { told, timers } = made({ isUnreachable: true });
		expect(told).toEqual(["caught connect no route"]);
		timers[1]!.callback();
		expect(told).toEqual(["caught connect no route", "closed cannot connect"]);
	});

	test("a handshake that takes too long ends; one that is done has no limit", () => {
		const slow = made();
		expect(slow.timers[0]!.ms).toBe(HANDSHAKE_MS);
		slow.room(9);
		slow.timers[0]!.callback();
		expect(slow.told).toEqual(["closed handshake not done in time"]);
	});

	test("closed from within onUp: nothing more is told", () => {
		const { told, room, receive } = made({ onUp: (link) => link.close() });
		room(9);
		receive(DONE, 7, 8);
		expect(told).toEqual(["up 1"]);
	});
});
