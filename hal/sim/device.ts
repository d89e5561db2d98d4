/**
 * A device on a simulated wall: `DeviceHal` over virtual time and the simulated network. What is in flash survives a power cut, nothing
 * else does. Wi-Fi, power, clock, flash and fingers are in the hands of whoever tells the story.
 */
import type {
	Audio,
	AudioUser,
	DatagramSocket,
	DeviceHal,
	FlashStore,
	Network,
	Pins,
	SecureConnection,
	SecureConnectOptions,
	TimerHandle,
	Timers,
} from "../device.ts";
import type { Clock, Crypto, Log, MediaCrypto } from "../hal.ts";
import { SimDatagrams } from "./datagram.ts";
import { DEVICE_BOOT_MS, DEVICE_HANDSHAKE_MS, DEVICE_SEND_OCTETS, FLASH_VALUE_OCTETS } from "./limits.ts";
import type { SimMachine } from "./network.ts";
import { SimStream } from "./stream.ts";

/** Keys as NVS takes them. */
const MAX_KEY = 15;
const FRAME_MS = 20;
const FRAME_SAMPLES = 160;
/** Groups of machines without a network; each is its own. */
const NO_NETWORK = -1_000_000;

/** Flash: all or nothing for each value, and it can be worn. */
export class SimFlash implements FlashStore {
	readonly #values = new Map<string, Uint8Array>();
	/** Writes that are taken before the flash is worn out. */
	writesLeft = Number.POSITIVE_INFINITY;
	/** Values written. */
	writes = 0;

	get(key: string): Uint8Array | undefined {
		return this.#values.get(key)?.slice();
	}

	set(key: string, value: Uint8Array): boolean {
		if (key.length === 0 || key.length > MAX_KEY) throw new Error(`not a key of the flash: ${key}`);
		if (this.writesLeft <= 0 || value.length > FLASH_VALUE_OCTETS) return false;
		this.writesLeft--;
		this.writes++;
		this.#values.set(key, value.slice());
		return true;
	}

	delete(key: string): void {
		this.#values.delete(key);
	}
}

export interface SimDeviceOptions {
	readonly machine: SimMachine;
	/** Each life has the same: the keys in flash are its keys. */
	readonly crypto: Crypto & MediaCrypto;
	/** Called each time the device has booted; gives what ends the program, when it is to be ended in order. */
	readonly boot: (hal: DeviceHal) => void;
	readonly buttons?: number;
	/** Microphone and loudspeaker; a frame each 20 ms while they run. Default: none. */
	readonly sound?: { capture(frame: Int16Array): void; playout(frame: Int16Array): void };
	/** Computing that a TLS handshake costs, milliseconds. */
	readonly handshakeMs?: number;
	/** Answers of DNS. */
	readonly names?: ReadonlyMap<string, string>;
	/** Peers that mDNS finds. */
	readonly announced?: readonly { address: string; port: number; text: Readonly<Record<string, string>> }[];
	readonly log?: Log;
}

/** The box. */
export class SimDevice {
	readonly machine: SimMachine;
	readonly options: SimDeviceOptions;
	readonly flash = new SimFlash();
	isWifiUp = true;
	isPowered = false;
	/** The clock was set in this life; it is lost with the power. */
	isClockSet = false;
	wallOffsetMs = 0;
	relay = false;
	chime = false;
	led = 0;
	clicks = 0;
	/** Times the relay was switched on, and the chime. */
	releases = 0;
	strikes = 0;
	boots = 0;
	/** Reasons of restarts the program asked for. */
	readonly restarts: string[] = [];
	#hal: SimDeviceHal | undefined;

	constructor(options: SimDeviceOptions) {
		this.options = options;
		this.machine = options.machine;
	}

	powerOn(): void {
		if (this.isPowered) return;
		this.isPowered = true;
		this.machine.powerOn();
		const { life } = this.machine;
		this.machine.network.time.after(DEVICE_BOOT_MS, () => {
			if (life === this.machine.life && this.isPowered) this.#boot();
		});
	}

