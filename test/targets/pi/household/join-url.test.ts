import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOctets } from "../../../../targets/pi/household/authority.ts";
import { readHostPort, readJoinUrl, writeJoinUrl } from "../../../../targets/pi/household/join-url.ts";

const FINGERPRINT = "A".repeat(43);
const URL = `ringlet://192.168.1.10:6085,[fd00::1]:7000/home.example/K7QF-3M9X-2TPD/${FINGERPRINT}`;

test("an invitation as it is printed", () => {
	const read = readJoinUrl(URL);
	expect(read).toEqual({
		addresses: [
			{ address: "192.168.1.10", port: 6085 },
			{ address: "fd00::1", port: 7000 },
		],
		overlayName: "home.example",
		code: "K7QF-3M9X-2TPD",
		fingerprint: FINGERPRINT,
		name: undefined,
	});
	expect(writeJoinUrl(read)).toBe(URL);
	expect(writeJoinUrl({ ...read, name: "frontdoor" })).toBe(`${URL}/frontdoor`);
	expect(readJoinUrl(`${URL}/frontdoor`).name).toBe("frontdoor");
	// Nothing a shell would take apart, but for the brackets of IPv6.
	expect(URL.replaceAll(/[[\]]/g, "")).toMatch(/^[A-Za-z0-9:/.,_-]+$/);
});

test.each([
	["https://192.168.1.10/", /not an invitation/],
	[
		"ringlet://192.168.1.10:99999/home.example/K7QF-3M9X-2TPD/x",
		/address 192\.168\.1\.10:99999 is wrong; copy the whole line/,
	],
	[`ringlet:///home.example/K7QF-3M9X-2TPD/${FINGERPRINT}`, /address/],
	[`ringlet://192.0.2.1/-/K7QF-3M9X-2TPD/${FINGERPRINT}`, /household name - is wrong/],
	[`ringlet://192.0.2.1/home.example/K7QF/${FINGERPRINT}`, /code K7QF is wrong/],
	["ringlet://192.0.2.1/home.example/K7QF-3M9X-2TPD/short", /fingerprint is wrong/],
	[`${URL}/a/b`, /too many parts/],
	[`ringlet://${new Array(6).fill("192.0.2.1").join()}/home.example/K7QF-3M9X-2TPD/${FINGERPRINT}`, /too many parts/],
])("%s is refused with its reason", (text, message) => {
	expect(() => readJoinUrl(text)).toThrow(message);
});

test("any text is read or refused in one line", () => {
	fc.assert(
		fc.property(fc.string(), (text) => {
			for (const input of [text, `ringlet://${text}`, URL.replace("home", text)])
				try {
					readJoinUrl(input);
				} catch (error) {
					expect((error as Error).name).toBe("UserError");
				}
		}),
		{ numRuns: 300 },
	);
});

test("hosts and ports", () => {
	expect(readHostPort("pi.local")).toEqual({ address: "pi.local", port: 6085 });
	expect(readHostPort("[fe80::1%eth0]:1")).toBeUndefined();
	expect(readHostPort("fd00::1")).toBeUndefined();
	expect(readHostPort("192.0.2.1:0")).toBeUndefined();
	expect(readHostPort("")).toBeUndefined();
});

test("addresses as octets", () => {
	const hex = (text: string): string | undefined => {
		const octets = addressOctets(text);
		return octets === undefined ? undefined : Buffer.from(octets).toString("hex");
	};
	expect(hex("192.0.2.1")).toBe("c0000201");
	expect(hex("::")).toBe("0".repeat(32));
	expect(hex("2001:db8::1")).toBe("20010db8000000000000000000000001");
	expect(hex("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
	expect(hex("::ffff:192.0.2.1")).toBe("00000000000000000000ffffc0000201");
	expect(hex("fe80::1%eth0")).toBeUndefined();
	expect(hex("pi.local")).toBeUndefined();
});
