/** AORs, GRUUs, domain patterns (RFC 7904 §3.1, §3.4, §6). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAor } from "../../../core/usages/aor.ts";
import { isDomainAllowed } from "../../../core/usages/domain.ts";
import { compileEre, matchesEre } from "../../../core/usages/ere.ts";
import { readGruu, readGruuValue, writeGruu, writeGruuValue } from "../../../core/usages/gruu.ts";
import { MAX_DESTINATIONS, MAX_GRUU_OCTETS } from "../../../core/usages/limits.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";
import { nodeDestination, readDestinations } from "../../../core/wire/destination.ts";
import { WireReader } from "../../../core/wire/reader.ts";

const vectors = JSON.parse(readFileSync(new URL("../../vectors/00-functions.json", import.meta.url), "utf8"));

describe("AOR", () => {
	test.each([
		["alice@example.com", "alice@example.com"],
		["sip:alice@Example.COM", "alice@example.com"],
		["SIPS:Alice@example.com", "Alice@example.com"],
		["sip:alice:secret@example.com:5060;transport=tcp?subject=x@y", "alice@example.com"],
		["sip:%61lice%20b@example.com", "alice b@example.com"],
		["sip:gr%c3%bcn@example.com", "grün@example.com"],
		["sip:+49123;phone-context=x@example.com;user=phone", "+49123;phone-context=x@example.com"],
		["sip:a%40b@example.com", "a@b@example.com"],
		["a@b@example.com", "a@b@example.com"],
		["sip:alice@[2001:DB8::1]:5060", "alice@[2001:db8::1]"],
		["sip:alice@example.com;gr=abc", "alice@example.com"],
	])("%s is %s", (text, aor) => {
		expect(readAor(text)?.text).toBe(aor);
	});

	test.each([
		"",
		"alice",
		"@example.com",
		"alice@",
		"sip:example.com",
		"tel:+49123",
		"mailto:alice@example.com",
		"sip:al%zzice@example.com",
		"sip:alice%2@example.com",
		"sip:alice%0d@example.com",
		"sip:%ff@example.com",
		"alice@exam ple.com",
		"alice@example.com/x",
		`${"a".repeat(250)}@example.com`,
		`sip:${"a".repeat(5000)}@example.com`,
	])("%s is none", (text) => {
		expect(readAor(text)).toBeUndefined();
	});

	test("the normal form is a fixed point", () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 40 }), fc.domain(), (user, domain) => {
				const aor = readAor(`sip:${encodeURIComponent(user)}@${domain}`);
				if (aor === undefined || user.includes("%")) return;
				expect(readAor(`sip:${encodeURIComponent(aor.user)}@${aor.domain}`)?.text).toBe(aor.text);
			}),
			{ seed: 1 },
		);
	});
});

describe("GRUU", () => {
	test.each(vectors.functions.gruu as { aor: string; destinationList: string; gruu: string }[])("$gruu", (vector) => {
		const octets = fromHex(vector.destinationList)!;
		const read = readGruu(vector.gruu, 16)!;
		expect(toHex(read.destinationBytes)).toBe(vector.destinationList);
		expect(read.aor.text).toBe(vector.aor);
		expect(`${vector.aor};gr=${writeGruuValue(octets)}`).toBe(vector.gruu);
		const reader = new WireReader(octets);
		const list = readDestinations(reader, 16);
		if (reader.refused === undefined) {
			expect(writeGruu(read.aor, list)).toBe(vector.gruu);
			expect(read.destinations).toEqual(list);
		} else expect(read.destinations).toBeUndefined();
	});

	test("beside other parameters, with a scheme, escaped, or with the usual padding", () => {
		const octets = Uint8Array.of(1, 2, 3, 4);
		expect(writeGruuValue(octets)).toBe("AQIDBA~~");
		for (const text of [
			"sip:a@example.com;gr=AQIDBA~~",
			"sips:a@example.com;transport=tls;GR=AQIDBA~~;lr?x=y",
			"a@example.com;gr=AQIDBA==",
			"a@example.com;gr=AQIDBA%7e%7E",
		]) {
			expect(readGruu(text, 16)?.destinationBytes).toEqual(octets);
		}
		for (const text of [
			"a@example.com",
			"a@example.com;gr",
			"a@example.com;gr=AQIDBA",
			"a@example.com;gr=AQIDBB~~",
			"a@example.com;gr=AQ~DBA~~",
			"a;gr=AQIDBA~~@example.com",
			"example.com;gr=AQIDBA~~",
			"a@example.com?gr=AQIDBA~~",
			`a@example.com;gr=${writeGruuValue(new Uint8Array(MAX_GRUU_OCTETS + 3))}`,
		]) {
			expect(readGruu(text, 16)).toBeUndefined();
		}
	});

	test("a list that is longer than anybody needs is no destination list", () => {
		const aor = readAor("a@example.com")!;
		const list = (count: number) => Array.from({ length: count }, () => nodeDestination(new Uint8Array(16)));
		expect(readGruu(writeGruu(aor, list(MAX_DESTINATIONS)), 16)?.destinations).toHaveLength(MAX_DESTINATIONS);
		expect(readGruu(writeGruu(aor, list(MAX_DESTINATIONS + 1)), 16)?.destinations).toBeUndefined();
		expect(readGruu(writeGruu(aor, []), 16)?.destinations).toBeUndefined();
	});

	test("any octets come back; any text is read or refused", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
				expect(readGruuValue(writeGruuValue(octets))).toEqual(octets);
			}),
			{ seed: 2 },
		);
		fc.assert(
			fc.property(fc.string(), (text) => {
				const octets = readGruuValue(text);
				if (octets !== undefined) expect(writeGruuValue(octets)).toBe(text.replaceAll("=", "~"));
			}),
			{ seed: 3 },
		);
	});
});

describe("domain patterns", () => {
	const matches = (pattern: string, text: string): boolean | undefined => {
		const ere = compileEre(pattern);
		return ere === undefined ? undefined : matchesEre(ere, text);
	};

	test.each([
		["dht\\.example\\.com", "dht.example.com", true],
		["dht\\.example\\.com", "DHT.example.com", true],
		["dht\\.example\\.com", "dhtxexample.com", false],
		["dht\\.example\\.com", "x.dht.example.com", false],
		[".*\\.my\\.example", "a.b.my.example", true],
		[".*\\.my\\.example", "my.example", false],
		["(.*\\.)?my\\.example", "my.example", true],
		["^a|b$", "b", true],
		["a|bc|d", "bc", true],
		["a|bc|d", "c", false],
		["(a|b)*c", "ababc", true],
		["(a|b)*c", "abab", false],
		["a?b*c+", "cc", true],
		["a?b*c+", "abbbc", true],
		["a?b*c+", "ab", false],
		["[a-c1]+[^.]", "ab1x", true],
		["[a-c1]+[^.]", "ab1.", false],
		["[]a]+", "a]", true],
		["[[:alpha:]-]+[[:digit:]]{2}", "a-b42", true],
		["a{2,3}", "aa", true],
		["a{2,3}", "aaaa", false],
		["a{2,}b{0}", "aaaaa", true],
		["(ab){2}", "abab", true],
		["\\*\\.x", "*.x", true],
		["()", "", true],
		["(a*)*b", `${"a".repeat(50)}c`, false],
		["((a|aa)+)+b", "a".repeat(60), false],
	])("%s on %s: %s", (pattern, text, expected) => {
		expect(matches(pattern, text)).toBe(expected);
	});

	test.each([
		"(",
		")",
		"(a",
		"[a",
		"[z-a]",
		"[[:word:]]",
		"*a",
		"a|*",
		"{2}",
		"a{",
		"a{,2}",
		"a{3,2}",
		"a{256}",
		"a{2}{2}",
		"a*{2}",
		"\\d",
		"(.)\\1",
		"a^b",
		"a$b",
		"\\",
		"ä",
		"a".repeat(257),
		"((((((((((a))))))))))",
		"((a{255}){255}){255}",
	])("%s cannot be compiled", (pattern) => {
		expect(compileEre(pattern)).toBeUndefined();
	});

	test("anchored JavaScript expressions of the same language agree", () => {
		const atom: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c", ".", "\\.", "[ab]", "[^a]", "[b-c.]");
		const { pattern } = fc.letrec<{ pattern: string; branch: string; piece: string; atom: string }>((tie) => ({
			pattern: fc.array(tie("branch"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("|")),
			branch: fc.array(tie("piece"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("")),
			piece: fc
				.tuple(tie("atom"), fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,2}", "{0,}"))
				.map(([base, repetition]) => base + repetition),
			atom: fc.oneof(
				{ maxDepth: 2, withCrossShrink: true },
				atom,
				tie("pattern").map((inner) => `(${inner})`),
			),
		}));
		const text = fc.string({ maxLength: 6, unit: fc.constantFrom("a", "b", "c", ".") });
		fc.assert(
			fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
				const ere = compileEre(source);
				if (ere === undefined) return;
				const oracle = new RegExp(`^(?:${source})$`);
				for (const one of texts) expect([source, one, matchesEre(ere, one)]).toEqual([source, one, oracle.test(one)]);
			}),
			{ seed: 4, numRuns: 1000 },
		);
	});

	test("any text is compiled or refused", () => {
		const unit = fc.constantFrom(..."ab.[]^$*+?{}(),|\\-:019".split(""));
		fc.assert(
			fc.property(fc.string({ unit, maxLength: 30 }), fc.string({ maxLength: 10 }), (source, text) => {
				const ere = compileEre(source);
				if (ere !== undefined) expect(typeof matchesEre(ere, text)).toBe("boolean");
			}),
			{ seed: 5, numRuns: 2000 },
		);
	});

	test("a domain beyond 255 octets matches nothing", () => {
		expect(matches(".*", "a".repeat(255))).toBe(true);
		expect(matches(".*", "a".repeat(256))).toBe(false);
	});

	test("restrictions: absent, not enabled, enabled (RFC 7904 §3.4)", () => {
		const aor = readAor("alice@dht.example.com")!;
		expect(isDomainAllowed(undefined, "other.example", aor)).toBe(true);
		expect(isDomainAllowed({ enable: false, patterns: [".*"] }, "other.example", aor)).toBe(false);
		expect(isDomainAllowed({ enable: false, patterns: [] }, "DHT.example.com", aor)).toBe(true);
		expect(isDomainAllowed({ enable: true, patterns: [] }, "dht.example.com", aor)).toBe(false);
		expect(isDomainAllowed({ enable: true, patterns: ["(", "dht\\.example\\.com"] }, "x", aor)).toBe(true);
		expect(isDomainAllowed({ enable: true, patterns: ["dht\\.example"] }, "x", aor)).toBe(false);
	});
});
