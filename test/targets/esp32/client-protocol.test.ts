/** docs/client-protocol.md against the code: an outsider builds from it. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DEVICE_SETTINGS_KIND } from "../../../core/config/kinds.ts";
import { keepAliveMessage } from "../../../core/overlay/keep-alive.ts";
import { Times } from "../../../core/overlay/limits.ts";
import { DEVICE_PROFILE, HOUSE_PROFILE } from "../../../core/overlay/profile.ts";
import { SEAL_IV_OCTETS, SEAL_MAC_OCTETS, SEAL_VERSION } from "../../../core/usages/device-settings.ts";
import { EDGE_PING_MS, EDGE_PONG_MS } from "../../../core/usages/edges.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { CERTIFICATE_S, NO_ANSWER_MS, REGISTRATION_S, SETTINGS_MS } from "../../../targets/esp32/unit/limits.ts";
import { Realm } from "../pi/realm.ts";

const page = readFileSync(new URL("../../../docs/client-protocol.md", import.meta.url), "utf8").replace(/\s+/g, " ");

describe("docs/client-protocol.md", () => {
	test("the keep-alive, octet by octet", () => {
		const { config } = new Realm();
		const hex = toHex(keepAliveMessage(config));
		expect(hex.length).toBe(2 * 38);
		expect(hex.slice(0, 8)).toBe("d2454c4f");
		expect(hex.slice(20, 24)).toBe("0a01");
		expect(hex.slice(24, 40)).toBe("c000000000000026");
		expect(hex.slice(40)).toBe("00".repeat(18));
		for (const text of ["`d2454c4f`", "version `0a`, ttl `01`", "fragment `c0000000`, length `00000026`"])
			expect(page).toContain(text);
	});

	test.each([
		[`After ${DEVICE_PROFILE.linkIdleMs / 1000} s without an octet from the peer`],
		[`not acknowledged within ${DEVICE_PROFILE.linkSuspectMs / 1000} s`],
		[`closed ${DEVICE_PROFILE.linkDeadMs / 1000} s later`],
		[`after up to ${Times.clientJitterMs} ms`],
		[`closes the link within ${Times.bootstrapProvenMs / 1000} s`],
		[`from 1 s to ${Times.bootstrapRefusedMaxMs / 1000} s`],
		[`only after ${(HOUSE_PROFILE.linkIdleMs * Times.clientIdleFactor) / 1000} s of silence`],
		[`every ${DEVICE_PROFILE.overlayReliabilityMs / 1000} s, ${DEVICE_PROFILE.transmissions} times in all`],
		[`${CERTIFICATE_S.toLocaleString("en")} s`],
		[`${REGISTRATION_S.toLocaleString("en")} s`],
		[`After ${EDGE_PING_MS / 1000} s without an octet: CRLF CRLF`],
		[`No octet within ${EDGE_PONG_MS / 1000} s`],
		[`No answer within ${NO_ANSWER_MS} ms`],
		[`Fetched every ${SETTINGS_MS / 60_000} minutes`],
		[`Kind 0x${DEVICE_SETTINGS_KIND.toString(16)}`],
		[`version ${SEAL_VERSION} (1 octet), IV (${SEAL_IV_OCTETS})`],
		[`MAC (${SEAL_MAC_OCTETS})`],
	])("says what the code does: %s", (text) => {
		expect(page).toContain(text);
	});
});
