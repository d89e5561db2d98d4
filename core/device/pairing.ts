/**
 * Pairing: a device without a certificate becomes a member of a household by a one-time code; and, by the same way without a code, gets
 * its next certificate before the one it has runs out. RFC 6940 §11.3, with one answer that brings everything a device needs.
 *
 *   key ---> looking ---> connecting ---> asking ---> done
 *   (flash)    | ^  \_________|______________|   each failure: next address
 *              v |                           |
 *            pausing  (2 s ... 2 min; mDNS)  `--> failed   code refused: a person is needed
 *
 * The key is in flash before the request leaves, and one key has one certificate: whoever loses the answer asks again with the same key
 * and gets it again, so a power cut anywhere costs nothing but time. The code is never in a log.
 */
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import { makeCertificationRequest } from "../identity/pkcs10.ts";
import { isRefused, type Machine } from "../machine.ts";
import { toHex, utf8ToBytes } from "../wire/bytes.ts";
import { type Household, type PairingOutcome, readOutcome, serverFault } from "./enrollment-check.ts";
import { ascii, type FormPart, HttpAnswer, writeFormRequest } from "./http.ts";
import { isIpv4, type PairingAddress, type PairingCode } from "./pairing-code.ts";
import {
	MAX_PAIRING_ADDRESSES,
	MOST_PAIRING_PAUSE_MS,
	MOST_RETRY_AFTER_S,
	PAIRING_ANSWER_MS,
	PAIRING_CONNECT_MS,
	PAIRING_PAUSE_MS,
	RESOLVE_MS,
	STORE_MS,
} from "./pairing-limits.ts";
import type { LedPattern } from "./types.ts";

export type { PairingOutcome } from "./enrollment-check.ts";

/** DNS-SD service of the enrollment server (RFC 6940 §14.4 names the well-known URI so). */
export const PAIRING_SERVICE = "_reload-config._tcp";

const PATH = "/enroll";
const CBOR = "application/cbor";
const PKCS10 = "application/pkcs10";
const BOUNDARY_OCTETS = 12;

/** Why an attempt, or the pairing, failed. */
export type PairingFault =
	/** The flash did not take the key. */
	| "flash"
	/** No address is known, or a name has none. */
	| "notFound"
	| "unreachable"
	| "timeout"
	/** The server is not the household's. */
	| "stranger"
	/** The answer is no HTTP, too long, chunked, a redirect... */
	| "badAnswer"
	/** The server is busy, or wants fewer tries. */
	| "busy"
	/** Certificate, document or CA do not belong together. */
	| "wrongContents"
	/** Final: the code is wrong, used, burned or expired; in a renewal: the device was revoked. */
	| "codeRefused"
	/** Final: the code is for another name, or the name is taken. */
	| "nameRefused"
	/** Final: the server does not like our request. */
	| "requestRefused"
	/** Final: the code was used an hour ago or longer, and the settings key is not given out again. */
	| "noSettingsKey";

export type PairingInput =
	| { readonly type: "timeout" }
	/** The answer to `storeKey`. */
	| { readonly type: "keyStored"; readonly isStored: boolean }
	/** The answer to `resolve`. */
	| { readonly type: "resolved"; readonly host: string; readonly address: string | undefined }
	/** By mDNS; `overlay` from its TXT record. */
	| { readonly type: "found"; readonly address: string; readonly port: number; readonly overlay: string | undefined }
	/** The connection is there, and `isHousehold` said yes. */
	| { readonly type: "up" }
	| { readonly type: "bytes"; readonly bytes: Uint8Array }
	| { readonly type: "closed"; readonly reason: string }
	/** The clock was set. */
	| { readonly type: "clock"; readonly wallMs: number };

export type PairingOutput =
	/** Answered by `keyStored`; nothing leaves before. */
	| { readonly type: "storeKey"; readonly pkcs8: Uint8Array }
	| { readonly type: "browse"; readonly isOn: boolean }
	| { readonly type: "resolve"; readonly host: string }
	| { readonly type: "connect"; readonly address: string; readonly port: number; readonly serverName: string }
	| { readonly type: "transmit"; readonly bytes: Uint8Array }
	| { readonly type: "close" }
	| { readonly type: "led"; readonly pattern: LedPattern }
	| { readonly type: "log"; readonly level: "info" | "warn"; readonly event: string; readonly detail: string }
	| { readonly type: "done"; readonly outcome: PairingOutcome }
	/** Final; `text` for people. */
	| { readonly type: "failed"; readonly fault: PairingFault; readonly text: string };

