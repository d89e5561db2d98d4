import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import makeMdns from "multicast-dns";
import { afterEach, describe, expect, test, vi } from "vitest";
import { FOUND_SERVICES } from "../../../hal/node/limits.ts";
import {
	Discovery,
	type DiscoveryOptions,
	type FoundService,
	P2PSIP_SERVICE,
	RELOAD_CONFIG_SERVICE,
} from "../../../hal/node/mdns.ts";
import { Happenings, turns } from "./waiting.ts";

const LOOPBACK = "127.0.0.1";

/** A port nobody uses, so that the machine's own mDNS stays out of the test. */
async function freePort(): Promise<number> {
	const socket = createSocket("udp4");
	await new Promise<void>((resolve) => socket.bind(0, "0.0.0.0", resolve));
	const { port } = socket.address();
	await new Promise<void>((resolve) => socket.close(resolve));
	return port;
}

interface Watched {
	readonly discovery: Discovery;
	readonly events: Happenings;
	readonly found: FoundService[];
	readonly lost: FoundService[];
}

const open: Discovery[] = [];

function discover(port: number, options: Partial<DiscoveryOptions> = {}): Watched {
	const events = new Happenings();
	const found: FoundService[] = [];
	const lost: FoundService[] = [];
	const discovery = new Discovery({
		interfaces: [LOOPBACK],
		port,
		onFound: (service) => {
			found.push(service);
			events.add("found");
		},
		onLost: (service) => {
			lost.push(service);
			events.add("lost");
		},
		...options,
	});
	open.push(discovery);
	return { discovery, events, found, lost };
}

afterEach(async () => {
	vi.useRealTimers();
	for (const discovery of open.splice(0)) await new Promise<void>((resolve) => discovery.close(resolve));
});

const service = { type: P2PSIP_SERVICE, instance: "a1b2", port: 6084, text: { overlay: "home.example", Version: "1" } };
const seen: FoundService = {
	type: P2PSIP_SERVICE,
	instance: "a1b2",
	address: LOOPBACK,
	port: 6084,
	text: { overlay: "home.example", version: "1" },
};

describe("finding peers by mDNS", () => {
	test("who browses first hears the announcement; who comes later asks", async () => {
		const port = await freePort();
		const early = discover(port, { browse: [P2PSIP_SERVICE] });
		const peer = discover(port, { announce: [service] });
		await early.events.seen("found");
		expect(early.found).toEqual([seen]);
		const late = discover(port, { browse: [P2PSIP_SERVICE, RELOAD_CONFIG_SERVICE] });
		await late.events.seen("found");
		expect(late.discovery.services).toEqual([seen]);
		expect(peer.found).toEqual([]);
	});

	test("two peers that announce and browse find each other and not themselves", async () => {
		const port = await freePort();
		const a = discover(port, { announce: [service], browse: [P2PSIP_SERVICE] });
		const b = discover(port, { announce: [{ ...service, instance: "C3D4", port: 7000 }], browse: [P2PSIP_SERVICE] });
		await Promise.all([a.events.seen("found"), b.events.seen("found")]);
		expect(a.found.map((one) => [one.instance, one.port])).toEqual([["c3d4", 7000]]);
		expect(b.found.map((one) => [one.instance, one.port])).toEqual([["a1b2", 6084]]);
	});

	test("a change is told again, a repetition is not; a goodbye is a loss", async () => {
		const port = await freePort();
		const watcher = discover(port, { browse: [P2PSIP_SERVICE] });
		const peer = discover(port, { announce: [service] });
		await watcher.events.seen("found");
		peer.discovery.announce([service]);
		peer.discovery.announce([{ ...service, port: 7001 }]);
		await watcher.events.seen("found", 2);
		expect(watcher.found[1]!.port).toBe(7001);
		peer.discovery.announce([]);
		await watcher.events.seen("lost");
		expect(watcher.lost[0]!.port).toBe(7001);
		peer.discovery.announce([service]);
		await watcher.events.seen("found", 3);
		await new Promise<void>((resolve) => peer.discovery.close(resolve));
		await watcher.events.seen("lost", 2);
		expect(watcher.discovery.services).toEqual([]);
	});

	test("what is not heard of for its time to live is lost", async () => {
		const port = await freePort();
		vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
		const watcher = discover(port, { browse: [P2PSIP_SERVICE] });
		const peer = discover(port, { announce: [service] });
		await watcher.events.seen("found");
		// The peer dies without a word.
		peer.discovery.announce = () => undefined;
		vi.advanceTimersByTime(110_000);
		expect(watcher.lost).toEqual([]);
		vi.advanceTimersByTime(15_000);
		expect(watcher.lost).toEqual([seen]);
	});

	test("off switch, no interfaces, and an address nobody here has", async () => {
		const port = await freePort();
		const watcher = discover(port, { browse: [P2PSIP_SERVICE] });
		discover(port, { announce: [service], enabled: false });
		discover(port, { announce: [service], interfaces: [] });
		const nowhere = discover(port, { announce: [service], interfaces: ["192.0.2.77"] });
		await turns(20);
		expect(watcher.found).toEqual([]);
		expect(nowhere.discovery.services).toEqual([]);
		const audible = discover(port, { announce: [{ ...service, instance: "last" }] });
		await watcher.events.seen("found");
		expect(watcher.found.map((one) => one.instance)).toEqual(["last"]);
		audible.discovery.close();
		audible.discovery.close();
	});
});

