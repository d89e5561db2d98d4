/** The device of the year: what DeviceUnit composes, over modelled connections to edges. */
import { Doorbell } from "../../core/device/doorbell.ts";
import type { CallEndCause, DoorOutput } from "../../core/device/types.ts";
import { type Aor, readAor } from "../../core/usages/aor.ts";
import type { DeviceHal } from "../../hal/device.ts";
import type { SipEdges } from "../../targets/esp32/unit/edges-part.ts";
import { MediaPart } from "../../targets/esp32/unit/media-part.ts";
import { SipPart } from "../../targets/esp32/unit/sip-part.ts";
import type { UnitContext } from "../../targets/esp32/unit/types.ts";
import type { DoorYear } from "./year-support.ts";

export const DOMAIN = "home.example";
export const SIP_PORT = 5061;
/** What the overlay promises of a device: a new connection is agreed on so fast, tried again so soon, a dead one noticed so late. */
const AGREE_MS = 200;
const RETRY_MS = 2000;
const DEAD_MS = 35_000;
const DOUBT_MS = 2000;

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
export class YearUnit implements UnitContext {
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