/** What a renewal needs in place of a code. */
export interface RenewalPlan extends Household {
	readonly addresses: readonly PairingAddress[];
	/** "frontdoor@home.example" */
	readonly userName: string;
}

export interface PairingOptions {
	readonly crypto: Crypto;
	/** Pairing by a code; or else `renewal`. */
	readonly invitation?: PairingCode;
	readonly renewal?: RenewalPlan;
	/** The key of flash: of an attempt before, or (renewal) our own. Absent: a new one is made. */
	readonly key?: PrivateKey;
	/** NaN: the clock is not set. */
	readonly wallMs: number;
}

type Phase = "new" | "key" | "looking" | "connecting" | "asking" | "pausing" | "over";

const FINAL_TOKENS: Readonly<Record<string, PairingFault>> = Object.freeze({
	failed_authentication: "codeRefused",
	username_not_available: "nameRefused",
	"Node-IDs_not_available": "requestRefused",
	bad_CSR: "requestRefused",
});

const FINAL_TEXTS: Readonly<Partial<Record<PairingFault, string>>> = Object.freeze({
	codeRefused:
		"the household refuses the code: it is wrong, used, burned after five wrong tries, or expired. Make a new one",
	nameRefused: "the household refuses the device's name: make a new code for this name",
	requestRefused: "the household refuses the request for a certificate",
	noSettingsKey: "the code was used more than an hour ago: make a new one",
});

export class Pairing implements Machine<PairingInput, PairingOutput> {
	readonly #crypto: Crypto;
	readonly #household: Household;
	readonly #name: string;
	readonly #userName: string;
	/** Undefined: a renewal. */
	readonly #code: string | undefined;
	readonly #places: PairingAddress[] = [];
	readonly #outputs: PairingOutput[] = [];
	#key: PrivateKey | undefined;
	#wallMs: number;
	#phase: Phase = "new";
	#place = 0;
	#dueAt = Number.POSITIVE_INFINITY;
	#pauseMs = PAIRING_PAUSE_MS;
	/** Seconds that a server of this round asked for. */
	#retryAfterS = 0;
	#isBrowsing = false;
	/** A connection was asked for and is not closed. */
	#isOpen = false;
	#isRefusedServer = false;
	#answer: HttpAnswer | undefined;
	#pattern: LedPattern = "off";

