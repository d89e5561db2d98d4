/** The year of one door: presses and faults by a seed, and what the visitors found. */
import { Doorbell } from "../../core/device/doorbell.ts";
import type { CallEndCause, DoorOutput } from "../../core/device/types.ts";
import { UserAgent } from "../../core/sip/agent/agent.ts";
import type { AgentEvent } from "../../core/sip/agent/types.ts";
import { type Aor, readAor } from "../../core/usages/aor.ts";
import type { DeviceHal } from "../../hal/device.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { standInCrypto } from "../../hal/sim/crypto.ts";
import { SimDevice } from "../../hal/sim/device.ts";
import { LAN, type SimMachine, SimNetwork } from "../../hal/sim/network.ts";
import { type SeededRandom, seededRandom } from "../../hal/sim/random.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import { VirtualTime } from "../../hal/sim/time.ts";
import type { SipEdges } from "../../targets/esp32/unit/edges-part.ts";
import { MediaPart } from "../../targets/esp32/unit/media-part.ts";
import { SipPart } from "../../targets/esp32/unit/sip-part.ts";
import type { UnitContext } from "../../targets/esp32/unit/types.ts";

const DOMAIN = "home.example";
const SIP_PORT = 5061;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What the overlay promises of a device: a new connection is agreed on so fast, tried again so soon, a dead one noticed so late. */
const AGREE_MS = 200;
const RETRY_MS = 2000;
const DEAD_MS = 35_000;
const DOUBT_MS = 2000;
/** The visitor waits so long for phones to ring; the device's ring time. */
const RING_MS = 60_000;
/** A chance that is shorter is none: connecting takes a handshake, and trying again its pause. */
const CHANCE_MS = 15_000;

/** Connections to edges as EdgesPart keeps them, without the overlay. */
class YearEdges implements SipEdges {
	readonly own: Aor = readAor(`frontdoor@${DOMAIN}`)!;
	readonly #year: DoorYear;
	readonly #hal: DeviceHal;
	readonly #unit: YearUnit;
	/** By flow. */
	#open: { flow: number; peer: number; isUp: boolean; close(): void; write(bytes: Uint8Array): boolean }[] = [];
	readonly #doubted = new Set<number>();
	#lastFlow = 0;
	#isConnecting = false;
	#isOver = false;

	constructor(year: DoorYear, hal: DeviceHal, unit: YearUnit) {
		this.#year = year;
		this.#hal = hal;
		this.#unit = unit;
	}

	get count(): number {
		return this.#open.filter(({ isUp }) => isUp).length;
	}

	best(not = 0): number | undefined {
		const up = this.#open.filter(({ isUp, flow }) => isUp && flow !== not);
		return (up.find(({ flow }) => !this.#doubted.has(flow)) ?? up[0])?.flow;
	}

	/** Two connections, to two peers; one handshake at a time. */
	fill(): void {
		const wanted = Math.min(2, this.#year.peers.length);
		if (this.#isOver || this.#isConnecting || this.#open.length >= wanted) return;
		this.#isConnecting = true;
		const free = this.#year.peers.map((_, i) => i).filter((i) => !this.#open.some(({ peer }) => peer === i));
		const peer = free[this.#year.random.below(free.length)]!;
		this.#hal.timers.set(() => this.#connect(peer), AGREE_MS);
	}

	#connect(peer: number): void {
		// The overlay knows who lives: nobody is sent to a dead peer for long.
		const isSensible = this.#hal.network.address !== undefined && this.#year.peers[peer]!.isUp;
		if (this.#isOver || !isSensible) {
			this.#again();
			return;
		}
		const flow = ++this.#lastFlow;
		const connection = this.#hal.connectSecure({
			address: this.#year.peers[peer]!.machine.address,
			port: SIP_PORT,
			verify: () => true,
			onUp: () => {
				const entry = this.#open.find((one) => one.flow === flow);
				if (entry === undefined) return;
				entry.isUp = true;
				this.#unit.flowUp(flow, `sip:${this.own.text}`);
				this.#isConnecting = false;
				this.fill();
			},
			onBytes: (bytes) => {
				this.#doubted.delete(flow);
				this.#unit.octets(flow, bytes);
			},
			onDrained: () => {},
			onClosed: () => this.drop(flow),
		});
		const write = (bytes: Uint8Array): boolean => connection.write(bytes);
		this.#open.push({ flow, peer, isUp: false, close: () => connection.close(), write });
		this.#watch(flow, peer);
	}

	#again(): void {
		this.#isConnecting = false;
		if (!this.#isOver) this.#hal.timers.set(() => this.fill(), RETRY_MS);
	}

	/** What pings would find out: nobody answers any more. Looked at only where the model knows that it is so. */
	#watch(flow: number, peer: number): void {
		this.#year.onSilence(peer, () => {
			this.#hal.timers.set(() => this.drop(flow), DEAD_MS);
		});
	}

	/** A call found no answer: a ping with little patience. */
	doubt(flow: number): void {
		this.#doubted.add(flow);
		this.#hal.timers.set(() => {
			if (this.#doubted.has(flow)) this.drop(flow);
		}, DOUBT_MS);
	}

	drop(flow: number): void {
		const entry = this.#open.find((one) => one.flow === flow);
		if (entry === undefined) return;
		this.#open = this.#open.filter((one) => one !== entry);
		this.#doubted.delete(flow);
		entry.close();
		if (entry.isUp) this.#unit.flowDown(flow);
		else this.#isConnecting = false;
		this.#again();
	}

	send(flow: number, bytes: Uint8Array): boolean {
		return this.#open.find((one) => one.flow === flow)?.write(bytes) ?? false;
	}

	/** The network is gone: connections hang until somebody notices. */
	networkChanged(): void {
		if (this.#hal.network.address === undefined) {
			for (const { flow } of this.#open) this.#hal.timers.set(() => this.drop(flow), DOUBT_MS);
		} else this.fill();
	}

	end(): void {
		this.#isOver = true;
	}
}

