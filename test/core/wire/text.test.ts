/** What the wire says in text: RELOAD URIs, IP addresses, names of code points. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRefused } from "../../../core/machine.ts";
import * as wire from "../../../core/wire/index.ts";
import { hex, NODE_A } from "./kit.ts";

const ID = "8a0c5b7e1f2d4a6993c1d0e2b4f60718";

describe("RELOAD URI", () => {
	test.each([
		["the RFC's form", `reload://0110${ID}@overlay.example.org/`],
		["upper-case scheme and digits", `RELOAD://0110${ID.toUpperCase()}@overlay.example.org/`],
		["[D-26] no final slash", `reload://0110${ID}@overlay.example.org`],
		["[D-26] bare Node-ID", `reload://${ID}@overlay.example.org/`],
		["[D-26] both", `reload://${ID}@overlay.example.org`],
	])("%s", (_name, text) => {
		expect(wire.readReloadUri(text, 16)).toEqual({
			destinationList: [wire.nodeDestination(NODE_A)],
			overlayName: "overlay.example.org",
			specifier: new Uint8Array(0),
		});
	});

	test("a list and a specifier", () => {
		const text = `reload://8001020403abcdef@p2p.example.net/0000000100000000000000000002000000`;
		const uri = wire.readReloadUri(text, 16);
		if (isRefused(uri)) throw new Error(uri.refused);
		expect(uri.destinationList).toEqual([wire.opaqueDestination(hex("8001")), wire.resourceDestination(hex("abcdef"))]);
		expect(wire.toHex(uri.specifier)).toBe("0000000100000000000000000002000000");
		expect(wire.writeReloadUri(uri)).toBe(text);
	});

	test("Node-IDs of 20 octets", () => {
		const id = "00112233445566778899aabbccddeeff01234567";
		for (const text of [`reload://0114${id}@o.example/`, `reload://${id}@o.example`]) {
			expect(wire.readReloadUri(text, 20)).toMatchObject({ destinationList: [wire.nodeDestination(hex(id))] });
		}
	});

	test.each([
		["sip:alice@example.org", 0, "not a reload URI"],
		["", 0, "not a reload URI"],
		[`reload://0110${ID}`, 45, "reload URI without overlay name"],
		["reload://@overlay.example.org/", 9, "reload URI without a destination list in hex"],
		["reload://011@overlay.example.org/", 9, "reload URI without a destination list in hex"],
		["reload://0110zz@overlay.example.org/", 9, "reload URI without a destination list in hex"],
		["reload://0110aabb@overlay.example.org/", 9, "reload URI without a destination list in hex"],
		[`reload://0110${ID}@/`, 46, "reload URI with a bad overlay name"],
		[`reload://0110${ID}@a b/`, 46, "reload URI with a bad overlay name"],
		[`reload://0110${ID}@a@b/`, 46, "reload URI with a bad overlay name"],
		[`reload://0110${ID}@a:1/`, 46, "reload URI with a bad overlay name"],
		[`reload://0110${ID}@overlay/xy`, 54, "reload URI with a specifier that is not hex"],
	])("%j is refused", (text, at, refused) => {
		expect(wire.readReloadUri(text, 16)).toEqual({ refused, at });
	});

	test("any text is read or refused", () => {
		const parts = fc.constantFrom("reload://", "0110", ID, "@", "/", "overlay", "8001", " ", "%");
		const text = fc.oneof(
			fc.string(),
			fc.array(parts, { maxLength: 8 }).map((list) => list.join("")),
		);
		fc.assert(
			fc.property(text, (value) => {
				const uri = wire.readReloadUri(value, 16);
				if (!isRefused(uri)) expect(wire.readReloadUri(wire.writeReloadUri(uri), 16)).toEqual(uri);
			}),
			{ numRuns: 500 },
		);
	});
});

describe("IP addresses", () => {
	test.each([
		["192.0.2.1", "c0000201"],
		["0.0.0.0", "00000000"],
		["255.255.255.255", "ffffffff"],
		["::", "00".repeat(16)],
		["::1", `${"00".repeat(15)}01`],
		["1::", `0001${"00".repeat(14)}`],
		["2001:db8::1", "20010db8000000000000000000000001"],
		["2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"],
		["2001:0:0:1::1", "20010000000000010000000000000001"],
		["2001:db8::1:0:0:1", "20010db8000000000001000000000001"],
		["::ffff:c000:201", "00000000000000000000ffffc0000201"],
	])("%s", (text, octets) => {
		expect(wire.formatAddress(hex(octets))).toBe(text);
		expect(wire.parseAddress(text)).toEqual(hex(octets));
	});

	test.each([
		["2001:DB8:0:0:0:0:0:1", "20010db8000000000000000000000001"],
		["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
		["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
		["1:2:3:4:5:6:192.0.2.1", "000100020003000400050006c0000201"],
		["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
	])("%s is read too", (text, octets) => {
		expect(wire.parseAddress(text)).toEqual(hex(octets));
	});

	test.each([
		"",
		"1.2.3",
		"1.2.3.4.5",
		"256.0.0.1",
		"01.2.3.4",
		"1.2.3.-4",
		"1..2.3",
		"a.b.c.d",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1::2::3",
		"1:2:3:4::5:6:7:8",
		":::",
		"12345::",
		"g::",
		"1.2.3.4::",
		"::1%eth0",
		"[::1]",
		":1",
		"1:",
	])("%j is no address", (text) => {
		expect(wire.parseAddress(text)).toBeUndefined();
	});

	test("there and back", () => {
		const addr = fc.oneof(
			fc.uint8Array({ minLength: 4, maxLength: 4 }),
			fc
				.array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 })
				.map((list) => Uint8Array.from(list)),
		);
		fc.assert(
			fc.property(addr, (octets) => {
				expect(wire.parseAddress(wire.formatAddress(octets))).toEqual(octets);
			}),
		);
		expect(wire.formatAddress(new Uint8Array(5))).toBe("");
	});
});

test("names are the registries'", () => {
	expect(wire.messageCodeName(0xffff)).toBe("error");
	expect(wire.messageCodeName(0x1d)).toBe("app_attach_req");
	expect(wire.messageCodeName(0x22)).toBe("config_update_ans");
	expect(wire.messageCodeName(0x23)).toBe("exp_a_req");
	expect(wire.messageCodeName(0x5)).toBe("0x5");
	for (const code of Object.values(wire.ErrorCode)) {
		if (code !== 0) expect(wire.errorCodeName(code)).toMatch(/^Error_[A-Z]/);
	}
	expect(wire.errorCodeName(0x1b)).toBe("0x1b");
	for (const kind of Object.values(wire.KindId)) expect(wire.kindName(kind)).toMatch(/^[A-Z_-]+$/);
	expect(wire.kindName(0xf0000001)).toBe("0xf0000001");
	expect(wire.overlayLinkName(4)).toBe("TLS-TCP-FH-NO-ICE");
	expect(wire.codeName(wire.CandType, 3)).toBeUndefined();
});

test("requests are odd, and the error is none", () => {
	expect([1, 0x27, 2, 0xffff, 0].map(wire.isRequestCode)).toEqual([true, true, false, false, false]);
});
