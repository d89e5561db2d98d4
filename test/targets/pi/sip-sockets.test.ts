/** The sockets of the SIP edge, on the loopback. */
import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FlowOptions } from "../../../core/sip/edge-types.ts";
import {
	MAX_SIP_CONNECTIONS_PER_ADDRESS,
	readSipListen,
	type SipListen,
	SipSockets,
	type SipSocketsOwner,
} from "../../../targets/pi/sip-sockets.ts";
import { Happenings } from "../../hal/node/waiting.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const octets = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));

/** An edge that writes down what it is told. */
class Owner extends Happenings implements SipSocketsOwner {
	readonly flows: FlowOptions[] = [];
	readonly from: { flow: number; address: string; port: number }[] = [];
	/** Flows it takes. */
	room = 1000;
	/** Sent as soon as a flow begins: what waited for it. */
	waiting: string | undefined;
	readonly sockets = new SipSockets(this);
	#next = 1;

	constructor() {
		super();
		onTestFinished(() => this.sockets.closeAll());
	}

	log(_level: string, event: string): void {
		this.add(event);
	}

	flowNumber(): number {
		return this.#next++;
	}

	opened(options: FlowOptions): boolean {
		if (this.flows.length >= this.room) return false;
		this.flows.push(options);
		if (this.waiting !== undefined) this.sockets.send(options.flow, octets(this.waiting), "", 0);
		this.add("opened");
		return true;
	}

	datagram(flow: number, bytes: Uint8Array, address: string, port: number): void {
		this.from.push({ flow, address, port });
		this.add(text(bytes));
	}

	octets(_flow: number, bytes: Uint8Array): void {
		this.add(text(bytes));
	}

	closed(flow: number): void {
		this.add(`closed ${flow}`);
	}

	connectFailed(connect: number): void {
		this.add(`connectFailed ${connect}`);
	}

	/** Port of the first place with this transport. */
	port(transport: string): number {
		const uri = this.sockets.listening.find((one) => one.endsWith(transport)) ?? "";
		return Number(/:(\d+);/.exec(uri)?.[1] ?? 0);
	}
}

function place(transport: "udp" | "tcp", port = 0, address = "127.0.0.1"): SipListen {
	return { transport, address, port };
}

/** A phone's TCP connection, and whether it has ended. */
async function dial(port: number): Promise<{ socket: Socket; ended: Promise<void>; heard: Happenings }> {
	const heard = new Happenings();
	const socket = connect(port, "127.0.0.1");
	onTestFinished(() => void socket.destroy());
	const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
	socket.on("error", () => undefined);
	socket.on("data", (data) => heard.add(data.toString("latin1")));
	await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
	return { socket, ended, heard };
}

describe("what --sip says", () => {
	test.each([
		["udp://192.168.1.10:5060", { transport: "udp", address: "192.168.1.10", port: 5060 }],
		["tcp://[::]:0", { transport: "tcp", address: "::", port: 0 }],
	])("%s", (uri, expected) => {
		expect(readSipListen(uri, "--sip")).toEqual(expected);
	});

	test.each([
		"192.168.1.10:5060",
		"tls://192.168.1.10:5061",
		"udp://door:5060",
		"udp://192.168.1.10",
		"udp://1.2.3.4:70000",
	])("%s is refused in one line that names the place and shows a right one", (uri) => {
		expect(() => readSipListen(uri, "/etc/ringlet.toml, sip")).toThrow(
			/^\/etc\/ringlet\.toml, sip: .* is not .*; write /,
		);
	});
});

describe("UDP", () => {
	test("datagrams come with where they are from, and go where they are sent", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("udp"));
		const phone = createSocket("udp4");
		onTestFinished(() => void phone.close());
		await new Promise<void>((resolve) => phone.bind(0, "127.0.0.1", resolve));
		phone.send("REGISTER", owner.port("udp"), "127.0.0.1");
		await owner.seen("REGISTER");
		const { flow, address, port } = owner.from[0] ?? { flow: 0, address: "", port: 0 };
		expect([address, port]).toEqual(["127.0.0.1", phone.address().port]);
		const heard = new Promise((resolve) => phone.once("message", (data) => resolve(data.toString())));
		expect(owner.sockets.send(flow, octets("200"), address, port)).toBe(true);
		expect(await heard).toBe("200");
	});

	test("a datagram that cannot be sent is lost; the socket goes on", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("udp"));
		const [flow] = owner.flows;
		expect(owner.sockets.send(flow?.flow ?? 0, octets("x".repeat(70_000)), "127.0.0.1", 9)).toBe(true);
		expect(owner.sockets.send(flow?.flow ?? 0, octets("x"), "no address", 9)).toBe(true);
		const phone = createSocket("udp4");
		onTestFinished(() => void phone.close());
		phone.send("still here", owner.port("udp"), "127.0.0.1");
		await owner.seen("still here");
	});
});