/** What DeviceUnit composes, over modelled edges. The LED's rhythm is left out: nobody sees it here, and it is half of all events. */
class YearUnit implements UnitContext {
	readonly hal: DeviceHal;
	readonly #sip: SipPart;
	readonly #media: MediaPart;
	readonly #edges: YearEdges;
	readonly #door: Doorbell;
	#isAwake = false;
	#timer: object | number | undefined;
	#timerAt = Number.POSITIVE_INFINITY;

	constructor(year: DoorYear, hal: DeviceHal) {
		this.hal = hal;
		this.#door = new Doorbell({ buttons: hal.pins.buttons, domain: DOMAIN }, this.now());
		const handle: Doorbell["handle"] = (input) => this.#door.handle(input, this.now());
		const listener = {
			callProgress: (call: number, status: number) => handle({ type: "callProgress", call, status }, 0),
			callAnswered: (call: number) => handle({ type: "callAnswered", call, from: "" }, 0),
			callEnded: (call: number, cause: CallEndCause, status: number) =>
				handle({ type: "callEnded", call, cause, status }, 0),
			callIncoming: () => {},
			digitReceived: () => {},
			digitHeard: () => {},
			command: () => {},
		};
		this.#edges = new YearEdges(year, hal, this);
		this.#media = new MediaPart(this, listener, "frontdoor");
		this.#sip = new SipPart(this, listener, this.#edges, this.#media);
		hal.pins.led(0, 40);
		hal.pins.onButton((button, isDown) => {
			this.#door.handle({ type: "button", button, isDown }, this.now());
			this.wake();
		});
		hal.network.onChange(() => this.#edges.networkChanged());
		this.#edges.fill();
		this.wake();
	}

	flowUp(flow: number, contact: string): void {
		this.#sip.flowUp(flow, contact);
		this.#online();
	}

	flowDown(flow: number): void {
		this.#sip.flowDown(flow);
		this.#online();
	}

	octets(flow: number, bytes: Uint8Array): void {
		this.#sip.octets(flow, bytes);
		this.wake();
	}

	#online(): void {
		this.#door.handle({ type: "online", isOnline: this.#edges.count > 0 }, this.now());
		this.wake();
	}

	setClock(): void {
		this.#door.handle({ type: "clock", wallMs: this.hal.clock.wallMs() }, this.now());
		this.wake();
	}

	event(): void {}

	now(): number {
		return this.hal.clock.monotonicMs();
	}

