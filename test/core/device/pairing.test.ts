/** Pairing and renewal: from the code to a certificate, through everything that can go wrong. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HttpAnswer, writeFormRequest } from "../../../core/device/http.ts";
import { Pairing, type PairingInput } from "../../../core/device/pairing.ts";
import { readPairingCode } from "../../../core/device/pairing-code.ts";
import {
	MAX_ANSWER_OCTETS,
	MAX_HEAD_OCTETS,
	MAX_PAIRING_ADDRESSES,
	MAX_PAIRING_CHARACTERS,
	MOST_PAIRING_PAUSE_MS,
	MOST_RETRY_AFTER_S,
	PAIRING_ANSWER_MS,
	PAIRING_CONNECT_MS,
	PAIRING_PAUSE_MS,
	RESOLVE_MS,
	STORE_MS,
} from "../../../core/device/pairing-limits.ts";
import { enrollmentAddresses, wantsRenewal } from "../../../core/device/renewal.ts";
import { makeServerCertificate } from "../../../core/identity/certificate-writer.ts";
import { readCertificationRequest } from "../../../core/identity/pkcs10.ts";
import { isRefused } from "../../../core/machine.ts";
import { concatBytes, utf8ToBytes } from "../../../core/wire/bytes.ts";
import {
	answer,
	CBOR,
	CODE,
	certificateOf,
	crypto,
	DAY_MS,
	Device,
	DOMAIN,
	good,
	House,
	NAME,
	SETTINGS_KEY,
	text,
} from "./support/pairing.ts";

const house = new House();
const stranger = new House();

const KEY = crypto.generateKey();

function device(change: Partial<ConstructorParameters<typeof Pairing>[0]> = {}): Device {
	return new Device({ crypto, invitation: house.code(), key: KEY, wallMs: Date.now(), ...change });
}

describe("the way it should go", () => {
	test("a fresh device: the key is in flash before anything leaves; then everything it needs", () => {
		const one = device({ key: undefined });
		const { pkcs8 } = one.expect("storeKey");
		expect(one.outputs).toEqual([]);
		one.give({ type: "keyStored", isStored: true });
		expect(one.outputs[0]).toMatchObject({ type: "connect", address: "192.0.2.10", port: 6085, serverName: DOMAIN });
		const request = one.request(house.serverChain);
		const lines = text(request).split("\r\n");
		expect(lines[0]).toBe("POST /enroll HTTP/1.1");
		expect(lines).toContain(`Host: ${DOMAIN}`);
		expect(lines).toContain("Accept: application/cbor");
		expect(text(request)).toContain(`name="username"\r\n\r\n${NAME}\r\n`);
		expect(text(request)).toContain(`name="password"\r\n\r\n${CODE}\r\n`);
		one.give({ type: "bytes", bytes: answer(200, CBOR, house.body(request)) });
		one.expect("close");
		const { outcome } = one.expect("done");
		expect(outcome.key.exportPkcs8()).toEqual(pkcs8);
		expect(certificateOf(outcome.certificate)).toMatchObject({ userName: `${NAME}@${DOMAIN}` });
		expect(outcome).toMatchObject({ userName: `${NAME}@${DOMAIN}`, settingsKey: SETTINGS_KEY });
		expect(outcome.document).toEqual(house.realm.document);
		expect(one.leds).toEqual(["pairingBusy"]);
		expect([one.pairing.isActive, one.pairing.deadline(), one.outputs]).toEqual([false, Infinity, []]);
	});

	test("the answer comes octet by octet, behind a 100 Continue; the clock is not set", () => {
		const one = device({ wallMs: Number.NaN });
		const request = one.request(house.serverChain);
		const bytes = concatBytes(utf8ToBytes("HTTP/1.1 100 Continue\r\n\r\n"), answer(200, CBOR, house.body(request)));
		for (const octet of bytes) one.give({ type: "bytes", bytes: Uint8Array.of(octet) });
		one.expect("close");
		one.expect("done");
	});

	test("power is cut after the request: the same key and code again", () => {
		const asked = [device(), device()].map((one) =>
			good(readCertificationRequest(house.csr(one.request(house.serverChain)), crypto)),
		);
		expect(asked[1]).toEqual(asked[0]);
		expect(asked[0]).toMatchObject({ spki: KEY.spki, userName: `${NAME}@${DOMAIN}` });
	});

	test("neither log nor refusal shows the code", () => {
		const one = device();
		one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(403, "text/plain", "failed_authentication") });
		expect(JSON.stringify([one.log, one.outputs])).not.toContain(CODE.slice(0, 4));
	});
});

describe("servers that are not the household's", () => {
	test.each([
		["another household", () => stranger.serverChain],
		["another household that shows our CA", () => [stranger.serverChain[0]!, house.serverChain[1]!]],
		["no CA", () => house.serverChain.slice(0, 1)],
		["nothing", () => []],
		["no certificates", () => [new Uint8Array(3), new Uint8Array(3)]],
		["a device of the household", () => [house.certificate(KEY.spki, `a@${DOMAIN}`), house.serverChain[1]!]],
	])("%s", (_, chain) => {
		const one = device();
		one.expect("connect");
		expect(one.pairing.isHousehold(chain())).toBe(false);
		one.give({ type: "closed", reason: "bad certificate" });
		expect(one.log).toContain("pairing.stranger another household");
		expect(one.expect("browse")).toEqual({ type: "browse", isOn: true });
	});

	test("a certificate that has run out, once the clock is set", () => {
		const old = makeServerCertificate(
			{ notBeforeMs: Date.now() - 9 * DAY_MS, notAfterMs: Date.now() - DAY_MS, spki: KEY.spki, overlayName: DOMAIN },
			house.realm.issuer,
			crypto,
		);
		const chain = [old, house.serverChain[1]!];
		const one = device({ wallMs: Number.NaN });
		expect(one.pairing.isHousehold(chain)).toBe(true);
		one.give({ type: "clock", wallMs: Date.now() });
		expect(one.pairing.isHousehold(chain)).toBe(false);
	});
});

describe("answers that are not good", () => {
	const contents: [string, (request: Uint8Array) => Readonly<Record<string, unknown>>][] = [
		[
			"certificate for another key",
			() => ({ certificate: house.certificate(crypto.generateKey().spki, `${NAME}@${DOMAIN}`) }),
		],
		["certificate for another name", () => ({ certificate: house.certificate(KEY.spki, `other@${DOMAIN}`) })],
		["certificate of another household", () => ({ certificate: stranger.certificate(KEY.spki, `${NAME}@${DOMAIN}`) })],
		["CA of another household", () => ({ root: stranger.realm.issuer.certificate.der })],
		["document of another household", () => ({ document: stranger.realm.document })],
		["document that was changed", () => ({ document: changed(house.realm.document) })],
		["no document", () => ({ document: undefined })],
		["certificate that is none", () => ({ certificate: new Uint8Array(9) })],
		["text in place of octets", () => ({ root: "abc" })],
		["settings key that is too short", () => ({ settingsKey: new Uint8Array(31) })],
	];

	function changed(document: Uint8Array): Uint8Array {
		const octets = document.slice();
		const at = text(octets).indexOf("16384");
		octets[at] = octets[at]! ^ 1;
		return octets;
	}

	test.each(contents)("%s", (_, change) => {
		const one = device();
		const request = one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(200, CBOR, house.body(request, change(request))) });
		one.expect("close");
		expect(one.log.some((line) => line.startsWith("pairing.wrongContents "))).toBe(true);
		one.expect("browse");
		expect(one.pairing.isActive).toBe(true);
	});

	test.each([
		["no CBOR", answer(200, CBOR, Uint8Array.of(0xff, 0xff))],
		["a list", answer(200, CBOR, Uint8Array.of(0x80))],
		["a page", answer(200, "text/html", "<html>")],
		["not found", answer(404, "text/plain", "no")],
		["an unknown token", answer(403, "text/plain", "because")],
		["a redirect", answer(302, "text/plain", "", "Location: https://elsewhere.example/\r\n")],
		["chunked", utf8ToBytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")],
		["no length", utf8ToBytes("HTTP/1.1 200 OK\r\n\r\n")],
		["too long", utf8ToBytes(`HTTP/1.1 200 OK\r\nContent-Length: ${MAX_ANSWER_OCTETS + 1}\r\n\r\n`)],
		["another protocol", utf8ToBytes("SIP/2.0 200 OK\r\n\r\n")],
	])("%s: the next address, then a pause", (_, bytes) => {
		const one = device({ invitation: house.code("192.0.2.10,192.0.2.11") });
		one.request(house.serverChain);
		one.give({ type: "bytes", bytes });
		one.expect("close");
		expect(one.expect("connect").address).toBe("192.0.2.11");
		one.give({ type: "closed", reason: "refused" });
		one.expect("browse");
		expect(one.leds).toEqual(["pairingBusy", "pairing"]);
	});

	test.each([
		["failed_authentication", "codeRefused"],
		["username_not_available", "nameRefused"],
		["bad_CSR", "requestRefused"],
		["Node-IDs_not_available", "requestRefused"],
	])("%s is final", (token, fault) => {
		const one = device();
		one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(403, "text/plain; charset=utf-8", `${token}\n`) });
		one.expect("close");
		expect(one.expect("failed")).toMatchObject({ fault });
		expect(one.leds).toEqual(["pairingBusy", "pairingFailed"]);
		expect([one.pairing.isActive, one.pairing.deadline()]).toEqual([false, Infinity]);
	});

	test("the settings key is not given out again: final, and says what to do", () => {
		const one = device();
		const request = one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(200, CBOR, house.body(request, { settingsKey: undefined })) });
		one.expect("close");
		expect(one.expect("failed")).toMatchObject({
			fault: "noSettingsKey",
			text: expect.stringContaining("make a new one"),
		});
	});
});

describe("waiting and trying again", () => {
	test("pauses double up to two minutes, with a quarter of chance", () => {
		const one = device();
		let most = PAIRING_PAUSE_MS;
		for (let round = 0; round < 10; round++) {
			one.expect("connect");
			one.give({ type: "closed", reason: "refused" });
			if (round === 0) one.expect("browse");
			const waited = one.wait();
			expect(waited).toBeGreaterThanOrEqual(most);
			expect(waited).toBeLessThanOrEqual(most * 1.25);
			most = Math.min(2 * most, MOST_PAIRING_PAUSE_MS);
		}
	});

	test("the server says when: it is not asked before, mDNS or not, but not for ever", () => {
		for (const [asked, waits] of [
			[30, 30_000],
			[1e6, MOST_RETRY_AFTER_S * 1_000],
		] as const) {
			const one = device();
			one.request(house.serverChain);
			one.give({ type: "bytes", bytes: answer(429, "text/plain", "too_many_attempts", `Retry-After: ${asked}\r\n`) });
			one.expect("close");
			one.expect("browse");
			one.give({ type: "found", address: "192.0.2.99", port: 1, overlay: DOMAIN });
			expect(one.outputs).toEqual([]);
			expect(one.wait()).toBe(waits);
		}
	});

	test("no connection, no answer, no name, no flash: to the millisecond", () => {
		const one = device({ key: undefined, invitation: house.code("pi.local,192.0.2.11,192.0.2.12") });
		one.expect("storeKey");
		expect(one.wait()).toBe(STORE_MS);
		const { pkcs8 } = one.expect("storeKey");
		one.give({ type: "keyStored", isStored: false });
		expect(one.leds).toContain("pairing");
		one.wait();
		expect(one.expect("storeKey").pkcs8).toEqual(pkcs8);
		one.give({ type: "keyStored", isStored: true });
		expect(one.expect("resolve").host).toBe("pi.local");
		expect(one.wait()).toBe(RESOLVE_MS);
		expect(one.expect("connect").address).toBe("192.0.2.11");
		expect(one.wait()).toBe(PAIRING_CONNECT_MS);
		one.expect("close");
		one.request(house.serverChain);
		expect(one.wait()).toBe(PAIRING_ANSWER_MS);
		one.expect("close");
		one.expect("browse");
		one.wait();
		one.expect("resolve");
		one.give({ type: "resolved", host: "other.local", address: "192.0.2.66" });
		expect(one.outputs).toEqual([]);
		one.give({ type: "resolved", host: "pi.local", address: "192.0.2.13" });
		expect(one.expect("connect").address).toBe("192.0.2.13");
	});

	test("mDNS finds the household's server, and nobody else's", () => {
		const one = device();
		one.expect("connect");
		one.give({ type: "found", address: "192.0.2.20", port: 7000, overlay: DOMAIN });
		one.give({ type: "closed", reason: "refused" });
		one.expect("browse");
		one.give({ type: "found", address: "192.0.2.21", port: 7000, overlay: "other.example" });
		one.give({ type: "found", address: "192.0.2.10", port: 6085, overlay: DOMAIN });
		one.give({ type: "found", address: "fd00::1", port: 6085, overlay: DOMAIN });
		expect(one.outputs).toEqual([]);
		one.give({ type: "found", address: "192.0.2.22", port: 7000, overlay: DOMAIN });
		expect(one.outputs[0]).toMatchObject({ type: "connect", address: "192.0.2.22", port: 7000 });
		const request = one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(200, CBOR, house.body(request)) });
		one.expect("close");
		expect(one.expect("browse")).toEqual({ type: "browse", isOn: false });
		one.expect("done");
	});

	test("a LAN full of servers: the first addresses count", () => {
		const one = device();
		one.expect("connect");
		one.give({ type: "closed", reason: "refused" });
		one.expect("browse");
		for (let i = 0; i < 50; i++) {
			one.give({ type: "found", address: `192.0.2.${100 + i}`, port: 6085, overlay: DOMAIN });
			if (one.outputs.length > 0) {
				one.expect("connect");
				one.give({ type: "closed", reason: "refused" });
			}
		}
		one.wait();
		let places = 0;
		for (; one.outputs.length > 0; places++) {
			one.expect("connect");
			one.give({ type: "closed", reason: "refused" });
		}
		expect(places).toBe(MAX_PAIRING_ADDRESSES);
	});

	test("stop while a connection is open", () => {
		const one = device();
		one.expect("connect");
		one.pairing.stop();
		one.drain().expect("close");
		expect([one.pairing.isActive, one.pairing.deadline()]).toEqual([false, Infinity]);
		one.give({ type: "up" }).give({ type: "closed", reason: "x" });
		expect(one.outputs).toEqual([]);
	});
});

describe("failure at every step", () => {
	/** One boot of a device: everything is answered, until it is done or power is cut before the n-th output. `lost`: the n-th answer. */
	function boot(flash: { key: Uint8Array | undefined }, cutBefore: number, lost: number): "done" | "cut" | "hung" {
		const key = flash.key === undefined ? {} : { key: crypto.importKey(flash.key) };
		const pairing = new Pairing({ crypto, invitation: house.code(), wallMs: Date.now(), ...key });
		let now = 0;
		let inputs = 0;
		let outputs = 0;
		const give = (input: PairingInput): void => {
			if (++inputs !== lost) pairing.handle(input, now);
		};
		pairing.start(now);
		for (let turn = 0; turn < 60; turn++) {
			const output = pairing.poll();
			if (output === undefined) {
				now = pairing.deadline();
				pairing.handle({ type: "timeout" }, now);
				continue;
			}
			if (++outputs === cutBefore) return "cut";
			if (output.type === "storeKey") {
				flash.key = output.pkcs8;
				give({ type: "keyStored", isStored: true });
			} else if (output.type === "connect" && pairing.isHousehold(house.serverChain)) give({ type: "up" });
			else if (output.type === "transmit") {
				expect(flash.key).toBeDefined();
				give({ type: "bytes", bytes: answer(200, CBOR, house.body(output.bytes)) });
			} else if (output.type === "done") return "done";
		}
		return "hung";
	}

	test("power cut before the n-th output: the next boot pairs, with the key of before", () => {
		for (let n = 1; ; n++) {
			const flash: { key: Uint8Array | undefined } = { key: undefined };
			const first = boot(flash, n, 0);
			if (first === "done") {
				expect(n).toBeGreaterThan(5);
				break;
			}
			const { key } = flash;
			expect([n, first, boot(flash, 0, 0)]).toEqual([n, "cut", "done"]);
			if (key !== undefined) expect(flash.key).toEqual(key);
		}
	});

	test("the n-th answer is lost: it pairs all the same, later", () => {
		for (let n = 1; n <= 4; n++) expect([n, boot({ key: undefined }, 0, n)]).toEqual([n, "done"]);
	});
});

