/** The year of one door: presses and faults by a seed, and what the visitors found. */
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { standInCrypto } from "../../hal/sim/crypto.ts";
import { SimDevice } from "../../hal/sim/device.ts";
import { LAN, SimNetwork } from "../../hal/sim/network.ts";
import { type SeededRandom, seededRandom } from "../../hal/sim/random.ts";
import { VirtualTime } from "../../hal/sim/time.ts";
import { YearPeer } from "./year-peer.ts";
import { YearUnit } from "./year-unit.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The visitor waits so long for phones to ring; the device's ring time. */
const RING_MS = 60_000;
/** A chance that is shorter is none: connecting takes a handshake, and trying again its pause. */
const CHANCE_MS = 15_000;

export interface YearOptions {
	readonly seed: number;
	readonly peers: number;
	readonly presses: number;
}

export interface YearFigures {
	readonly presses: number;
	readonly days: number;
	/** Presses that had a chance and rang nowhere, in words. */
	readonly missed: readonly string[];
	readonly faults: Readonly<Record<string, number>>;
	readonly p50Ms: number;
	readonly text: string;
}

/** A press and what came of it. */
interface Press {
	readonly at: number;
	rangAt: number;
	/** How long there has been a way to ring without a break. */
	chanceSince: number;
	bestChanceMs: number;
	wasCut: boolean;
}

export class DoorYear {
	readonly time = new VirtualTime();
	readonly random: SeededRandom;
	readonly network: SimNetwork;
	readonly crypto: ReturnType<typeof standInCrypto>;
	readonly peers: YearPeer[] = [];
	readonly device: SimDevice;
	readonly #options: YearOptions;
	phonesThere = true;
	readonly faults: Record<string, number> = {};
	#unit: YearUnit | undefined;
	#press: Press | undefined;
	readonly #done: Press[] = [];

	constructor(options: YearOptions) {
		this.#options = options;
		this.random = seededRandom(options.seed);
		this.network = new SimNetwork(this.time, this.random.fork(), LAN);
		this.crypto = standInCrypto(this.random.fork());
		for (let i = 0; i < options.peers; i++) this.peers.push(new YearPeer(this, `10.0.0.${i + 1}`));
		for (const peer of this.peers) peer.start();
		this.device = new SimDevice({
			machine: this.network.machine("10.0.0.99"),
			crypto: { ...this.crypto, ...nodeMediaCrypto() },
			boot: (hal) => {
				this.#unit?.end();
				this.#unit = new YearUnit(this, hal);
			},
		});
		this.device.powerOn();
		this.time.advance(60_000);
	}

	onSilence(peer: number, what: () => void): void {
		this.peers[peer]!.onSilence(what);
	}

	rang(): void {
		const press = this.#press;
		if (press === undefined || press.rangAt >= 0) return;
		press.rangAt = this.time.now;
	}

