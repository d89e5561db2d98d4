/**
 * What the device's modules offer beyond @moddable/typings: only what hal/xs uses of it. The reference lines name the files of the
 * typings one by one, so that nothing of Node or of a browser comes in.
 */
/// <reference path="../../node_modules/@moddable/typings/embedded_io/_common.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/embedded_io/socket/tcp.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/embedded_io/digital.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/embedded_io/audioin.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/timer.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/time.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/net.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/sntp.d.ts" />

/** Prints to the debugger or the serial line. */
declare function trace(text: string): void;

declare module "embedded:io/socket/udp" {
	/** A datagram, with where it came from. */
	export type Datagram = ArrayBuffer & { readonly address: string; readonly port: number };
	export default class UDP {
		constructor(options: {
			port?: number;
			/** Group to join; the ESP32 alone has multicast. */
			multicast?: string;
			timeToLive?: number;
			onReadable?: (packets: number) => void;
			onError?: () => void;
		});
		readonly port?: number;
		read(): Datagram | undefined;
		write(buffer: ArrayBuffer | Uint8Array, address: string, port: number): void;
		close(): void;
	}
}

declare module "embedded:io/audio/out" {
	export default class AudioOut {
		constructor(options: {
			sampleRate: number;
			bitsPerSample: 8 | 16;
			channels: 1 | 2;
			onWritable?: (byteLength: number) => void;
		});
		write(buffer: ArrayBuffer | Uint8Array): void;
		start(): void;
		stop(): void;
		close(): void;
		volume: number;
	}
}

declare module "embedded:storage/key-value" {
	export interface Store {
		read(key: string): ArrayBuffer | undefined;
		write(key: string, value: ArrayBuffer | Uint8Array): void;
		delete(key: string): void;
		close(): void;
	}
	const storage: { open(options: { path: string; format?: "buffer"; mode?: "r" | "r+" }): Store };
	export default storage;
}

declare module "embedded:network/interface/wifi" {
	export default class WiFi {
		constructor(options: { onChanged?: () => void });
		/** 500 and more: there is an address. */
		readonly connection: number;
		readonly address: string | undefined;
		connect(options: { SSID: string; password?: string; secure?: boolean }): void;
		disconnect(): void;
		close(): void;
	}
}

declare module "system" {}
/** Made by the module "system". */
declare const System: { restart(): never };

declare module "mc/config" {
	const config: Readonly<Record<string, unknown>>;
	export default config;
}

declare module "crypt" {
	type Octets = ArrayBuffer | Uint8Array;
	export class Digest {
		constructor(name: string);
		write(data: Octets): void;
		reset(): void;
		close(): ArrayBuffer;
	}
	export class BlockCipher {
		constructor(name: "AES", key: ArrayBuffer);
		encrypt(block: ArrayBuffer, result: ArrayBuffer): ArrayBuffer;
	}
}

declare module "ecp" {
	export default class ECPoint {
		constructor(x: bigint, y: bigint);
	}
}

declare module "curve" {
	import type ECPoint from "ecp";
	export default class Curve {
		constructor(name: "secp256r1");
		readonly n: bigint;
		readonly G: ECPoint;
		/** `scalar` times the base point, as an uncompressed point (65 octets). */
		dh(scalar: ArrayBuffer): ArrayBuffer;
	}
}

declare module "ecdsa" {
	import type Curve from "curve";
	import type ECPoint from "ecp";
	export default class ECDSA {
		constructor(key: bigint | ECPoint, curve: Curve, isPrivate: boolean);
		/** The nonce; drawn from a weak generator when it is not set. */
		k: bigint | undefined;
		sign(digest: ArrayBuffer, isDer: true): ArrayBuffer;
		verify(digest: ArrayBuffer, signature: ArrayBuffer, isDer: true): boolean;
	}
}

declare module "rng" {
	const RNG: { init(seed: ArrayBuffer): void };
	export default RNG;
}

declare module "x509" {
	const X509: { decode(der: Uint8Array): { readonly spki: ArrayBuffer } };
	export default X509;
}

declare module "ssl/session" {
	/** What the session wants of a socket. */
	export interface SessionSocket {
		readable: number;
		writable: number;
		read(into: Uint8Array): void;
		/** The octets that may be written next. */
		write(packet: ArrayBuffer | Uint8Array): number;
	}
	export interface CertificateManager {
		verify(chain: readonly Uint8Array[]): boolean;
		register(): void;
		getKey(certificate: ArrayBuffer): unknown;
		findPreferredCert(): readonly ArrayBuffer[] | undefined;
	}
	export default class Session {
		constructor(options: { protocolVersion: number; cache: false; serverName?: string });
		certificateManager: CertificateManager;
		readonly alert: { readonly level: number; readonly description: number } | undefined;
		packetBuffer: (Uint8Array & { offset: number }) | null | undefined;
		initiateHandshake(): void;
		handshake(socket: SessionSocket): boolean;
		read(socket: SessionSocket): Uint8Array | null | undefined;
		write(socket: SessionSocket, bytes: Uint8Array): number;
		close(socket: SessionSocket): void;
		doProtocol(socket: SessionSocket, protocol: object, first?: unknown, second?: unknown): void;
		readPacket(socket: SessionSocket): ArrayBuffer | undefined;
	}
}

declare module "ssl/handshake" {
	import type Session from "ssl/session";
	import type SSLStream from "ssl/stream";

	const handshake: {
		readonly certificateVerify: { calculateDigest(session: Session): ArrayBuffer };
		packetize(session: Session, type: number, body: SSLStream): ArrayBuffer | Uint8Array;
	};
	export default handshake;
}

declare module "ssl/stream" {
	export default class SSLStream {
		writeChars(value: number, octets: number): void;
		writeChunk(bytes: ArrayBuffer | Uint8Array): void;
	}
}