describe("TCP", () => {
	test("octets both ways; the phone's end is told", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("tcp"));
		const { socket, heard } = await dial(owner.port("tcp"));
		socket.write("REGISTER");
		await owner.seen("REGISTER");
		const [flow] = owner.flows;
		expect(flow).toMatchObject({ transport: "tcp", remoteAddress: "127.0.0.1", remotePort: socket.localPort });
		owner.sockets.send(flow?.flow ?? 0, octets("200"), "", 0);
		await heard.seen("200");
		socket.destroy();
		await owner.seen(`closed ${flow?.flow}`);
		expect(owner.sockets.send(flow?.flow ?? 0, octets("x"), "", 0)).toBe(false);
	});

	test("the edge closes one", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("tcp"));
		const { ended } = await dial(owner.port("tcp"));
		await owner.seen("opened");
		const flow = owner.flows[0]?.flow ?? 0;
		owner.sockets.close(flow);
		owner.sockets.close(flow);
		await ended;
		expect(owner.list.filter((one) => one === `closed ${flow}`)).toHaveLength(1);
	});

	test("a phone that does not read any more: the connection goes when the buffer is full", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("tcp"));
		const { socket } = await dial(owner.port("tcp"));
		socket.pause();
		await owner.seen("opened");
		const flow = owner.flows[0]?.flow ?? 0;
		const much = octets("x".repeat(100_000));
		for (let i = 0; i < 200 && owner.sockets.send(flow, much, "", 0); i++);
		expect(owner.list).toContain(`closed ${flow}`);
	});

	test("no room for another flow: the connection is closed", async () => {
		const owner = new Owner();
		owner.room = 1;
		await owner.sockets.listen(place("tcp"));
		const first = await dial(owner.port("tcp"));
		await owner.seen("opened");
		const second = await dial(owner.port("tcp"));
		await second.ended;
		first.socket.write("still here");
		await owner.seen("still here");
	});

	test("connections of one address have a limit; one that ends makes room", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("tcp"));
		const taken = [];
		for (let i = 0; i < MAX_SIP_CONNECTIONS_PER_ADDRESS; i++) taken.push(await dial(owner.port("tcp")));
		await owner.seen("opened", MAX_SIP_CONNECTIONS_PER_ADDRESS);
		const late = await dial(owner.port("tcp"));
		await late.ended;
		taken[0]?.socket.destroy();
		await owner.until(() => owner.list.some((one) => one.startsWith("closed")));
		await dial(owner.port("tcp"));
		await owner.seen("opened", MAX_SIP_CONNECTIONS_PER_ADDRESS + 1);
	});

	test("a connection that the edge asks for: what waited for it is sent, answers come, our place is the listener's", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("tcp"));
		owner.waiting = "INVITE";
		const heard = new Happenings();
		const server = createServer((socket) => {
			socket.on("error", () => undefined);
			socket.on("data", (data) => {
				heard.add(data.toString("latin1"));
				socket.end("200");
			});
		});
		onTestFinished(() => void server.close());
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const { port } = server.address() as { port: number };
		owner.sockets.connect(7, "127.0.0.1", port);
		await heard.seen("INVITE");
		await owner.seen("200");
		expect(owner.flows[0]).toMatchObject({ connect: 7, localPort: owner.port("tcp"), remotePort: port });
		await owner.seen(`closed ${owner.flows[0]?.flow}`);
	});

	test("nobody there: told", async () => {
		const owner = new Owner();
		const server = createServer();
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const { port } = server.address() as { port: number };
		await new Promise((resolve) => server.close(resolve));
		owner.sockets.connect(8, "127.0.0.1", port);
		await owner.seen("connectFailed 8");
	});
});

describe("ports", () => {
	test.each(["udp", "tcp"] as const)("%s: a port that is taken names the place and the fix", async (transport) => {
		const [first, second] = [new Owner(), new Owner()];
		await first.sockets.listen(place(transport));
		const port = first.port(transport);
		await expect(second.sockets.listen(place(transport, port))).rejects.toThrow(
			new RegExp(
				`^${transport}://127\\.0\\.0\\.1:${port}: .*EADDRINUSE.*; another program has this port: stop it, .*--sip$`,
			),
		);
	});

	test.each(["udp", "tcp"] as const)("%s: an address of another machine names that", async (transport) => {
		const owner = new Owner();
		await expect(owner.sockets.listen(place(transport, 0, "192.0.2.1"))).rejects.toThrow(
			/EADDRNOTAVAIL.*; this machine has no such address: choose one of its own with --sip$/,
		);
	});

	test.each(["udp", "tcp"] as const)(
		"%s: taken on one address of several: nothing of the place is open then",
		async (transport) => {
			const taken = new Owner();
			await taken.sockets.listen(place(transport));
			const port = taken.port(transport);
			const owner = new Owner();
			// The loopback's address comes last, so others were open before.
			await expect(owner.sockets.listen(place(transport, port, "0.0.0.0"))).rejects.toThrow("EADDRINUSE");
			expect(owner.sockets.listening).toEqual([]);
			const opened = owner.flows.length;
			if (transport === "udp") expect(owner.list.filter((one) => one.startsWith("closed"))).toHaveLength(opened);
			// Every address of it can be had by somebody else.
			taken.sockets.closeAll();
			const other = new Owner();
			await other.sockets.listen(place(transport, port, "0.0.0.0"));
			expect(other.sockets.listening.length).toBeGreaterThan(0);
		},
	);

	test("places that are asked for together open together or not at all", async () => {
		const taken = new Owner();
		await taken.sockets.listen(place("tcp"));
		const port = taken.port("tcp");
		const owner = new Owner();
		await expect(owner.sockets.listen(place("udp", port), place("tcp", port))).rejects.toThrow("EADDRINUSE");
		expect(owner.sockets.listening).toEqual([]);
		expect(owner.list).toContain("closed 1");
		taken.sockets.closeAll();
		await owner.sockets.listen(place("udp", port), place("tcp", port));
		expect(owner.sockets.listening).toEqual([
			`sip:127.0.0.1:${port};transport=udp`,
			`sip:127.0.0.1:${port};transport=tcp`,
		]);
	});

	test("any port, of all addresses: the same one everywhere", async () => {
		const owner = new Owner();
		await owner.sockets.listen(place("udp", 0, "0.0.0.0"));
		const ports = new Set(owner.sockets.listening.map((uri) => /:(\d+);/.exec(uri)?.[1]));
		expect(ports.size).toBe(1);
	});
});
