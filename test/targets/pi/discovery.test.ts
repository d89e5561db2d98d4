/** Peers of one LAN that find each other by mDNS: on the loopback, at a port of our own. */
import { createSocket } from "node:dgram";
import { expect, onTestFinished, test } from "vitest";
import type { Endpoint } from "../../../core/overlay/node-types.ts";
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
