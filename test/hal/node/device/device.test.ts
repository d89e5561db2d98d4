/** A device on a PC against real sockets: TLS as an ESP32 speaks it, datagrams, a network that can go, a clock that is not set. */
import { type TLSSocket, createServer as tlsServer } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import type { SecureConnection, SecureConnectOptions } from "../../../../hal/device.ts";
import type { MediaCrypto } from "../../../../hal/hal.ts";
import { nodeCrypto } from "../../../../hal/node/crypto.ts";
import { NodeDevice, type NodeDeviceOptions } from "../../../../hal/node/device/device.ts";
import { SECURE_SEND_OCTETS } from "../../../../hal/node/device/limits.ts";
import type { PinEvent } from "../../../../hal/node/device/pins.ts";
import { secureContextOptions } from "../../../../hal/node/secure.ts";
import { enroll, newIssuer } from "../../../core/identity/house.ts";
import { Happenings } from "../waiting.ts";

const issuer = newIssuer();
const [peer, door] = [enroll(issuer), enroll(issuer)];
const noMedia: MediaCrypto = {
	aesCtr: () => {
		throw new Error("not here");
	},
	hmacKey: () => {
		throw new Error("not here");
	},
};

const closers: (() => void)[] = [];
afterEach(() => {
	for (const close of closers.splice(0)) close();
});

function device(options: Partial<NodeDeviceOptions> = {}): {
	device: NodeDevice;
	pins: PinEvent[];
	restarts: string[];
} {
	const pins: PinEvent[] = [];
	const restarts: string[] = [];
	const made = new NodeDevice({
		crypto: { ...nodeCrypto(), ...noMedia },
		flash: { get: () => undefined, set: () => true, delete: () => undefined },
		log: () => undefined,
		onPin: (event) => pins.push(event),
		onRestart: (reason) => restarts.push(reason),
		network: { address: "127.0.0.1", mdnsPort: 0 },
		...options,
	});
	closers.push(() => made.close());
	return { device: made, pins, restarts };
}

/** An echo server of a peer. */
async function server(requestCert = true): Promise<{ port: number; sockets: TLSSocket[] }> {
	const sockets: TLSSocket[] = [];
	const listener = tlsServer({ ...secureContextOptions(peer), requestCert, rejectUnauthorized: false }, (socket) => {
		sockets.push(socket);
		socket.on("error", () => undefined);
		socket.on("data", (chunk) => socket.write(chunk));
	});
	listener.on("tlsClientError", () => undefined);
	await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
	closers.push(() => {
		for (const socket of sockets) socket.destroy();
		listener.close();
	});
	return { port: (listener.address() as { port: number }).port, sockets };
}

function connect(
	made: NodeDevice,
	options: Partial<SecureConnectOptions> & { port: number },
): { connection: SecureConnection; events: Happenings; received: number[]; chains: (readonly Uint8Array[])[] } {
	const events = new Happenings();
	const received: number[] = [];
	const chains: (readonly Uint8Array[])[] = [];
	const connection = made.connectSecure({
		address: "127.0.0.1",
		identity: door,
		verify: () => true,
		onUp: (chain) => {
			chains.push(chain);
			events.add("up");
		},
		onBytes: (bytes) => {
			received.push(...bytes);
			events.add("bytes");
		},
		onDrained: () => events.add("drained"),
		onClosed: (reason) => events.add(`closed: ${reason}`),
		...options,
	});
	return { connection, events, received, chains };
}

