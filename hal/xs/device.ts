/** DeviceHal of the ESP32: every part of it made, and nothing else. */
import KeyValueStorage from "embedded:storage/key-value";
import Net from "net";
import { connectSecure } from "ringlet/secure";
import RNG from "rng";
import SNTP from "sntp";
import Time from "time";
import Timer from "timer";
import type {
	Audio,
	DatagramSocket,
	DeviceHal,
	FlashStore,
	SecureConnection,
	SecureConnectOptions,
	TimerHandle,
	Timers,
} from "../device.ts";
import type { Log, LogLevel } from "../hal.ts";
import { XsAudio } from "./audio.ts";
import type { Board } from "./board.ts";
import { XsClock } from "./clock.ts";
import { XsCrypto } from "./crypto.ts";
import { XsDatagrams } from "./datagrams.ts";
import { PowerSafeStore } from "./flash.ts";
import { Guard } from "./guard.ts";
import { SNTP_AGAIN_MS, SNTP_RETRY_MS } from "./limits.ts";
import { xsLog } from "./log.ts";
import { XsNetwork } from "./network.ts";
import { toBuffer } from "./octets.ts";
import { XsPins } from "./pins.ts";
import { RandomPool } from "./random.ts";
import { Supervisor } from "./supervisor.ts";

export interface XsDeviceOptions {
	readonly board: Board;
	readonly logLevel: LogLevel;
	/** Name of the NVS domain. */
	readonly storage: string;
	/** Host of a time server; undefined: the overlay's time is all there is. */
	readonly sntp: string | undefined;
	/** Ends the program and starts it anew. */
	readonly restart: () => void;
	/** Called when the wall clock was set by SNTP. */
	readonly onClock?: () => void;
}

/** Key of the seed that is carried from one start to the next. */
const SEED_KEY = "seed";
const SEED_OCTETS = 32;

class XsTimers implements Timers {
	guard: Guard | undefined;

	set(callback: () => void, ms: number): TimerHandle {
		return Timer.set(
			() => {
				// Without the guard only while the device is being made.
				if (this.guard === undefined) callback();
				else this.guard.run("timer", callback);
			},
			Math.max(0, Math.min(ms, 0x7fff_ffff)),
		);
	}

	clear(timer: TimerHandle): void {
		Timer.clear(timer as Timer);
	}
}

export class XsDevice implements DeviceHal {
	readonly crypto: XsCrypto;
	readonly clock = new XsClock();
	readonly log: Log;
	readonly timers: Timers;
	readonly flash: FlashStore;
	readonly network: XsNetwork;
	readonly pins: XsPins;
	readonly audio: Audio | undefined;
	readonly guard: Guard;
	readonly supervisor: Supervisor;
	readonly #options: XsDeviceOptions;

	constructor(options: XsDeviceOptions) {
		this.#options = options;
		this.log = xsLog(options.logLevel);
		this.guard = new Guard(this.log, this.clock, (reason) => this.restart(reason));
		const timers = new XsTimers();
		timers.guard = this.guard;
		this.timers = timers;
		// Before all that may fail: the relay is off.
		this.pins = new XsPins(options.board, this.guard, timers);
		this.flash = new PowerSafeStore(KeyValueStorage.open({ path: options.storage, format: "buffer" }));
		const pool = this.#makePool();
		this.crypto = new XsCrypto((count) => pool.bytes(count));
		// The SDK's generator makes the TLS random and the ECDHE key.
		RNG.init(toBuffer(pool.bytes(SEED_OCTETS)));
		this.network = new XsNetwork(this.guard, timers);
		this.audio = options.board.hasAudio ? new XsAudio(this.guard) : undefined;
		this.supervisor = new Supervisor(this.clock, timers, this.log, (reason) => this.restart(reason));
		if (options.sntp !== undefined) this.#askTime(options.sntp);
	}

	get isClockSet(): boolean {
		return this.clock.isSet;
	}

	setWallMs(wallMs: number): void {
		this.clock.setWallMs(wallMs);
	}

	connectSecure(options: SecureConnectOptions): SecureConnection {
		// Of the SDK's generator every draw begins at the same place: new seed, new values.
		RNG.init(toBuffer(this.crypto.random(SEED_OCTETS)));
		return connectSecure(options);
	}

	openDatagrams(
		port: number,
		onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
	): DatagramSocket | undefined {
		// ECMA-419 does not tell which port was taken, and offers need the number: we choose.
		const first = port === 0 ? firstPort(this.crypto.random(2)) : port;
		for (let i = 0; i < (port === 0 ? PORT_TRIES : 1); i++) {
			try {
				return new XsDatagrams(first + 2 * i, this.guard, this.timers, onDatagram);
			} catch (error) {
				this.log("debug", "udp.port", { port: first + 2 * i, error: String(error) });
			}
		}
		return undefined;
	}

	restart(reason: string): void {
		this.log("warn", "restart", { reason });
		this.#options.restart();
	}

	#makePool(): RandomPool {
		const bare = new XsCrypto(() => new Uint8Array(0));
		const kept = this.flash.get(SEED_KEY) ?? new Uint8Array(0);
		const told = `${Net.get("MAC")} ${Date.now()} ${Time.ticks}`;
		const seed = new Uint8Array(kept.length + told.length);
		seed.set(kept);
		for (let i = 0; i < told.length; i++) seed[kept.length + i] = told.charCodeAt(i);
		const pool = new RandomPool((data) => bare.hash("sha256", data), Math.random, seed);
		this.flash.set(SEED_KEY, pool.bytes(SEED_OCTETS));
		return pool;
	}

	/** Asks until it is told, and again after hours. The SDK's client tries five times, then says so, and closes itself either way. */
	#askTime(host: string): void {
		let isOver = false;
		const again = (ms: number): void => {
			if (isOver) return;
			isOver = true;
			this.timers.set(() => this.#askTime(host), ms);
		};
		try {
			new SNTP({ host }, (message, seconds) => {
				if (message === SNTP.error) again(SNTP_RETRY_MS);
				if (message !== SNTP.time || seconds === undefined) return;
				again(SNTP_AGAIN_MS);
				this.guard.run("sntp", () => {
					Time.set(seconds);
					this.#options.onClock?.();
				});
			});
		} catch (error) {
			this.guard.caught("sntp", error);
			again(SNTP_RETRY_MS);
		}
	}
}

const PORT_TRIES = 16;

/** An even port of the dynamic range (RFC 3550 §11), drawn anew so that a stranger cannot guess it. */
function firstPort(random: Uint8Array): number {
	return 49_152 + ((((random[0]! << 8) | random[1]!) % 16_000) & ~1);
}