	#boot(): void {
		this.boots++;
		const hal = new SimDeviceHal(this);
		this.#hal = hal;
		this.options.boot(hal);
	}

	powerCut(): void {
		this.isPowered = false;
		this.#end();
		this.machine.powerOff();
		this.isClockSet = false;
	}

	/** The program asked for it: the network sees its connections reset, the clock goes on. */
	restart(reason: string): void {
		if (this.restarts.length < 100) this.restarts.push(reason);
		this.#end();
		this.machine.kill();
		this.isPowered = false;
		this.powerOn();
	}

	#end(): void {
		this.#hal?.end();
		this.#hal = undefined;
		this.relay = false;
		this.chime = false;
		this.led = 0;
	}

	setWifi(isUp: boolean): void {
		if (isUp === this.isWifiUp) return;
		this.isWifiUp = isUp;
		this.machine.group = isUp ? 0 : NO_NETWORK - this.machine.index;
		this.#hal?.networkChanged();
	}

	/** Somebody (SNTP, a person) sets the clock. */
	setClock(wallMs: number): void {
		this.wallOffsetMs = wallMs - this.machine.network.time.now;
		this.isClockSet = true;
	}

	/** Raw edges of a finger, bouncing both ways. */
	finger(button = 0, heldMs = 200): void {
		const { time } = this.machine.network;
		const edges: readonly (readonly [number, boolean])[] = [
			[0, true],
			[1, false],
			[3, true],
			[heldMs, false],
			[heldMs + 1, true],
			[heldMs + 2, false],
		];
		for (const [at, isDown] of edges) time.after(at, () => this.#hal?.button(button, isDown));
	}

	contact(isOpen: boolean): void {
		this.#hal?.contact(isOpen);
	}
}

/** The HAL of one life: when it is over, nothing calls back any more. */
class SimDeviceHal implements DeviceHal, Clock, Timers, Network, Pins, Audio {
	readonly #device: SimDevice;
	readonly #connections = new Set<SimSecure>();
	#alive = true;
	#onButton: ((button: number, isDown: boolean) => void) | undefined;
	#onContact: ((isOpen: boolean) => void) | undefined;
	#onNetwork: ((address: string | undefined) => void) | undefined;
	#audioUser: AudioUser | undefined;

	constructor(device: SimDevice) {
		this.#device = device;
	}

