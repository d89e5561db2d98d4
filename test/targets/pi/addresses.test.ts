import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import {
	advertised,
	expand,
	isWildcard,
	openNear,
	portError,
	readAddress,
	readEndpoint,
	writeEndpoint,
} from "../../../targets/pi/addresses.ts";

describe("ADDRESS:PORT", () => {
	test.each([
		["192.168.1.10:6084", { address: "192.168.1.10", port: 6084 }],
		["[2001:db8::1]:6084", { address: "2001:db8::1", port: 6084 }],
		["[::]:0", { address: "::", port: 0 }],
		["0.0.0.0:65535", { address: "0.0.0.0", port: 65535 }],
	])("%s", (text, endpoint) => {
		expect(readEndpoint(text, "--link")).toEqual(endpoint);
		expect(writeEndpoint(endpoint)).toBe(text);
	});

	test.each([
		"",
		"6084",
		"192.168.1.10",
		"192.168.1:6084",
		"192.168.1.256:6084",
		"192.168.1.10:65536",
		"192.168.1.10:-1",
		"2001:db8::1:6084",
		"[2001:db8::g]:6084",
		"door.local:6084",
		"192.168.1.10:6084 ",
	])("%j is refused in one line that names where it stands and shows a right one", (text) => {
		expect(() => readEndpoint(text, "RINGLET_LINK")).toThrow(
			`RINGLET_LINK: ${text} is not ADDRESS:PORT; write for instance 192.168.1.10:6084 or [::]:6084`,
		);
	});
});

test("an IP address that others can be told", () => {
	expect(["192.0.2.1", "2001:db8::1"].map((text) => readAddress(text, "--addresses"))).toEqual([
		"192.0.2.1",
		"2001:db8::1",
	]);
	for (const text of ["", "door.local", "0.0.0.0", "::", "192.0.2.1:5060"])
		expect(() => readAddress(text, "--addresses")).toThrow(
			`--addresses: ${text} is not an IP address; write for instance`,
		);
});

describe("what a place to listen stands for", () => {
	const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);

	test("an address is itself", () => {
		expect(expand("192.0.2.1")).toEqual(["192.0.2.1"]);
		expect(advertised("192.0.2.1")).toEqual(["192.0.2.1"]);
		expect(advertised("127.0.0.1")).toEqual(["127.0.0.1"]);
		expect([isWildcard("::"), isWildcard("0.0.0.0"), isWildcard("::1")]).toEqual([true, true, false]);
	});

	test("all of IPv4: each of the machine's, the loopback's last, no IPv6", () => {
		const addresses = expand("0.0.0.0");
		const own = all.filter(({ family }) => family === "IPv4").map(({ address }) => address);
		expect([...addresses].sort()).toEqual(own.sort());
		const inside = new Set(all.filter(({ internal }) => internal).map(({ address }) => address));
		const firstInside = addresses.findIndex((address) => inside.has(address));
		expect(addresses.slice(firstInside).every((address) => inside.has(address))).toBe(true);
	});

	test("all: IPv6 as well, but nothing link-local; IPv4 first", () => {
		const addresses = expand("::");
		expect(addresses.filter((address) => /^fe[89ab]/i.test(address))).toEqual([]);
		const outside = addresses.filter((address) => address !== "::1" && !address.startsWith("127."));
		const families = outside.map((address) => isIPv4(address));
		expect(families).toEqual([...families].sort((a, b) => Number(b) - Number(a)));
	});

	test("others are told no loopback, unless there is nothing else", () => {
		for (const wildcard of ["::", "0.0.0.0"]) {
			const told = advertised(wildcard);
			const hasOutside = expand(wildcard).some((address) => address !== "::1" && !address.startsWith("127."));
			expect(told.length).toBeGreaterThan(0);
			expect(told.some((address) => address.startsWith("127.") || address === "::1")).toBe(!hasOutside);
		}
	});
});

describe("ports", () => {
	/** Opens what is not taken. */
	function opener(...taken: number[]): { tried: number[]; open: (port: number) => Promise<number> } {
		const tried: number[] = [];
		const open = async (port: number): Promise<number> => {
			tried.push(port);
			if (taken.includes(port)) throw new Error(`${port} is taken`);
			return port;
		};
		return { tried, open };
	}

	test("the first that is free", async () => {
		const { tried, open } = opener(5060, 5061);
		expect(await openNear(5060, 20, open)).toBe(5062);
		expect(tried).toEqual([5060, 5061, 5062]);
	});

	test("no further than told; by default not at all", async () => {
		await expect(openNear(5060, 1, opener(5060, 5061).open)).rejects.toThrow("5061 is taken");
		await expect(openNear(5060, 0, opener(5060).open)).rejects.toThrow("5060 is taken");
	});

	test("port 0 has no next one", async () => {
		const { tried, open } = opener(0);
		await expect(openNear(0, 20, open)).rejects.toThrow("0 is taken");
		expect(tried).toEqual([0]);
	});

	test("beyond the last port there is nothing to try", async () => {
		const { tried, open } = opener(65534, 65535);
		await expect(openNear(65534, 20, open)).rejects.toThrow("65535 is taken");
		expect(tried).toEqual([65534, 65535]);
	});

	test.each([
		["EADDRINUSE", "another program has this port"],
		["EACCES", "ports below 1024 need permission"],
		["EADDRNOTAVAIL", "this machine has no such address"],
		["EWHATEVER", "choose another place with --sip"],
	])("%s: what to do about it", (code, fix) => {
		const error = portError(Object.assign(new Error(`bind ${code}`), { code }), "udp://[::]:5060", "--sip");
		expect(error.message).toMatch(new RegExp(`^udp://\\[::\\]:5060: bind ${code}; .*${fix}`));
		expect(error.fix).toContain("--sip");
	});
});