describe("renewal", () => {
	function renewing(): Device {
		const renewal = {
			overlayName: DOMAIN,
			fingerprint: house.fingerprint,
			addresses: [{ host: "192.0.2.10", port: 6085 }],
			userName: `${NAME}@${DOMAIN}`,
		};
		return new Device({ crypto, renewal, key: KEY, wallMs: Date.now() });
	}

	test("the same request without a code; no settings key; the LED stays as it is", () => {
		const one = renewing();
		const request = one.request(house.serverChain);
		expect(text(request)).not.toContain("password");
		one.give({ type: "bytes", bytes: answer(200, CBOR, house.body(request, { settingsKey: undefined })) });
		one.expect("close");
		expect(one.expect("done").outcome).toMatchObject({ settingsKey: undefined, userName: `${NAME}@${DOMAIN}` });
		expect(one.leds).toEqual([]);
	});

	test("revoked", () => {
		const one = renewing();
		one.request(house.serverChain);
		one.give({ type: "bytes", bytes: answer(403, "text/plain", "failed_authentication") });
		one.expect("close");
		expect(one.expect("failed").fault).toBe("codeRefused");
	});

	test("at two thirds of the certificate's life; never without a clock", () => {
		const certificate = certificateOf(house.certificate(KEY.spki, `${NAME}@${DOMAIN}`));
		const { notBeforeMs, notAfterMs } = certificate;
		const due = notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3;
		expect([wantsRenewal(certificate, due - 1), wantsRenewal(certificate, due + 1)]).toEqual([false, true]);
		expect(wantsRenewal(certificate, Number.NaN)).toBe(false);
	});

	test("where: the document's enrollment servers", () => {
		const enrollmentServers = [
			"https://192.0.2.1:6085/enroll",
			"https://[fd00::1]:6085/enroll",
			"http://x/",
			"https://pi.local/enroll",
		];
		expect(enrollmentAddresses({ ...house.realm.config, enrollmentServers })).toEqual([
			{ host: "192.0.2.1", port: 6085 },
			{ host: "pi.local", port: 443 },
		]);
		const many = new Array(20).fill("https://192.0.2.1:6085/");
		expect(enrollmentAddresses({ ...house.realm.config, enrollmentServers: many })).toHaveLength(MAX_PAIRING_ADDRESSES);
	});
});