	wake(): void {
		if (this.#isAwake) return;
		this.#isAwake = true;
		const now = this.now();
		for (let round = 0; round < 100; round++) {
			let worked = this.#sip.drain(now);
			for (let output = this.#door.poll(); output !== undefined; output = this.#door.poll()) {
				worked = true;
				this.#carryOut(output, now);
			}
			if (!worked) break;
		}
		this.#isAwake = false;
		const at = Math.min(this.#sip.deadline(), this.#media.deadline(), this.#door.deadline());
		if (at === this.#timerAt) return;
		if (this.#timer !== undefined) this.hal.timers.clear(this.#timer);
		this.#timerAt = at;
		this.#timer =
			at === Number.POSITIVE_INFINITY ? undefined : this.hal.timers.set(() => this.#due(), Math.max(0, at - now));
	}

	#carryOut(output: DoorOutput, now: number): void {
		if (output.type === "call") this.#sip.call(output.call, output.target, now);
		else if (output.type === "hangUp") this.#sip.hangUp(output.call, now);
		else if (output.type === "chime") this.hal.pins.chime(output.isOn);
		else if (output.type === "click") this.hal.pins.click();
	}

	#due(): void {
		this.#timerAt = Number.POSITIVE_INFINITY;
		this.#timer = undefined;
		const now = this.now();
		if (this.#sip.deadline() <= now) this.#sip.timeout(now);
		if (this.#media.deadline() <= now) this.#media.timeout(now);
		this.#door.handle({ type: "timeout" }, now);
		this.wake();
	}

	end(): void {
		this.#edges.end();
	}
}

/** A peer with its edge and its way to the phones. */
class YearPeer {
	readonly year: DoorYear;
	readonly machine: SimMachine;
	isUp = false;
	/** Takes octets and says nothing. */
	isDeaf = false;
	agent: UserAgent | undefined;
	readonly #streams = new Map<number, SimStream>();
	readonly #silence: (() => void)[] = [];
	#lastFlow = 0;
	#tickAt = Number.POSITIVE_INFINITY;

	constructor(year: DoorYear, address: string) {
		this.year = year;
		this.machine = year.network.machine(address);
	}

	start(): void {
		if (this.isUp) return;
		this.machine.powerOn();
		this.isUp = true;
		this.isDeaf = false;
		this.#streams.clear();
		this.#silence.length = 0;
		this.#tickAt = Number.POSITIVE_INFINITY;
		this.agent = new UserAgent({ crypto: this.year.crypto, aor: `sip:house@${DOMAIN}` });
		const peer = this;
		new SimListener({
			machine: this.machine,
			port: SIP_PORT,
			identity: { chain: [] },
			onReadable() {
				for (let from = this.read(); from !== undefined; from = this.read()) peer.#accept(from);
			},
		});
	}

	/** The process ends: connections see a reset. */
	kill(): void {
		this.isUp = false;
		this.machine.kill();
	}

	/** Nobody is told. */
	powerCut(): void {
		this.isUp = false;
		this.machine.powerOff();
		this.#tellSilence();
	}

	/** It hangs: connections stay, nothing comes. */
	hang(): void {
		this.isDeaf = true;
		this.#tellSilence();
	}

	onSilence(what: () => void): void {
		if (this.#silence.length < 100) this.#silence.push(what);
	}

	#tellSilence(): void {
		for (const what of this.#silence.splice(0)) what();
	}

	#accept(from: NonNullable<ReturnType<SimListener["read"]>>): void {
		const flow = ++this.#lastFlow;
		const { agent } = this;
		if (agent === undefined) return;
		const peer = this;
		const { time } = this.year;
		const stream = new SimStream({
			from,
			onReadable() {
				for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) {
					if (peer.isDeaf) continue;
					agent.handle({ type: "octets", flow, octets: bytes.slice() }, time.now);
					peer.#drain();
				}
			},
			onError() {
				if (!peer.#streams.delete(flow)) return;
				agent.handle({ type: "flowClosed", flow }, time.now);
				peer.#drain();
			},
		});
		this.#streams.set(flow, stream);
		this.#dropOldest(agent);
		const contact = `sip:house@${DOMAIN}`;
		agent.addFlow({ flow, transport: "overlay", localAddress: this.machine.address, localPort: SIP_PORT, contact });
	}

	/** A device that vanished without a word leaves its connections behind: an edge finds that out by its pings. */
	#dropOldest(agent: UserAgent): void {
		if (this.#streams.size <= 2) return;
		for (const [flow, stream] of this.#streams) {
			stream.close();
			this.#streams.delete(flow);
			agent.handle({ type: "flowClosed", flow }, this.year.time.now);
			return;
		}
	}

	#drain(): void {
		const { agent } = this;
		if (agent === undefined) return;
		for (let output = agent.poll(); output !== undefined; output = agent.poll()) {
			if (output.type === "transmit") {
				const head = new TextEncoder().encode(output.head);
				this.#streams.get(output.flow)?.write(Buffer.concat([head, output.body]));
			} else if (output.type === "close") this.#streams.get(output.flow)?.close();
			else this.#event(agent, output);
		}
		const at = agent.deadline();
		if (at === Number.POSITIVE_INFINITY || at >= this.#tickAt) return;
		this.#tickAt = at;
		const { time } = this.year;
		time.at(at, () => {
			if (agent !== this.agent || this.#tickAt !== at) return;
			this.#tickAt = Number.POSITIVE_INFINITY;
			agent.handle({ type: "timeout" }, time.now);
			this.#drain();
		});
	}

	#event(agent: UserAgent, event: AgentEvent): void {
		if (event.type !== "incoming") return;
		const { call } = event;
		const { year } = this;
		if (!year.phonesThere) {
			this.#do(agent, call, 5, (now) => agent.reject(call, 480, now));
			return;
		}
		this.#do(agent, call, 15, (now) => {
			agent.ring(call, now);
			year.rang();
		});
		const media = { address: this.machine.address, port: 40_000 };
		const isAnswered = year.random.next() < 0.5;
		if (isAnswered) this.#do(agent, call, 4000, (now) => agent.answer(call, media, now));
		if (isAnswered) this.#do(agent, call, 12_000, (now) => agent.hangUp(call, now));
	}

	#do(agent: UserAgent, call: number, ms: number, what: (now: number) => void): void {
		const { time } = this.year;
		time.after(ms, () => {
			if (agent !== this.agent || !this.isUp || this.isDeaf || agent.stateOf(call) === undefined) return;
			what(time.now);
			this.#drain();
		});
	}
}

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