	/** Wi-Fi, at least one peer that answers, and a phone. */
	get #canRing(): boolean {
		const { device } = this;
		return device.isWifiUp && this.phonesThere && this.peers.some(({ isUp, isDeaf }) => isUp && !isDeaf);
	}

	/** After everything that changes whether a press can ring. */
	#changed(): void {
		const press = this.#press;
		if (press === undefined) return;
		const { now } = this.time;
		if (!this.#canRing) {
			if (press.chanceSince >= 0) press.bestChanceMs = Math.max(press.bestChanceMs, now - press.chanceSince);
			press.chanceSince = -1;
		} else if (press.chanceSince < 0) press.chanceSince = now;
	}

	#fault(name: string, lastsMs: number, begin: () => void, end: () => void): void {
		this.faults[name] = (this.faults[name] ?? 0) + 1;
		begin();
		this.#changed();
		this.time.after(lastsMs, () => {
			end();
			this.#changed();
		});
	}

	/** One of the things that happen to a house. */
	#something(): void {
		const peer = this.peers[this.random.below(this.peers.length)]!;
		const ms = 500 + this.random.below(this.random.next() < 0.7 ? 20_000 : 600_000);
		const isFine = peer.isUp && !peer.isDeaf;
		switch (this.random.below(8)) {
			case 0:
			case 1:
				if (this.device.isWifiUp)
					this.#fault(
						"wifi",
						ms,
						() => this.device.setWifi(false),
						() => this.device.setWifi(true),
					);
				return;
			case 2:
				if (isFine)
					this.#fault(
						"peerKilled",
						ms,
						() => peer.kill(),
						() => peer.start(),
					);
				return;
			case 3:
				if (isFine)
					this.#fault(
						"peerPowerCut",
						ms,
						() => peer.powerCut(),
						() => peer.start(),
					);
				return;
			case 4:
				if (isFine)
					this.#fault(
						"peerSilent",
						ms,
						() => peer.hang(),
						() => this.#replace(peer),
					);
				return;
			case 5:
				if (this.device.isPowered) this.#cutDevice();
				return;
			case 6:
				this.#fault(
					"clockStep",
					0,
					() => this.#stepClock(),
					() => {},
				);
				return;
			default:
				if (this.phonesThere)
					this.#fault(
						"phonesGone",
						ms,
						() => {
							this.phonesThere = false;
						},
						() => {
							this.phonesThere = true;
						},
					);
		}
	}

	/** A peer that hung is started anew. */
	#replace(peer: YearPeer): void {
		if (peer.isUp) peer.kill();
		peer.start();
	}

	#cutDevice(): void {
		if (this.#press !== undefined && this.#press.rangAt < 0) this.#press.wasCut = true;
		const back = (): void => this.device.powerOn();
		this.#fault("devicePowerCut", 1000 + this.random.below(10_000), () => this.device.powerCut(), back);
	}

	#stepClock(): void {
		const years = this.random.below(41) - 20;
		this.device.setClock(this.time.wallMs() + years * 365 * DAY_MS + this.random.below(DAY_MS));
		this.#unit?.setClock();
	}

	/** A visitor, if the device has power (without, the LED is dark and there is nothing to press). */
	#visitor(): boolean {
		const isReady = this.device.isPowered && this.device.led > 0;
		if (!isReady || this.#press !== undefined) return false;
		const { now } = this.time;
		const chanceSince = this.#canRing ? now : -1;
		this.#press = { at: now, rangAt: -1, chanceSince, bestChanceMs: 0, wasCut: false };
		this.device.finger();
		return true;
	}

	#leave(): void {
		const press = this.#press;
		if (press === undefined) return;
		this.#changed();
		if (press.chanceSince >= 0) press.bestChanceMs = Math.max(press.bestChanceMs, this.time.now - press.chanceSince);
		this.#press = undefined;
		this.#done.push(press);
	}

	run(): YearFigures {
		const { presses } = this.#options;
		const yearMs = 365 * DAY_MS;
		const apartMs = yearMs / presses;
		const start = this.time.now;
		while (this.#done.length < presses) {
			const at = start + this.#done.length * apartMs;
			this.time.advance(Math.max(0, at - this.time.now) + this.random.below(apartMs - 4 * RING_MS));
			// Trouble comes before, during and between visits; most of all when somebody is at the door.
			const before = this.random.below(3);
			for (let i = 0; i < before; i++) {
				this.#something();
				this.time.advance(this.random.below(20_000));
			}
			for (let wait = 0; !this.#visitor(); wait++) {
				if (wait > 1000) throw new Error("the device does not come back");
				this.time.advance(1000);
			}
			const during = this.random.below(2) === 0 ? this.random.below(20_000) : -1;
			if (during >= 0) {
				this.time.advance(during);
				this.#something();
			}
			this.time.advance(Math.max(0, this.#press!.at + RING_MS - this.time.now));
			this.#leave();
			// The next one comes when the ring is over.
			this.time.advance(20_000);
		}
		this.time.advance(Math.max(0, start + yearMs - this.time.now));
		return this.#figures(start);
	}

	#figures(start: number): YearFigures {
		const rang = this.#done.filter(({ rangAt }) => rangAt >= 0);
		const cut = this.#done.filter(({ rangAt, wasCut }) => rangAt < 0 && wasCut);
		const silent = this.#done.filter(({ rangAt, wasCut }) => rangAt < 0 && !wasCut);
		const missed = silent.filter(({ bestChanceMs }) => bestChanceMs >= CHANCE_MS);
		const waits = rang.map(({ at, rangAt }) => rangAt - at).sort((a, b) => a - b);
		const share = (p: number): number => Math.round(waits[Math.floor(waits.length * p)] ?? 0);
		const days = Math.round((this.time.now - start) / DAY_MS);
		const faults = Object.entries(this.faults).map(([name, count]) => `${name} ${count}`);
		const text = [
			`${this.#done.length} presses in ${days} days: ${rang.length} rang, ${missed.length} missed`,
			`  not counted as missed: ${silent.length - missed.length} without ${CHANCE_MS / 1000} s of Wi-Fi, peer and phone`,
			`  together within the ring time, ${cut.length} in which the device lost its power before phones rang`,
			`  press to ringing phone: p50 ${share(0.5)} ms, p90 ${share(0.9)} ms, p99 ${share(0.99)} ms`,
			`  faults: ${faults.join(", ")}; boots ${this.device.boots}; ${this.time.events} events`,
		].join("\n");
		const words = missed.map(
			({ at, bestChanceMs }) => `at ${Math.round(at)}: ${Math.round(bestChanceMs)} ms of chance`,
		);
		return { presses: this.#done.length, days, missed: words, faults: this.faults, p50Ms: share(0.5), text };
	}
}
