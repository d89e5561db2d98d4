/** Peers of one LAN that find each other by mDNS: on the loopback, at a port of our own. */
import { createSocket } from "node:dgram";
import { expect, onTestFinished, test } from "vitest";
import type { Endpoint } from "../../../core/overlay/node-types.ts";
import { type FoundService, Discovery as Mdns, RELOAD_CONFIG_SERVICE } from "../../../hal/node/mdns.ts";
import { Discovery } from "../../../targets/pi/discovery.ts";
import { TestLog, until } from "./composed.ts";
import { DOMAIN } from "./realm.ts";

/** A port nobody uses, so that the machine's own mDNS stays out of the test. */
async function freePort(): Promise<number> {
	const socket = createSocket("udp4");
	await new Promise<void>((resolve) => socket.bind(0, "0.0.0.0", resolve));
	const { port } = socket.address();
	await new Promise<void>((resolve) => socket.close(resolve));
	return port;
}

function peer(port: number, number: number, overlayName = DOMAIN): { found: Endpoint[]; log: TestLog } {
	const found: Endpoint[] = [];
	const log = new TestLog();
	const discovery = new Discovery({
		overlayName,
		instance: number.toString(16).padStart(32, "0"),
		// What cannot carry multicast (IPv6 here) is left out, the rest is used.
		listen: [
			{ address: "127.0.0.1", port: 6_000 + number },
			{ address: "::1", port: 6_000 + number },
		],
		log: log.log,
		onFound: (endpoints) => found.push(...endpoints),
		port,
	});
	onTestFinished(() => discovery.close());
	return { found, log };
}

test("who runs the enrollment is found as the configuration's server, by devices that want to be paired", async () => {
	const port = await freePort();
	const listen = [{ address: "127.0.0.1", port: 6_084 }];
	const instance = "7".repeat(32);
	const log = new TestLog();
	const founder = new Discovery({
		overlayName: DOMAIN,
		instance,
		listen,
		enrollment: 6_085,
		log: log.log,
		onFound: () => undefined,
		port,
	});
	const found: FoundService[] = [];
	const device = new Mdns({
		interfaces: ["127.0.0.1"],
		port,
		announce: [],
		browse: [RELOAD_CONFIG_SERVICE],
		onFound: (service) => found.push(service),
		onError: () => undefined,
	});
	onTestFinished(() => {
		founder.close();
		device.close();
	});
	await until(() => found.length > 0);
	expect(found[0]).toMatchObject({ instance, address: "127.0.0.1", port: 6_085, text: { overlay: DOMAIN } });
});

test("peers of the same overlay find each other; another household's, and oneself, are passed over", async () => {
	const port = await freePort();
	const [one, two, other] = [peer(port, 1), peer(port, 2), peer(port, 3, "next.door.example")];
	await until(() => one.found.length > 0 && two.found.length > 0);
	const third = peer(port, 4);
	await until(() => third.found.length >= 2);
	const ports = (found: readonly Endpoint[]): number[] => [...new Set(found.map((endpoint) => endpoint.port))].sort();
	expect(ports(third.found)).toEqual([6_001, 6_002]);
	expect(ports(two.found).every((found) => found === 6_001 || found === 6_004)).toBe(true);
	expect(other.found).toEqual([]);
	expect(one.found.every(({ address }) => address === "127.0.0.1")).toBe(true);
	expect(one.log.of("mdns.found")[0]?.level).toBe("debug");
});
