/**
 * What the device's target asks of its machine. Types only: `hal/xs` (the ESP32), `hal/node` (a device on a PC) and `hal/sim` answer them.
 *
 * Callbacks are called from the event loop, never from within a call of the one who gave them, and never after `close`. None of them may
 * throw; who implements them guards against it all the same.
 */
import type { Clock, Crypto, Log, MediaCrypto, PrivateKey } from "./hal.ts";

/** A timer that was set. */
export type TimerHandle = number | object;

/** One-shot timers. */
export interface Timers {
	set(callback: () => void, ms: number): TimerHandle;
	clear(timer: TimerHandle): void;
}

/** Who we are in a TLS handshake. */
export interface SecureIdentity {
	/** DER certificates, leaf first, roots not included. */
	readonly chain: readonly Uint8Array[];
	readonly key: PrivateKey;
}

/** TLS as client: connect, handshake, then octets both ways. */
export interface SecureConnectOptions {
	/** IPv4 address as text. */
	readonly address: string;
	readonly port: number;
	/** For SNI. */
	readonly serverName?: string;
	/** Absent: no client authentication (enrollment). */
	readonly identity?: SecureIdentity;
	/** Decides by the server's certificates (DER, leaf first) whether the handshake goes on. Dates, names and roots are its matter alone. */
	verify(chain: readonly Uint8Array[]): boolean;
	onUp(chain: readonly Uint8Array[]): void;
	/** Plaintext; the view is valid during the call only. */
	onBytes(bytes: Uint8Array): void;
	/** All octets handed to `write` have left; may be called more often. */
	onDrained(): void;
	/** Once, and the last call: refused, lost, closed by the other end, handshake not done in time. Not after `close()`. */
	onClosed(reason: string): void;
}

/** A connection of `SecureConnectOptions`. */
export interface SecureConnection {
	/** Octets are copied or sent before it returns. False: the buffer (a named limit) is full and nothing was taken. */
	write(bytes: Uint8Array): boolean;
	/** Octets handed to `write` that have not left. */
	readonly buffered: number;
	close(): void;
}

/** A UDP socket. */
export interface DatagramSocket {
	readonly port: number;
	/** Datagrams that cannot be sent are lost, as datagrams are. */
	send(bytes: Uint8Array, address: string, port: number): void;
	close(): void;
}

/** Small records in flash: a power cut during `set` leaves the old value or the new one, never a mixture. */
export interface FlashStore {
	/** At most 15 characters of a-z, 0-9 and "-". `undefined`: never written, deleted, or damaged. */
	get(key: string): Uint8Array | undefined;
	/** False: not written (flash full or worn); the old value stays. */
	set(key: string, value: Uint8Array): boolean;
	delete(key: string): void;
}

/** Microphone and loudspeaker, 8,000 samples a second, mono, 16-bit signed, in frames of 160 samples (20 ms). */
export interface Audio {
	/** Starts both. False: there is no audio, or it is in use. */
	start(user: AudioUser): boolean;
	stop(): void;
	/** 0..100. */
	setVolume(volume: number): void;
}

export interface AudioUser {
	/** 160 samples of the microphone; valid during the call only. */
	onCapture(frame: Int16Array): void;
	/** Fills 160 samples for the loudspeaker. */
	onPlayout(frame: Int16Array): void;
}

/** Pins by their role in the product; which number each has is the board's matter. */
export interface Pins {
	/** How many buttons the board has. */
	readonly buttons: number;
	/** Raw edges, not debounced; `isDown` with the board's polarity applied. `button`: 0 = the first. */
	onButton(callback: (button: number, isDown: boolean) => void): void;
	/** Door contact; false when the board has none. */
	onContact(callback: (isOpen: boolean) => void): boolean;
	/** `led` 0 is the one every board has. `level` 0..255. */
	led(led: number, level: number): void;
	/** Door opener; false: the board has none. */
	relay(isOn: boolean): boolean;
	/** The old chime in the hall; false: the board has none. */
	chime(isOn: boolean): boolean;
	/** A click of the buzzer or loudspeaker, without audio started. */
	click(): void;
}

/** The network as the device sees it. */
export interface Network {
	/** Our address, when there is one. */
	readonly address: string | undefined;
	/** Came, changed or went. */
	onChange(callback: (address: string | undefined) => void): void;
	/** Looks for a DNS-SD service ("_p2psip-reload._tcp") until `stop`; a machine without multicast never finds anything. */
	browse(
		service: string,
		onFound: (address: string, port: number, text: Readonly<Record<string, string>>) => void,
	): { stop(): void };
	/** Name to IPv4 address. */
	resolve(host: string, done: (address: string | undefined) => void): void;
}

/** All of it. */
export interface DeviceHal {
	readonly crypto: Crypto & MediaCrypto;
	readonly clock: Clock;
	/** False until the wall clock was set (SNTP, or `setWallMs`); certificates are not checked by date before. */
	readonly isClockSet: boolean;
	/** The overlay's time, when nothing better set the clock. */
	setWallMs(wallMs: number): void;
	readonly log: Log;
	readonly timers: Timers;
	readonly flash: FlashStore;
	readonly network: Network;
	readonly pins: Pins;
	readonly audio: Audio | undefined;
	connectSecure(options: SecureConnectOptions): SecureConnection;
	/** `port` 0: any. `undefined`: none free. The octets are valid during the call only. */
	openDatagrams(
		port: number,
		onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
	): DatagramSocket | undefined;
	/** Ends everything and starts anew. */
	restart(reason: string): void;
}
