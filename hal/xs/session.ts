/**
 * TLS 1.2 with P-256 on both sides: the SDK's session, which signs with RSA only, with three things of our own. The only file that knows
 * `ssl/*`.
 *
 * - CertificateVerify is signed by ECDSA (RFC 8422 §5.8).
 * - Certificates are the caller's matter alone: RELOAD's carry Node-IDs, which the SDK's check could never pass.
 * - A record's length is looked at before room is made for it: one of 16 KB would end a device with "memory full".
 */
import handshake from "ssl/handshake";
import Session, { type SessionSocket } from "ssl/session";
import SSLStream from "ssl/stream";
import X509 from "x509";
import type { SecureConnectOptions, SecureIdentity } from "../device.ts";
import { MAX_TLS_RECORD } from "./limits.ts";
import { toBuffer } from "./octets.ts";
import type { TlsSession } from "./secure-link.ts";
import type { StreamPort } from "./stream-port.ts";

const TLS_1_2 = 0x303;
const RECORD_HEAD = 5;
/** RFC 5246 §7.4: HandshakeType certificate_verify; §7.4.1.4.1: sha256, ecdsa. */
const CERTIFICATE_VERIFY = 15;
const SHA256 = 4;
const ECDSA = 3;
const CLOSE_NOTIFY = 0;

/** A key that signs a digest: XsPrivateKey. */
interface DigestSigner {
	signDigest(digest: Uint8Array): Uint8Array;
}

class P256Session extends Session {
	readonly #identity: SecureIdentity | undefined;
	peerChain: readonly Uint8Array[] = [];
	/** Octets of the record that is being read, its head included. */
	#record: Uint8Array | undefined;
	#have = 0;

	constructor(options: SecureConnectOptions) {
		const { serverName } = options;
		super({ protocolVersion: TLS_1_2, cache: false, ...(serverName === undefined ? {} : { serverName }) });
		this.#identity = options.identity;
		this.certificateManager = {
			verify: (chain) => {
				this.peerChain = chain.map((certificate) => certificate.slice());
				return options.verify(this.peerChain);
			},
			register() {},
			getKey: (certificate) => X509.decode(new Uint8Array(certificate)).spki,
			// Nothing to show: the SDK answers with an empty list.
			findPreferredCert: () => options.identity?.chain.map((certificate) => toBuffer(certificate)),
		};
	}

	override doProtocol(socket: SessionSocket, protocol: object, first?: unknown, second?: unknown): void {
		if (protocol !== handshake.certificateVerify) {
			super.doProtocol(socket, protocol, first, second);
			return;
		}
		const key = this.#identity!.key as unknown as DigestSigner;
		const signature = key.signDigest(new Uint8Array(handshake.certificateVerify.calculateDigest(this)));
		const body = new SSLStream();
		body.writeChars(SHA256, 1);
		body.writeChars(ECDSA, 1);
		body.writeChars(signature.length, 2);
		body.writeChunk(signature);
		const packet = handshake.packetize(this, CERTIFICATE_VERIFY, body);
		socket.write(packet);
		socket.writable -= packet.byteLength;
	}

	override readPacket(socket: SessionSocket): ArrayBuffer | undefined {
		if (this.#record === undefined) {
			this.#record = new Uint8Array(RECORD_HEAD);
			this.#have = 0;
		}
		if (this.#have < RECORD_HEAD) {
			this.#fill(socket, this.#record);
			if (this.#have < RECORD_HEAD) return undefined;
			const length = (this.#record[3]! << 8) | this.#record[4]!;
			if (length > MAX_TLS_RECORD) throw new Error(`a TLS record of ${length} octets`);
			const whole = new Uint8Array(RECORD_HEAD + length);
			whole.set(this.#record);
			this.#record = whole;
		}
		this.#fill(socket, this.#record);
		if (this.#have < this.#record.length) return undefined;
		const packet = this.#record.buffer as ArrayBuffer;
		this.#record = undefined;
		return packet;
	}

	#fill(socket: SessionSocket, record: Uint8Array): void {
		const end = this.#have < RECORD_HEAD ? RECORD_HEAD : record.length;
		const count = Math.min(end - this.#have, socket.readable);
		if (count === 0) return;
		socket.read(record.subarray(this.#have, this.#have + count));
		socket.readable -= count;
		this.#have += count;
	}
}

/** The session of one connection. */
export class XsTlsSession implements TlsSession {
	readonly #session: P256Session;

	constructor(options: SecureConnectOptions) {
		this.#session = new P256Session(options);
		this.#session.initiateHandshake();
	}

	get peerChain(): readonly Uint8Array[] {
		return this.#session.peerChain;
	}

	get failure(): string | undefined {
		const alert = this.#session.alert;
		if (alert === undefined) return undefined;
		return alert.description === CLOSE_NOTIFY ? "closed by the other end" : `TLS alert ${alert.description}`;
	}

	handshake(port: StreamPort): boolean {
		return this.#session.handshake(port);
	}

	read(port: StreamPort): Uint8Array | null | undefined {
		return this.#session.read(port);
	}

	write(port: StreamPort, bytes: Uint8Array): void {
		this.#session.write(port, bytes);
	}

	close(port: StreamPort): void {
		this.#session.close(port);
	}
}