	get #time() {
		return this.#device.machine.network.time;
	}

	/** Power or program is gone. */
	end(): void {
		this.#alive = false;
		this.#audioUser = undefined;
		for (const connection of this.#connections) connection.forget();
	}

	#later(ms: number, what: () => void): void {
		this.#time.after(ms, () => {
			if (this.#alive) what();
		});
	}

	get crypto(): Crypto & MediaCrypto {
		return this.#device.options.crypto;
	}

	readonly clock = this;
	readonly timers = this;
	readonly network = this;
	readonly pins = this;

	get flash(): FlashStore {
		return this.#device.flash;
	}

	get log(): Log {
		return this.#device.options.log ?? (() => undefined);
	}

	get audio(): Audio | undefined {
		return this.#device.options.sound === undefined ? undefined : this;
	}

	// Clock

	monotonicMs(): number {
		return this.#time.now;
	}

	wallMs(): number {
		return this.#device.isClockSet
			? Math.floor(this.#time.now + this.#device.wallOffsetMs)
			: Math.floor(this.#time.now);
	}

	get isClockSet(): boolean {
		return this.#device.isClockSet;
	}

	setWallMs(wallMs: number): void {
		this.#device.setClock(wallMs);
	}

	// Timers

	set(callback: () => void, ms: number): TimerHandle {
		const timer = { isSet: true };
		this.#later(ms, () => {
			if (timer.isSet) callback();
		});
		return timer;
	}

	clear(timer: TimerHandle): void {
		(timer as { isSet: boolean }).isSet = false;
	}

	// Network

	get address(): string | undefined {
		return this.#device.isWifiUp ? this.#device.machine.address : undefined;
	}

	onChange(callback: (address: string | undefined) => void): void {
		this.#onNetwork = callback;
	}

	networkChanged(): void {
		this.#later(0, () => this.#onNetwork?.(this.address));
	}

	browse(
		_service: string,
		onFound: (address: string, port: number, text: Readonly<Record<string, string>>) => void,
	): { stop(): void } {
		let isOn = true;
		this.#later(100, () => {
			if (!isOn || !this.#device.isWifiUp) return;
			for (const { address, port, text } of this.#device.options.announced ?? []) onFound(address, port, text);
		});
		return {
			stop: () => {
				isOn = false;
			},
		};
	}

	resolve(host: string, done: (address: string | undefined) => void): void {
		this.#later(5, () => done(this.#device.isWifiUp ? this.#device.options.names?.get(host) : undefined));
	}

	connectSecure(options: SecureConnectOptions): SecureConnection {
		const { machine, options: device } = this.#device;
		const connection = new SimSecure(machine, options, device.handshakeMs ?? DEVICE_HANDSHAKE_MS, (ended) =>
			this.#connections.delete(ended),
		);
		this.#connections.add(connection);
		return connection;
	}

	openDatagrams(
		port: number,
		onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
	): DatagramSocket | undefined {
		return new SimDatagrams(this.#device.machine, port, (bytes, address, from) => {
			if (this.#alive) onDatagram(bytes, address, from);
		});
	}

	restart(reason: string): void {
		// Not from within a call of the one who asks.
		this.#later(0, () => this.#device.restart(reason));
	}

	// Pins

	get buttons(): number {
		return this.#device.options.buttons ?? 1;
	}

	onButton(callback: (button: number, isDown: boolean) => void): void {
		this.#onButton = callback;
	}

	button(button: number, isDown: boolean): void {
		this.#onButton?.(button, isDown);
	}

	onContact(callback: (isOpen: boolean) => void): boolean {
		this.#onContact = callback;
		return true;
	}

	contact(isOpen: boolean): void {
		this.#later(0, () => this.#onContact?.(isOpen));
	}

	led(led: number, level: number): void {
		if (led === 0) this.#device.led = level;
	}

	relay(isOn: boolean): boolean {
		if (isOn && !this.#device.relay) this.#device.releases++;
		this.#device.relay = isOn;
		return true;
	}

	chime(isOn: boolean): boolean {
		if (isOn && !this.#device.chime) this.#device.strikes++;
		this.#device.chime = isOn;
		return true;
	}

	click(): void {
		this.#device.clicks++;
	}

	// Audio

	start(user: AudioUser): boolean {
		if (this.#audioUser !== undefined) return false;
		this.#audioUser = user;
		this.#later(FRAME_MS, () => this.#frame(user));
		return true;
	}

	#frame(user: AudioUser): void {
		const { sound } = this.#device.options;
		if (this.#audioUser !== user || sound === undefined) return;
		const frame = new Int16Array(FRAME_SAMPLES);
		sound.capture(frame);
		user.onCapture(frame);
		frame.fill(0);
		user.onPlayout(frame);
		sound.playout(frame);
		this.#later(FRAME_MS, () => this.#frame(user));
	}

	stop(): void {
		this.#audioUser = undefined;
	}

	setVolume(_volume: number): void {}
}

/** A TLS connection of a device. */
class SimSecure implements SecureConnection {
	readonly #stream: SimStream;
	readonly #options: SecureConnectOptions;
	readonly #ended: (connection: SimSecure) => void;
	#isUp = false;
	#isOver = false;

	constructor(
		machine: SimMachine,
		options: SecureConnectOptions,
		handshakeMs: number,
		ended: (connection: SimSecure) => void,
	) {
		this.#options = options;
		this.#ended = ended;
		const { time } = machine.network;
		this.#stream = new SimStream({
			machine,
			address: options.address,
			port: options.port,
			identity: options.identity ?? { chain: [] },
			serverName: options.serverName ?? "",
			// The handshake is mostly computing: the connection is there when that is done.
			onWritable: () => time.after(handshakeMs, () => this.#handshaken()),
			onReadable: () => this.#read(),
			onSent: (buffered) => {
				if (this.#isUp && !this.#isOver && buffered === 0) this.#options.onDrained();
			},
			onError: (error) => this.#close(error.message),
		});
	}

	#handshaken(): void {
		if (this.#isOver) return;
		const { chain } = this.#stream;
		if (!this.#options.verify(chain)) {
			this.#stream.close();
			this.#close("the certificate is refused");
			return;
		}
		this.#isUp = true;
		this.#options.onUp(chain);
		this.#read();
	}

	#read(): void {
		if (!this.#isUp) return;
		for (let bytes = this.#stream.read(); bytes !== undefined && !this.#isOver; bytes = this.#stream.read())
			this.#options.onBytes(bytes);
	}

	#close(reason: string): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#ended(this);
		this.#options.onClosed(reason);
	}

	get buffered(): number {
		return this.#stream.bufferedAmount;
	}

	write(bytes: Uint8Array): boolean {
		if (this.#isOver || this.#stream.bufferedAmount + bytes.length > DEVICE_SEND_OCTETS) return false;
		return this.#stream.write(bytes.slice()) >= 0;
	}

	close(): void {
		if (this.#isOver) return;
		this.forget();
		this.#ended(this);
		this.#stream.close();
	}

	/** No callback any more. */
	forget(): void {
		this.#isOver = true;
	}
}
