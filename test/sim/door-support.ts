/**
 * A house in the simulator: real peers, the real device, and behind each peer an edge with phones. Overlay, links, registrations, AppAttach
 * and SIP are the product's own on both sides; the model is the edge: one SIP endpoint that answers as the household's phones would
 * (core/sip's proxy and forking have their own tests). Signatures are the simulator's stand-in, or real ones (`crypto: "real"`).
 */

import { DEVICE_SETTINGS_KIND } from "../../core/config/kinds.ts";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { isRefused } from "../../core/machine.ts";
import { EXP_OVERLAY } from "../../core/overlay/topology/index.ts";
import { UserAgent } from "../../core/sip/agent/agent.ts";
import type { AgentEvent } from "../../core/sip/agent/types.ts";
import { type DeviceSettings, defaultDeviceSettings } from "../../core/usages/device-settings.ts";
import { sealDeviceSettings } from "../../core/usages/device-settings-seal.ts";
import { hostedDestinations, registerRoute } from "../../core/usages/sip.ts";
import { toHex, utf8ToBytes } from "../../core/wire/bytes.ts";
import type { DeviceHal } from "../../hal/device.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { simCrypto, standInCrypto } from "../../hal/sim/crypto.ts";
import { SimDevice, type SimDeviceOptions } from "../../hal/sim/device.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import { DeviceUnit } from "../../targets/esp32/unit/device-unit.ts";
import { FlashKey, writeChain } from "../../targets/esp32/unit/flash-state.ts";
import type { UnitEvent, UnitOptions } from "../../targets/esp32/unit/types.ts";
import type { Member } from "../../targets/sim/member.ts";
import { World, type WorldOptions } from "../../targets/sim/world.ts";

export const SIP_PORT = 5061;
const SETTINGS_KEY = new Uint8Array(32).fill(5);
const REGISTRATION_S = 3600;
const REFRESH_MS = 1_500_000;
const RETRY_MS = 2000;
/** Port that the phones' session descriptions name; nobody listens. */
const RTP_PORT = 40_000;

/** What the phones of the house do, milliseconds after the call came. */
export interface Phones {
	/** None is registered: 480. */
	areThere: boolean;
	ringMs: number;
	/** `undefined`: nobody answers. */
	answerMs: number | undefined;
	/** After the answer. */
	byeMs: number | undefined;
	/** A final answer instead of ringing. */
	status: number;
	/** The edges take octets and never say a word. */
	isSilent: boolean;
}

/** One peer's edge. */
export class HouseEdge {
	readonly house: DoorHouse;
	readonly member: Member;
	agent: UserAgent;
	/** Flows by number, of this life. */
	readonly #streams = new Map<number, SimStream>();
	#identity: LocalIdentity;
	#lastFlow = 0;
	#life = -1;

	constructor(house: DoorHouse, member: Member) {
		this.house = house;
		this.member = member;
		this.#identity = house.world.household.enroll(`house@${house.domain}`);
		this.agent = this.#newAgent();
	}