describe("secure connections", () => {
	test("TLS 1.2 with the one cipher an ESP32 has; both certificates; octets there and back", async () => {
		const { port, sockets } = await server();
		const { connection, events, received, chains } = connect(device().device, { port, serverName: "home.example" });
		expect(connection.write(Uint8Array.of(1))).toBe(false);
		await events.until(() => events.list.includes("up"));
		expect(chains[0]![0]).toEqual(peer.chain[0]);
		expect(sockets[0]!.getProtocol()).toBe("TLSv1.2");
		expect(sockets[0]!.getCipher().standardName).toBe("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
		expect(new Uint8Array(sockets[0]!.getPeerX509Certificate()!.raw)).toEqual(door.chain[0]);
		const bytes = Uint8Array.of(1, 2, 3);
		expect(connection.write(bytes)).toBe(true);
		bytes.fill(9);
		await events.until(() => received.length === 3 && events.list.includes("drained"));
		expect(received).toEqual([1, 2, 3]);
		sockets[0]!.end();
		await events.until(() => events.list.some((event) => event.startsWith("closed")));
		expect(connection.write(bytes)).toBe(false);
	});

	test("a certificate that is not wanted ends the connection before anybody says a word", async () => {
		const { port } = await server();
		const { events } = connect(device().device, { port, verify: () => false });
		await events.until(() => events.list.length > 0);
		expect(events.list).toEqual(["closed: certificate refused"]);
	});

	test("enrollment: without a certificate of our own", async () => {
		const { port, sockets } = await server();
		const made = device().device;
		const events = new Happenings();
		made.connectSecure({
			address: "127.0.0.1",
			port,
			verify: () => true,
			onUp: () => events.add("up"),
			onBytes: () => undefined,
			onDrained: () => undefined,
			onClosed: (reason) => events.add(reason),
		});
		await events.until(() => events.list.length > 0);
		expect(events.list).toEqual(["up"]);
		expect(sockets[0]!.getPeerX509Certificate()).toBeUndefined();
	});

	test("nothing is taken beyond the limit, and the caller is told", async () => {
		const { port } = await server();
		const { connection, events } = connect(device().device, { port });
		await events.until(() => events.list.includes("up"));
		expect(connection.write(new Uint8Array(SECURE_SEND_OCTETS + 1))).toBe(false);
		expect(connection.write(new Uint8Array(SECURE_SEND_OCTETS - connection.buffered))).toBe(true);
	});

	test("nobody there; closed by us: one report or none", async () => {
		const { port } = await server();
		const refused = connect(device().device, { port: 1 });
		await refused.events.until(() => refused.events.list.length > 0);
		expect(refused.events.list.length).toBe(1);
		const ours = connect(device().device, { port });
		ours.connection.close();
		const other = connect(device().device, { port });
		await other.events.until(() => other.events.list.includes("up"));
		expect(ours.events.list).toEqual([]);
	});
});

describe("the network", () => {
	test("goes and comes back: connections end, new ones fail, datagrams are not heard", async () => {
		const { port } = await server();
		const made = device().device;
		const changes: (string | undefined)[] = [];
		made.network.onChange((address) => changes.push(address));
		const { events } = connect(made, { port });
		await events.until(() => events.list.includes("up"));
		made.network.setUp(false);
		await events.until(() => events.list.includes("closed: the network is gone"));
		const without = connect(made, { port });
		await without.events.until(() => without.events.list.length > 0);
		expect(without.events.list).toEqual(["closed: no network"]);
		made.network.setUp(true);
		const again = connect(made, { port });
		await again.events.until(() => again.events.list.includes("up"));
		expect(changes).toEqual([undefined, "127.0.0.1"]);
	});

	test("datagrams: the port is known at once, a taken one is refused", async () => {
		const made = device().device;
		const events = new Happenings();
		const receiver = made.openDatagrams(0, (bytes, _address, from) => events.add(`${bytes.join(" ")} ${from}`))!;
		const sender = made.openDatagrams(0, () => undefined)!;
		expect(receiver.port).toBeGreaterThan(0);
		expect(made.openDatagrams(receiver.port, () => undefined)).toBeUndefined();
		const bytes = Uint8Array.of(1, 2);
		sender.send(bytes, "127.0.0.1", receiver.port);
		bytes.fill(9);
		await events.until(() => events.list.length > 0);
		expect(events.list).toEqual([`1 2 ${sender.port}`]);
	});

	test("names are resolved", async () => {
		const made = device().device;
		const events = new Happenings();
		made.network.resolve("10.1.2.3", (address) => events.add(`${address}`));
		made.network.resolve("localhost", (address) => events.add(`${address}`));
		await events.until(() => events.list.length === 2);
		expect([...events.list].sort()).toEqual(["10.1.2.3", "127.0.0.1"]);
	});
});

describe("the rest", () => {
	test("a clock that nobody has set, until somebody does", () => {
		const made = device({ hasClock: false }).device;
		expect(made.isClockSet).toBe(false);
		expect(made.clock.wallMs()).toBeLessThan(1e12);
		made.setWallMs(1_772_366_400_000);
		expect(made.isClockSet).toBe(true);
		expect(Math.abs(made.clock.wallMs() - 1_772_366_400_000)).toBeLessThan(1_000);
		expect(device().device.isClockSet).toBe(true);
	});

	test("pins tell what they are told; buttons that the board has not are none", () => {
		const { device: made, pins, restarts } = device({ buttons: 2 });
		const edges: string[] = [];
		made.pins.onButton((button, isDown) => edges.push(`${button} ${isDown}`));
		made.pins.onContact((isOpen) => edges.push(`contact ${isOpen}`));
		made.pins.setButton(1, true);
		made.pins.setButton(2, true);
		made.pins.setContact(true);
		made.pins.relay(true);
		made.pins.led(0, 255);
		made.pins.click();
		made.pins.chime(false);
		expect(edges).toEqual(["1 true", "contact true"]);
		expect(pins.map(({ type }) => type)).toEqual(["relay", "led", "click", "chime"]);
		made.restart("tired");
		expect(restarts).toEqual(["tired"]);
	});
});