describe("the code as text", () => {
	const fingerprint = `${"A".repeat(42)}8`;
	const whole = `ringlet://192.0.2.1:6085,[fd00::1]:6085,pi.local/${DOMAIN}/${CODE}/${fingerprint}/${NAME}`;

	test("is read however it is typed", () => {
		const read = good(readPairingCode(` ${whole}\n`));
		expect(read).toMatchObject({
			addresses: [
				{ host: "192.0.2.1", port: 6085 },
				{ host: "pi.local", port: 6085 },
			],
			overlayName: DOMAIN,
			code: CODE,
			name: NAME,
		});
		expect(good(readPairingCode(whole.replace(CODE, "k7qf3m9x2tpd"))).code).toBe(CODE);
		expect(good(readPairingCode(whole.replace(CODE, "oil0-0000-0000"))).code).toBe("0110-0000-0000");
	});

	test.each([
		["", "begins with"],
		["http://x", "begins with"],
		["ringlet://192.0.2.1/home.example", "cut off"],
		[`ringlet://192.0.2.1/${DOMAIN}/${CODE}/${fingerprint}`, "of a peer"],
		[`${whole}/more`, "too many"],
		[whole.replace("192.0.2.1", "192.0.2.256"), "address"],
		[whole.replace("6085,", "70000,"), "address"],
		[whole.replace(DOMAIN, "home..example"), "household's name"],
		[whole.replace(CODE, "K7QF-3M9X-2TP"), "three groups"],
		[whole.replace(CODE, "K7QF-3M9X-2TPU"), "three groups"],
		[whole.replace(fingerprint, "A".repeat(42)), "fingerprint"],
		[whole.replace(fingerprint, `+${"A".repeat(42)}`), "fingerprint"],
		[whole.replace(NAME, "Front"), "device's name"],
		[whole + "x".repeat(MAX_PAIRING_CHARACTERS), "begins with"],
	])("%s", (code, reason) => {
		const read = readPairingCode(code);
		expect(isRefused(read) ? read.refused : "").toContain(reason);
		expect(isRefused(read) ? read.refused : "").not.toContain("K7QF");
	});

	test("any text", () => {
		fc.assert(fc.property(fc.string(), (typed) => isRefused(readPairingCode(`ringlet://${typed}`))));
	});
});