	#newAgent(): UserAgent {
		return new UserAgent({ crypto: this.house.world.cryptoFor(), aor: `sip:house@${this.house.domain}` });
	}

	get isUp(): boolean {
		return this.member.running && this.#life === this.member.machine.life;
	}

	/** After each start of the member's process. */
	start(): void {
		const { member, house } = this;
		const { machine } = member;
		this.#life = machine.life;
		this.#streams.clear();
		this.agent = this.#newAgent();
		member.do((node) => node.addIdentity(this.#identity));
		const serverName = `${toHex(this.#identity.nodeId)}.${house.domain}`;
		const edge = this;
		new SimListener({
			machine,
			port: SIP_PORT,
			identity: member.identity,
			identities: new Map([[serverName, this.#identity]]),
			onReadable() {
				for (let from = this.read(); from !== undefined; from = this.read()) edge.#accept(from);
			},
		});
		this.#register();
		this.#tick();
	}

	/** The house's registration at this peer, stored and stored again. */
	#register(): void {
		const { member } = this;
		const { nodeId, userName } = this.#identity;
		const who = { userName, nodeId, resourceHash: (name: Uint8Array) => member.node.resourceId(name) };
		const destinations = hostedDestinations(member.id, nodeId);
		const store = registerRoute(who, { destinations, lifetimeS: REGISTRATION_S });
		if (isRefused(store)) throw new Error(store.refused);
		if (!member.joined) {
			this.#later(RETRY_MS, () => this.#register());
			return;
		}
		const token = member.do((node, now) => node.store(store.resourceId, store.kinds, now, { as: nodeId }));
		this.#later(10_000, () => {
			const result = member.results.get(token);
			member.results.delete(token);
			this.#later(result?.ok === true ? REFRESH_MS : RETRY_MS, () => this.#register());
		});
	}

	#later(ms: number, what: () => void): void {
		const life = this.#life;
		this.house.world.time.after(ms, () => {
			if (life === this.member.machine.life && this.member.running) what();
		});
	}

	#accept(from: NonNullable<ReturnType<SimListener["read"]>>): void {
		const flow = ++this.#lastFlow;
		const { house } = this;
		const { time } = house.world;
		const edge = this;
		const stream = new SimStream({
			from,
			onReadable() {
				for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) {
					if (house.phones.isSilent) continue;
					edge.agent.handle({ type: "octets", flow, octets: bytes.slice() }, time.now);
					edge.#drain();
				}
			},
			onError() {
				if (!edge.#streams.delete(flow)) return;
				edge.agent.handle({ type: "flowClosed", flow }, time.now);
				edge.#drain();
			},
		});
		this.#streams.set(flow, stream);
		this.#dropOldest();
		const contact = `sip:house@${this.house.domain}`;
		const localAddress = this.member.machine.address;
		this.agent.addFlow({ flow, transport: "overlay", localAddress, localPort: SIP_PORT, contact });
	}

	/** A device that vanished without a word leaves its connections behind: an edge finds that out by its pings. */
	#dropOldest(): void {
		if (this.#streams.size <= 2) return;
		for (const [flow, stream] of this.#streams) {
			stream.close();
			this.#streams.delete(flow);
			this.agent.handle({ type: "flowClosed", flow }, this.house.world.time.now);
			return;
		}
	}

	/** Flows from devices. */
	get flows(): number[] {
		return [...this.#streams.keys()];
	}

	#drain(): void {
		for (let output = this.agent.poll(); output !== undefined; output = this.agent.poll()) {
			if (output.type === "transmit") {
				const bytes = new Uint8Array(output.head.length + output.body.length);
				for (let i = 0; i < output.head.length; i++) bytes[i] = output.head.charCodeAt(i);
				bytes.set(output.body, output.head.length);
				this.#streams.get(output.flow)?.write(bytes);
			} else if (output.type === "close") {
				this.#streams.get(output.flow)?.close();
				this.#streams.delete(output.flow);
			} else this.#event(output);
		}
		this.#tick();
	}

	#tickAt = Number.POSITIVE_INFINITY;

	#tick(): void {
		const at = this.agent.deadline();
		const { time } = this.house.world;
		if (at === Number.POSITIVE_INFINITY || (at >= this.#tickAt && this.#tickAt > time.now)) return;
		this.#tickAt = at;
		const { agent } = this;
		time.at(at, () => {
			if (agent !== this.agent || this.#tickAt !== at || !this.isUp) return;
			this.#tickAt = Number.POSITIVE_INFINITY;
			agent.handle({ type: "timeout" }, time.now);
			this.#drain();
		});
	}

	/** Something the phones do, if the call still lives. */
	#do(call: number, ms: number, what: (now: number) => void): void {
		this.#later(ms, () => {
			if (this.agent.stateOf(call) === undefined) return;
			what(this.house.world.time.now);
			this.#drain();
		});
	}

	#event(event: AgentEvent): void {
		if (event.type === "incoming") this.#incoming(event.call);
		else if (event.type === "sent") this.house.answers.push({ status: event.status, at: this.house.world.time.now });
	}

	#incoming(call: number): void {
		const { phones } = this.house;
		const { ringMs, answerMs, byeMs, status } = phones;
		if (!phones.areThere || status !== 0) {
			this.#do(call, 5, (now) => this.agent.reject(call, phones.areThere ? status : 480, now));
			return;
		}
		this.#do(call, ringMs, (now) => {
			this.agent.ring(call, now);
			this.house.rang(this.member);
		});
		if (answerMs === undefined) return;
		const media = { address: this.member.machine.address, port: RTP_PORT };
		this.#do(call, answerMs, (now) => {
			this.agent.answer(call, media, now);
			this.house.talks++;
			this.house.onAnswer(this, call);
			if (byeMs !== undefined) this.#do(call, byeMs, (later) => this.agent.hangUp(call, later));
		});
	}

	/** The household's settings of the device, sealed, into the overlay. */
	storeSettings(changes: Partial<DeviceSettings>, settingsKey = SETTINGS_KEY): void {
		const { house, member } = this;
		const crypto = { ...house.world.cryptoFor(), ...nodeMediaCrypto() };
		const settings = { ...defaultDeviceSettings(), revision: 1, ...changes };
		const sealed = sealDeviceSettings(settings, { crypto, settingsKey, deviceName: house.user });
		if (!(sealed instanceof Uint8Array)) throw new Error(sealed.refused);
		const resourceId = member.node.resourceId(utf8ToBytes(`house@${house.domain}`));
		const value = { key: utf8ToBytes(house.user), exists: true, value: sealed, lifetimeS: 86_400 };
		const kinds = [{ kind: DEVICE_SETTINGS_KIND, values: [value] }];
		const result = member.ask((node, now) => node.store(resourceId, kinds, now, { as: this.#identity.nodeId }));
		if (!result.ok) throw new Error(`settings are not stored: ${result.errorCode} ${result.info}`);
	}

	/** Octets that are no SIP, to every device here. */
	babble(): void {
		for (const stream of this.#streams.values()) stream.write(new Uint8Array(3000).fill(0xff));
	}

	/** A phone calls the device over the flow it has here. */
	callDevice(flow: number): number | undefined {
		const media = { address: this.member.machine.address, port: RTP_PORT };
		const uri = `sip:${this.house.user}`;
		const from = `sip:anna@${this.house.domain}`;
		const call = this.agent.invite({ flow, uri, media, from }, this.house.world.time.now);
		this.#drain();
		return call;
	}

	hangUp(call: number): void {
		this.agent.hangUp(call, this.house.world.time.now);
		this.#drain();
	}

	/** A DTMF digit by INFO. */
	digit(call: number, digit: string): void {
		const body = new TextEncoder().encode(`Signal=${digit}\r\nDuration=160\r\n`);
		this.agent.info(call, "application/dtmf-relay", body, this.house.world.time.now);
		this.#drain();
	}

	/** A text message of a resident. */
	message(flow: number, text: string, from = `sip:anna@${this.house.domain}`): void {
		const body = new TextEncoder().encode(text);
		const uri = `sip:${this.house.user}`;
		this.agent.message({ flow, uri, from, contentType: "text/plain", body }, this.house.world.time.now);
		this.#drain();
	}
}

export interface DoorHouseOptions extends Partial<WorldOptions> {
	readonly seed: number;
	readonly peers?: number;
	readonly unit?: UnitOptions;
	readonly device?: Partial<SimDeviceOptions>;
}

/** Peers, edges, phones, and one device at the door. */
export class DoorHouse {
	readonly world: World;
	readonly edges: HouseEdge[] = [];
	readonly device: SimDevice;
	readonly domain: string;
	readonly user: string;
	unit: DeviceUnit | undefined;
	readonly events: UnitEvent[] = [];
	phones: Phones = { areThere: true, ringMs: 20, answerMs: 2000, byeMs: 3000, status: 0, isSilent: false };
	onAnswer: (edge: HouseEdge, call: number) => void = () => {};
	/** Answers to what the edges have sent to the device. */
	readonly answers: { status: number; at: number }[] = [];
	/** When phones began to ring, the last time, and how often. */
	rangAt = Number.NEGATIVE_INFINITY;
	rings = 0;
	talks = 0;
	/** Log lines of warnings, by name. */
	readonly warnings = new Map<string, number>();

	constructor(options: DoorHouseOptions) {
		const { peers = 3 } = options;
		// A house: everybody links with everybody, the topology for homes.
		this.world = new World({ plugin: EXP_OVERLAY, sipPort: SIP_PORT, ...options });
		this.domain = this.world.household.overlayName;
		this.user = `frontdoor@${this.domain}`;
		this.world.found(peers);
		for (const member of this.world.members.filter(({ role }) => role === "peer")) {
			const edge = new HouseEdge(this, member);
			this.edges.push(edge);
			edge.start();
		}
		this.world.advance(3000);
		this.device = this.#hang(options);
		this.device.powerOn();
	}

	/** The box gets its certificate, as pairing would leave it in flash, and is hung at the door. */
	#hang(options: DoorHouseOptions): SimDevice {
		const { world } = this;
		const { household } = world;
		const signing = options.crypto === "real" ? simCrypto : standInCrypto;
		const crypto = { ...signing(world.random.fork()), ...nodeMediaCrypto() };
		const device = new SimDevice({
			machine: world.network.machine("10.9.9.9"),
			crypto,
			boot: (hal) => this.#boot(hal, options.unit),
			announced: this.edges.map(({ member }) => ({ ...member.endpoint, text: { overlay: this.domain } })),
			log: (level, event) => {
				if (level === "warn" || level === "error") this.warnings.set(event, (this.warnings.get(event) ?? 0) + 1);
			},
			...options.device,
		});
		const identity = household.enroll(this.user);
		device.flash.set(FlashKey.key, identity.key.exportPkcs8());
		device.flash.set(FlashKey.chain, writeChain(identity.chain));
		device.flash.set(FlashKey.config, household.document);
		device.flash.set(FlashKey.settingsKey, SETTINGS_KEY);
		return device;
	}

	#boot(hal: DeviceHal, options: UnitOptions = {}): void {
		const unit = new DeviceUnit(hal, {
			...options,
			onEvent: (event) => {
				this.events.push(event);
				if (this.events.length > 2000) this.events.splice(0, 1000);
			},
		});
		this.unit = unit;
		unit.start();
	}

	get state(): string {
		return this.unit?.status().state ?? "off";
	}

	get door(): string {
		return this.unit?.status().door ?? "off";
	}

	rang(_member: Member): void {
		this.rangAt = this.world.time.now;
		this.rings++;
	}

	advance(ms: number): void {
		this.world.advance(ms);
	}

	until(condition: () => boolean, withinMs: number, what: string): number {
		return this.world.until(condition, withinMs, what);
	}

	/** Lets time pass until a press would ring. */
	online(withinMs = 120_000): number {
		return this.until(() => this.state === "online", withinMs, "the device is online");
	}

	/** The edge of a peer by its Node-ID in hex. */
	edgeOf(nodeId: string): HouseEdge | undefined {
		return this.edges.find(({ member }) => toHex(member.id) === nodeId);
	}

	/** Edges that the device is connected to now, the first one first. */
	connected(): HouseEdge[] {
		const up: string[] = [];
		const byFlow = new Map<number, string>();
		for (const event of this.events) {
			if (event.type !== "edge") continue;
			if (event.isUp) byFlow.set(event.flow, event.peer);
			else byFlow.delete(event.flow);
		}
		for (const peer of byFlow.values()) up.push(peer);
		return up.map((peer) => this.edgeOf(peer)).filter((edge): edge is HouseEdge => edge !== undefined);
	}

	/** Presses and lets time pass until phones ring; how long that took. */
	pressRings(withinMs: number, what = "phones ring"): number {
		const before = this.rings;
		const start = this.world.time.now;
		this.device.finger();
		this.until(() => this.rings > before, withinMs, what);
		return this.world.time.now - start;
	}

	/** Until the door is at rest. */
	rest(): void {
		this.until(() => this.door === "idle", 300_000, "the door is at rest");
		this.advance(5000);
	}

	/** Nobody else is there: it founds the overlay again, as targets/pi does for the survivor of a house. */
	restartPeer(edge: HouseEdge): void {
		const isAlone = !this.edges.some((other) => other !== edge && other.member.running);
		edge.member.restart(isAlone);
		edge.start();
	}
}