describe("what others may send", () => {
	/** Says any records on the loopback network. */
	async function speaker(port: number): Promise<ReturnType<typeof makeMdns>> {
		const mdns = makeMdns({ interface: LOOPBACK, bind: "0.0.0.0", port });
		await new Promise((resolve) => mdns.once("ready", resolve));
		return mdns;
	}

	function answers(
		instance: string,
		address: string,
		port = 6084,
		text: (string | Buffer)[] = [],
	): Parameters<ReturnType<typeof makeMdns>["respond"]>[0] {
		const name = `${instance}.${P2PSIP_SERVICE}`;
		return {
			answers: [
				{ name: P2PSIP_SERVICE, type: "PTR", ttl: 120, data: name },
				{ name, type: "SRV", ttl: 120, data: { port, target: "h.local" } },
				{ name, type: "TXT", ttl: 120, data: text },
				{ name: "h.local", type: "A", ttl: 120, data: address },
			],
		};
	}

	test("only private addresses are believed; any other becomes the sender's own", async () => {
		const port = await freePort();
		const watcher = discover(port, { browse: [P2PSIP_SERVICE] });
		const mdns = await speaker(port);
		for (const [i, address] of ["192.168.7.7", "8.8.8.8", "169.254.1.2", "224.0.0.1"].entries()) {
			mdns.respond(answers(`n${i}`, address));
			await watcher.events.seen("found", i + 1);
		}
		expect(watcher.found.map((one) => one.address)).toEqual(["192.168.7.7", LOOPBACK, "169.254.1.2", LOOPBACK]);
		await new Promise<void>((resolve) => mdns.destroy(resolve));
	});

	test("garbage, half records and hostile text do no harm; the table has a limit", async () => {
		const port = await freePort();
		const watcher = discover(port, { browse: [P2PSIP_SERVICE] });
		const mdns = await speaker(port);
		const raw = createSocket("udp4");
		await new Promise<void>((resolve) => raw.bind(0, LOOPBACK, resolve));
		raw.setMulticastInterface(LOOPBACK);
		for (const octets of [
			[],
			[0],
			new Array<number>(600).fill(0xff),
			[0, 0, 0x84, 0, 0, 9, 0, 9, 0, 9, 0, 9, 0xc0, 0x0c],
		]) {
			await new Promise((resolve) => raw.send(Buffer.from(octets), port, "224.0.0.251", resolve));
		}
		mdns.respond([{ name: P2PSIP_SERVICE, type: "PTR", ttl: 120, data: `lonely.${P2PSIP_SERVICE}` }]);
		mdns.respond([{ name: P2PSIP_SERVICE, type: "PTR", ttl: 120, data: P2PSIP_SERVICE }]);
		mdns.respond(answers("zero", "10.0.0.1", 0));
		mdns.respond(answers("odd", "10.0.0.1", 1, ["__proto__=x", "a=1", "a=2", "=y", "novalue", "z=".padEnd(250, "z")]));
		await watcher.events.seen("found");
		expect(watcher.found.map((one) => one.instance)).toEqual(["odd"]);
		expect(Object.keys(watcher.found[0]!.text).sort()).toEqual(["__proto__", "a", "z"]);
		expect(watcher.found[0]!.text.a).toBe("1");
		for (let i = 0; watcher.found.length < FOUND_SERVICES; i++) {
			mdns.respond(answers(`many${i}`, "10.0.0.1"));
			if (i % 20 === 19) await turns(1);
		}
		mdns.respond(answers("one-too-many", "10.0.0.1"));
		mdns.respond(answers("odd", "10.0.0.9", 1));
		await watcher.events.until(() => watcher.found.some((one) => one.address === "10.0.0.9"));
		expect(watcher.discovery.services).toHaveLength(FOUND_SERVICES);
		expect(watcher.discovery.services.some((one) => one.instance === "one-too-many")).toBe(false);
		raw.close();
		await new Promise<void>((resolve) => mdns.destroy(resolve));
	});

	test("queries from outside the interface's network are not answered", async () => {
		const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
		const outside = others.find((each) => each.family === "IPv4" && !each.internal)?.address;
		if (outside === undefined) return;
		const port = await freePort();
		const mdns = await speaker(port);
		const events = new Happenings();
		mdns.on("response", () => events.add("response"));
		// The announcement is repeated after a second; here it must not.
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
		discover(port, { announce: [service] });
		vi.advanceTimersByTime(0);
		await events.seen("response");
		const labels = ["_p2psip", "_tcp", "local"].flatMap((label) => [label.length, ...Buffer.from(label)]);
		const query = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 12, 0, 1]);
		for (const [from, responses] of [
			[outside, 1],
			[LOOPBACK, 2],
		] as const) {
			const raw = createSocket("udp4");
			await new Promise<void>((resolve) => raw.bind(0, from, resolve));
			await new Promise((resolve) => raw.send(query, port, from, resolve));
			await turns(10);
			if (from === LOOPBACK) await events.seen("response", 2);
			expect(events.list).toHaveLength(responses);
			raw.close();
		}
		await new Promise<void>((resolve) => mdns.destroy(resolve));
	});
});
