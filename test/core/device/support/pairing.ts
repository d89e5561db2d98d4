/** A household's authority in memory, and a device that pairs with it over a connection that this test plays. */
import { Encoder } from "cbor-x";
import { toBase64 } from "../../../../core/config/base64.ts";
import { ascii } from "../../../../core/device/http.ts";
import { Pairing, type PairingInput, type PairingOutput } from "../../../../core/device/pairing.ts";
import { type PairingCode, readPairingCode } from "../../../../core/device/pairing-code.ts";
import { readCertificate } from "../../../../core/identity/certificate.ts";
import { makeCertificate, makeServerCertificate } from "../../../../core/identity/certificate-writer.ts";
import { readCertificationRequest } from "../../../../core/identity/pkcs10.ts";
import { bytesToUtf8, concatBytes, utf8ToBytes } from "../../../../core/wire/bytes.ts";
import { crypto, DAY_MS, DOMAIN, good, Realm } from "../../../targets/pi/realm.ts";

export { crypto, DAY_MS, DOMAIN, good };

export const CODE = "K7QF-3M9X-2TPD";
export const NAME = "frontdoor";
export const SETTINGS_KEY = new Uint8Array(32).fill(9);

/** The household: certificates, answers, and what was asked. */
export class House {
	readonly realm = new Realm();
	readonly serverChain: Uint8Array[];
	readonly requests: string[] = [];

	constructor() {
		const now = Date.now();
		const server = makeServerCertificate(
			{
				notBeforeMs: now - DAY_MS,
				notAfterMs: now + DAY_MS,
				spki: crypto.generateKey().spki,
				overlayName: DOMAIN,
			},
			this.realm.issuer,
			crypto,
		);
		this.serverChain = [server, this.realm.issuer.certificate.der];
	}

	get fingerprint(): Uint8Array {
		return crypto.hash("sha256", this.realm.issuer.certificate.spki);
	}

	code(hosts = "192.0.2.10:6085"): PairingCode {
		const plain = toBase64(this.fingerprint);
		const fingerprint = plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
		return good(readPairingCode(`ringlet://${hosts}/${DOMAIN}/${CODE}/${fingerprint}/${NAME}`));
	}

	/** The body of a good answer to a request, with some of it changed. */
	body(request: Uint8Array, change: Readonly<Record<string, unknown>> = {}): Uint8Array {
		const { spki } = good(readCertificationRequest(this.csr(request), crypto));
		const certificate = this.certificate(spki, `${NAME}@${DOMAIN}`);
		const encoder = new Encoder({ useRecords: false, tagUint8Array: false });
		const fields = {
			certificate,
			root: this.realm.issuer.certificate.der,
			document: this.realm.document,
			settingsKey: SETTINGS_KEY,
			userName: `${NAME}@${DOMAIN}`,
			...change,
		};
		return new Uint8Array(encoder.encode(fields));
	}

	certificate(spki: Uint8Array, userName: string): Uint8Array {
		const now = Date.now();
		return makeCertificate(
			{
				notBeforeMs: now - DAY_MS,
				notAfterMs: now + 20 * DAY_MS,
				spki,
				nodeIds: [crypto.random(16)],
				userName,
				overlayName: DOMAIN,
			},
			this.realm.issuer,
			crypto,
		);
	}

	/** The DER request in the form: between the blank line of its part and the next boundary. */
	csr(request: Uint8Array): Uint8Array {
		const text = ascii(request, 0, request.length);
		const from = text.indexOf("\r\n\r\n", text.indexOf("application/pkcs10")) + 4;
		const boundary = text.slice(text.indexOf("boundary=") + 9, text.indexOf("\r\n", text.indexOf("boundary=")));
		return request.slice(from, text.indexOf(`\r\n--${boundary}`, from));
	}
}

/** An answer with its head. */
export function answer(status: number, type: string, body: Uint8Array | string, more = ""): Uint8Array {
	const octets = typeof body === "string" ? utf8ToBytes(body) : body;
	return concatBytes(
		utf8ToBytes(`HTTP/1.1 ${status} Text\r\nContent-Type: ${type}\r\nContent-Length: ${octets.length}\r\n${more}\r\n`),
		octets,
	);
}

export const CBOR = "application/cbor";

/** A device that pairs: the test answers its outputs. */
export class Device {
	readonly pairing: Pairing;
	readonly log: string[] = [];
	readonly leds: string[] = [];
	/** Outputs but log and LED that the test has not looked at. */
	readonly outputs: PairingOutput[] = [];
	now = 0;

	constructor(options: ConstructorParameters<typeof Pairing>[0]) {
		this.pairing = new Pairing(options);
		this.pairing.start(0);
		this.drain();
	}

	give(input: PairingInput): this {
		this.pairing.handle(input, this.now);
		return this.drain();
	}

	drain(): this {
		for (let output = this.pairing.poll(); output !== undefined; output = this.pairing.poll()) {
			if (output.type === "log") this.log.push(`${output.event} ${output.detail}`);
			else if (output.type === "led") this.leds.push(output.pattern);
			else this.outputs.push(output);
		}
		return this;
	}

	/** The next output, which has to be of this type. */
	expect<T extends PairingOutput["type"]>(type: T): Extract<PairingOutput, { type: T }> {
		const output = this.outputs.shift();
		if (output?.type !== type) throw new Error(`${type} expected, not ${output?.type ?? "nothing"}`);
		return output as Extract<PairingOutput, { type: T }>;
	}

	/** Waits until the deadline. */
	wait(): number {
		const waited = this.pairing.deadline() - this.now;
		this.now = this.pairing.deadline();
		this.give({ type: "timeout" });
		return waited;
	}

	/** From `connect` to the request, against a server that shows this chain. */
	request(chain: readonly Uint8Array[]): Uint8Array {
		this.expect("connect");
		if (!this.pairing.isHousehold(chain)) throw new Error("the server was refused");
		this.give({ type: "up" });
		return this.expect("transmit").bytes;
	}
}

export function text(bytes: Uint8Array): string {
	return bytesToUtf8(bytes);
}

export function certificateOf(der: Uint8Array) {
	return good(readCertificate(der, crypto));
}