	constructor(options: PairingOptions) {
		const { invitation, renewal } = options;
		this.#crypto = options.crypto;
		this.#key = options.key;
		this.#wallMs = options.wallMs;
		this.#code = invitation?.code;
		const plan = invitation ?? renewal;
		if (plan === undefined) throw new Error("a pairing needs a code, or a plan of renewal");
		this.#household = { overlayName: plan.overlayName, fingerprint: plan.fingerprint };
		this.#userName = invitation === undefined ? (renewal?.userName ?? "") : `${invitation.name}@${plan.overlayName}`;
		this.#name = invitation?.name ?? "";
		for (const place of plan.addresses) if (this.#places.length < MAX_PAIRING_ADDRESSES) this.#places.push(place);
	}

	/** True until `done` or `failed`. */
	get isActive(): boolean {
		return this.#phase !== "over";
	}

	/** Begins; once. */
	start(now: number): void {
		if (this.#phase !== "new") return;
		if (this.#key === undefined) this.#makeKey(now);
		else this.#beginRound(now);
	}

	/** Gives up; the only output that follows is `close`. */
	stop(): void {
		this.#disconnect();
		this.#browse(false);
		this.#phase = "over";
		this.#dueAt = Number.POSITIVE_INFINITY;
	}

	/** The answer of a TLS handshake's certificate check: DER, leaf first. */
	isHousehold(chain: readonly Uint8Array[]): boolean {
		const fault = serverFault(chain, this.#household, this.#crypto, this.#wallMs);
		this.#isRefusedServer = fault !== undefined;
		if (fault !== undefined) this.#log("warn", "pairing.stranger", fault.refused);
		return fault === undefined;
	}

	handle(input: PairingInput, now: number): void {
		if (input.type === "clock") this.#wallMs = input.wallMs;
		if (this.#phase === "over" || this.#phase === "new") return;
		switch (input.type) {
			case "timeout":
				if (now >= this.#dueAt) this.#timeout(now);
				break;
			case "keyStored":
				if (this.#phase === "key") this.#keyStored(input.isStored, now);
				break;
			case "resolved":
				if (this.#phase === "looking" && input.host === this.#places[this.#place]?.host)
					this.#resolved(input.address, now);
				break;
			case "found":
				this.#found(input.address, input.port, input.overlay, now);
				break;
			case "up":
				if (this.#phase === "connecting") this.#ask(now);
				break;
			case "bytes":
				if (this.#phase === "asking") this.#receive(input.bytes, now);
				break;
			case "closed":
				if (this.#phase === "connecting" || this.#phase === "asking") this.#closed(input.reason, now);
				break;
			default:
		}
	}

	poll(): PairingOutput | undefined {
		return this.#outputs.length === 0 ? undefined : this.#outputs.shift();
	}

	deadline(): number {
		return this.#dueAt;
	}

	#makeKey(now: number): void {
		this.#phase = "key";
		this.#dueAt = now + STORE_MS;
		this.#show("pairingBusy");
		this.#key ??= this.#crypto.generateKey();
		this.#outputs.push({ type: "storeKey", pkcs8: this.#key.exportPkcs8() });
	}

	#keyStored(isStored: boolean, now: number): void {
		if (isStored) {
			this.#beginRound(now);
			return;
		}
		this.#log("warn", "pairing.flash", "the flash does not take the key");
		this.#show("pairing");
		this.#dueAt = now + this.#nextPause();
	}

	#timeout(now: number): void {
		switch (this.#phase) {
			case "key":
				this.#makeKey(now);
				break;
			case "pausing":
				this.#beginRound(now);
				break;
			case "looking":
				this.#fail("notFound", "no answer for the name", now);
				break;
			default:
				this.#disconnect();
				this.#fail("timeout", this.#phase === "asking" ? "no answer" : "no connection", now);
		}
	}

	#beginRound(now: number): void {
		this.#place = 0;
		this.#retryAfterS = 0;
		this.#look(now);
	}

	/** The next address, or a pause when there is none left. */
	#look(now: number): void {
		const place = this.#places[this.#place];
		if (place === undefined) {
			this.#pause(now);
			return;
		}
		this.#show("pairingBusy");
		if (isIpv4(place.host)) {
			this.#connect(place.host, place.port, now);
			return;
		}
		this.#phase = "looking";
		this.#dueAt = now + RESOLVE_MS;
		this.#outputs.push({ type: "resolve", host: place.host });
	}

	#resolved(address: string | undefined, now: number): void {
		if (address === undefined) this.#fail("notFound", "the name has no address", now);
		else this.#connect(address, this.#places[this.#place]!.port, now);
	}

	#connect(address: string, port: number, now: number): void {
		this.#phase = "connecting";
		this.#isRefusedServer = false;
		this.#isOpen = true;
		this.#dueAt = now + PAIRING_CONNECT_MS;
		this.#outputs.push({ type: "connect", address, port, serverName: this.#household.overlayName });
	}

	#pause(now: number): void {
		this.#phase = "pausing";
		this.#show("pairing");
		this.#browse(true);
		this.#dueAt = now + Math.max(this.#nextPause(), 1_000 * Math.min(this.#retryAfterS, MOST_RETRY_AFTER_S));
	}

	/** Doubles, and varies by a quarter, so that a house full of devices does not come at once after a power cut. */
	#nextPause(): number {
		const pause = this.#pauseMs;
		this.#pauseMs = Math.min(2 * pause, MOST_PAIRING_PAUSE_MS);
		return pause + Math.floor((pause * this.#crypto.random(1)[0]!) / 1_024);
	}

	#found(address: string, port: number, overlay: string | undefined, now: number): void {
		if (!this.#isBrowsing || overlay !== this.#household.overlayName || !isIpv4(address)) return;
		for (const place of this.#places) if (place.host === address && place.port === port) return;
		if (this.#places.length === MAX_PAIRING_ADDRESSES) return;
		this.#places.push({ host: address, port });
		this.#log("info", "pairing.found", address);
		// Whoever answers by mDNS is there now; a pause that a server asked for is kept.
		if (this.#phase !== "pausing" || this.#retryAfterS > 0) return;
		this.#place = this.#places.length - 1;
		this.#look(now);
	}

	#ask(now: number): void {
		const key = this.#key;
		if (key === undefined) return;
		this.#phase = "asking";
		this.#dueAt = now + PAIRING_ANSWER_MS;
		this.#answer = new HttpAnswer();
		const parts: FormPart[] = [];
		if (this.#code !== undefined)
			parts.push(
				{ name: "username", octets: utf8ToBytes(this.#name) },
				{ name: "password", octets: utf8ToBytes(this.#code) },
			);
		parts.push({ name: "csr", type: PKCS10, octets: makeCertificationRequest(key, this.#userName) });
		const boundary = toHex(this.#crypto.random(BOUNDARY_OCTETS));
		const bytes = writeFormRequest(this.#household.overlayName, PATH, CBOR, boundary, parts);
		this.#outputs.push({ type: "transmit", bytes });
	}

	#receive(bytes: Uint8Array, now: number): void {
		const answer = this.#answer;
		if (answer === undefined) return;
		answer.push(bytes);
		if (answer.fault === undefined && !answer.isComplete) return;
		this.#disconnect();
		if (answer.fault !== undefined) this.#fail("badAnswer", answer.fault, now);
		else this.#evaluate(answer, now);
	}

	#evaluate(answer: HttpAnswer, now: number): void {
		const { status, body } = answer;
		if (status === 200) {
			this.#accept(answer, now);
			return;
		}
		if (status === 403) {
			const final = FINAL_TOKENS[ascii(body, 0, Math.min(body.length, 64)).trim()];
			if (final !== undefined) {
				this.#end(final);
				return;
			}
		}
		if (status === 429 || status === 503) this.#retryAfterS = Math.max(this.#retryAfterS, answer.retryAfterS);
		this.#fail(status === 429 || status === 503 ? "busy" : "badAnswer", `status ${status}`, now);
	}

	#accept(answer: HttpAnswer, now: number): void {
		const key = this.#key;
		if (key === undefined) return;
		if (answer.type !== CBOR) {
			this.#fail("badAnswer", "not application/cbor", now);
			return;
		}
		const outcome = readOutcome(answer.body, this.#household, key, this.#userName, this.#crypto, this.#wallMs);
		if (isRefused(outcome)) this.#fail("wrongContents", outcome.refused, now);
		else if (this.#code !== undefined && outcome.settingsKey === undefined) this.#end("noSettingsKey");
		else {
			this.stop();
			this.#log("info", "pairing.done", this.#userName);
			this.#outputs.push({ type: "done", outcome });
		}
	}

	#closed(reason: string, now: number): void {
		this.#isOpen = false;
		if (this.#isRefusedServer) this.#fail("stranger", "another household", now);
		else this.#fail("unreachable", reason, now);
	}

	/** This address failed. */
	#fail(fault: PairingFault, detail: string, now: number): void {
		this.#answer = undefined;
		this.#log("warn", `pairing.${fault}`, detail);
		this.#place++;
		this.#look(now);
	}

	#end(fault: PairingFault): void {
		this.stop();
		this.#show("pairingFailed");
		this.#log("warn", `pairing.${fault}`, FINAL_TEXTS[fault] ?? "");
		this.#outputs.push({ type: "failed", fault, text: FINAL_TEXTS[fault] ?? fault });
	}

	#disconnect(): void {
		if (this.#isOpen) this.#outputs.push({ type: "close" });
		this.#isOpen = false;
		this.#answer = undefined;
	}

	#browse(isOn: boolean): void {
		if (this.#isBrowsing === isOn) return;
		this.#isBrowsing = isOn;
		this.#outputs.push({ type: "browse", isOn });
	}

	/** A renewal happens behind the scenes: the LED shows what the door does. */
	#show(pattern: LedPattern): void {
		if (this.#code === undefined || pattern === this.#pattern) return;
		this.#pattern = pattern;
		this.#outputs.push({ type: "led", pattern });
	}

	#log(level: "info" | "warn", event: string, detail: string): void {
		this.#outputs.push({ type: "log", level, event, detail });
	}
}