describe("HTTP", () => {
	function read(octets: string | Uint8Array): HttpAnswer {
		const one = new HttpAnswer();
		one.push(typeof octets === "string" ? utf8ToBytes(octets) : octets);
		return one;
	}

	test.each([
		["HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nab", undefined],
		["HTTP/1.0 200\nContent-Length: 2\n\nabc", undefined],
		["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", "malformed"],
		["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", undefined],
		["HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab", "malformed"],
		["HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nab", "malformed"],
		["HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "malformed"],
		["HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed"],
		["HTTP/1.1 20 OK\r\n\r\n", "malformed"],
		["HTTP/2 200\r\n\r\n", "malformed"],
		[`HTTP/1.1 200 OK\r\nA: ${"b".repeat(MAX_HEAD_OCTETS)}`, "headTooLong"],
	])("%j", (octets, fault) => {
		const one = read(octets);
		expect([one.fault, one.isComplete]).toEqual([fault, fault === undefined]);
		if (fault === undefined) expect(text(one.body)).toBe("ab");
	});

	test("any octets, in any pieces", () => {
		fc.assert(
			fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 60 }), fc.boolean(), (pieces, hasStart) => {
				const one = new HttpAnswer();
				if (hasStart) one.push(utf8ToBytes("HTTP/1.1 200 OK\r\n"));
				for (const piece of pieces) one.push(piece);
				expect(one.body.length).toBeLessThanOrEqual(MAX_ANSWER_OCTETS);
			}),
		);
	});

	test("a form's length is that of its octets", () => {
		const request = text(writeFormRequest("h", "/p", "a/b", "B", [{ name: "n", octets: utf8ToBytes("ü") }]));
		const [head = "", body = ""] = [
			request.slice(0, request.indexOf("\r\n\r\n")),
			request.slice(request.indexOf("\r\n\r\n") + 4),
		];
		expect(head).toContain(`Content-Length: ${utf8ToBytes(body).length}`);
		expect(body).toBe('--B\r\nContent-Disposition: form-data; name="n"\r\n\r\nü\r\n--B--\r\n');
	});
});
