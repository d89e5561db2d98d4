import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asRequestUri } from "../../../core/sip/build.ts";
import { aorOf, parseUri, unescapeUri } from "../../../core/sip/uri.ts";
import { equalUris } from "../../../core/sip/uri-equal.ts";

function uri(text: string) {
	const parsed = parseUri(text);
	if (parsed === undefined) throw new Error(`not a URI: ${text}`);
	return parsed;
}

describe("SIP URIs (RFC 3261 §19.1)", () => {
	test("all parts", () => {
		const full = uri(
			"sips:alice:secret@Atlanta.COM:5062;transport=TCP;lr;method=REGISTER?subject=project%20x&to=alice",
		);
		expect(full).toMatchObject({ scheme: "sips", user: "alice", password: "secret", host: "atlanta.com", port: 5062 });
		expect([full.param("transport"), full.param("lr"), full.param("maddr")]).toEqual(["TCP", "", undefined]);
		expect(full.portOrDefault()).toBe(5062);
	});

	test.each([
		["sip:atlanta.com", { user: undefined, host: "atlanta.com", port: 0 }],
		["SIP:a@b", { scheme: "sip", user: "a" }],
		["sip:+1-212-555-1212:1234@gateway.com;user=phone", { user: "+1-212-555-1212", password: "1234" }],
		["sip:alice;day=tuesday@atlanta.com", { user: "alice;day=tuesday", host: "atlanta.com" }],
		["sip:a@[2001:db8::10]:5070", { host: "[2001:db8::10]", port: 5070 }],
		["sip:a?b@c", { user: "a?b", host: "c" }],
		["tel:+358-555-1234567;phone-context=x", { scheme: "tel", user: "+358-555-1234567" }],
		["urn:service:sos", { scheme: "urn", host: "" }],
	])("%s", (text, parts) => {
		expect(uri(text)).toMatchObject(parts);
	});

	test.each([
		"",
		"sip",
		"sip:",
		"sip:@b",
		"sip::p@b",
		"sip:a:b:c@d",
		"sip:a@",
		"sip:a b@c",
		"sip:a@b c",
		"sip:a@b:0",
		"sip:a@b:65536",
		"sip:a@b:",
		"sip:a@[::1",
		"sip:a@[]",
		"sip:a@b;x y",
		"sip:a@b;x=@",
		"sip:%4@b",
		"sip:a@b;p=%zz",
		"sip:a@b;",
		"sip:a@b;;lr",
		"sip:a@b;=x",
		'sip:"a"@b',
		"1sip:a@b",
		"<sip:a@b>",
		"sip:a@b\r\n",
		"http://a b",
	])("%j is refused", (text) => {
		expect(parseUri(text)).toBeUndefined();
	});

	// The pairs that RFC 3261 §19.1.4 lists.
	test.each([
		["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
		["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
		["sip:carol@chicago.com", "sip:carol@chicago.com;security=on"],
		[
			"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
			"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
		],
		[
			"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
			"sip:alice@atlanta.com?priority=urgent&subject=project%20x",
		],
		["tel:+1-201-555-0123", "tel:+12015550123"],
	])("%s equals %s", (a, b) => {
		expect(equalUris(uri(a), uri(b))).toBe(true);
		expect(equalUris(uri(b), uri(a))).toBe(true);
	});

	test.each([
		["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
		["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
		["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
		["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
		["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
		["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
		["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"],
		["sip:a@b", "sips:a@b"],
		["sip:a@b", "sip:b"],
		["sip:a:x@b", "sip:a:y@b"],
		["sip:a%40b@c", "sip:a@c"],
		["sip:%00@c", "sip:%00%00@c"],
		["sip:a%3Bb@c", "sip:a;b@c"],
	])("%s differs from %s", (a, b) => {
		expect(equalUris(uri(a), uri(b))).toBe(false);
		expect(equalUris(uri(b), uri(a))).toBe(false);
	});

	test.each([
		["sip:Alice%20B@DHT.Example.com:5060;transport=tcp?x=y", "Alice B@dht.example.com"],
		["sip:%C3%A9ve@h", "éve@h"],
		["sip:h", undefined],
		["tel:+1", undefined],
		["sip:%FF@h", undefined],
	])("AOR of %s", (text, aor) => {
		expect(aorOf(uri(text))).toBe(aor);
	});

	test("escapes are decoded once", () => {
		expect(unescapeUri("%25%34%31%")).toBe("%41%");
	});

	test("a Request-URI has neither headers nor a method parameter", () => {
		expect(asRequestUri("sip:a@b;method=INVITE;lr?Route=x")).toBe("sip:a@b;lr");
		expect(asRequestUri("sip:a?b@c;Method=BYE")).toBe("sip:a?b@c");
	});

	test("any text is read or refused, and what was read compares equal to itself", () => {
		const text = fc.string({ unit: fc.constantFrom(...'sip:a@b;=%41?&[]. <>"\\\r\n\xff'.split("")), maxLength: 30 });
		fc.assert(
			fc.property(text, (tail) => {
				for (const candidate of [tail, `sip:${tail}`, `sip:a@${tail}`, `sip:a@b;${tail}`]) {
					const parsed = parseUri(candidate);
					if (parsed === undefined) continue;
					expect(parsed.toString()).toBe(candidate);
					expect(equalUris(parsed, parsed)).toBe(true);
					aorOf(parsed);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});
