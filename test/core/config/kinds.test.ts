import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	HOUSEHOLD_LIMITS,
	householdKinds,
	PRIVATE_KIND_FIRST,
	REGISTERED_KINDS,
	registeredKind,
} from "../../../core/config/kinds.ts";
import { overlayHash } from "../../../core/config/overlay-hash.ts";
import { isNewerSequence, nextSequence, sequenceCompare } from "../../../core/config/sequence.ts";
import { kindName } from "../../../core/wire/names.ts";
import functions from "../../vectors/00-functions.json" with { type: "json" };
import { crypto } from "../identity/house.ts";

test("registered Kinds: found by id and by name, spelled as in the registry", () => {
	for (const kind of REGISTERED_KINDS) {
		expect(registeredKind(kind.id)).toBe(kind);
		expect(registeredKind(kind.name)).toBe(kind);
		expect(kindName(kind.id)).toContain(kind.name);
	}
	expect(registeredKind(5)).toBeUndefined();
	expect(registeredKind("sip-registration")).toBeUndefined();
});

test("a household's Kinds: each with its registration and its limits", () => {
	const kinds = householdKinds();
	expect(kinds.map((kind) => [kind.name, kind.dataModel, kind.accessControl, kind.maxCount, kind.maxSize])).toEqual([
		["SIP-REGISTRATION", "dictionary", "USER-NODE-MATCH", 64, 1024],
		["TURN-SERVICE", "single", "NODE-MULTIPLE", 1, 64],
		["CERTIFICATE_BY_NODE", "array", "NODE-MATCH", 64, 2048],
		["CERTIFICATE_BY_USER", "array", "USER-MATCH", 64, 2048],
		["REDIR", "dictionary", "NODE-ID-MATCH", 64, 512],
		[undefined, "dictionary", "USER-MATCH", 64, 4096],
	]);
	expect(kinds.map(({ id }) => id)).toEqual([...HOUSEHOLD_LIMITS.map(([id]) => id), PRIVATE_KIND_FIRST]);
	expect(kinds[1]?.maxNodeMultiple).toBe(20);
});

test("00-functions: overlay hashes", () => {
	for (const { name, overlay } of functions.functions.overlayHash)
		expect(overlayHash(name, crypto)).toBe(Number(overlay));
});

describe("sequence numbers modulo 65535 (D-7)", () => {
	test.each([
		[0, 0, 0],
		[1, 0, 1],
		[0, 1, -1],
		[0, 65_534, 1],
		[65_534, 0, -1],
		[32_767, 0, 1],
		[32_768, 0, -1],
		[10, 65_530, 1],
		[22, 21, 1],
	])("%i against %i", (a, b, expected) => {
		expect(Math.sign(sequenceCompare(a, b))).toBe(expected);
		expect(isNewerSequence(a, b)).toBe(expected > 0);
	});

	test("exactly one of two different numbers is newer; the next one always is", () => {
		const number = fc.nat(65_534);
		fc.assert(
			fc.property(number, number, (a, b) => {
				if (a !== b) expect(isNewerSequence(a, b)).toBe(!isNewerSequence(b, a));
				expect(isNewerSequence(nextSequence(a), a)).toBe(true);
			}),
			{ seed: 12 },
		);
		expect(nextSequence(65_534)).toBe(0);
	});
});
