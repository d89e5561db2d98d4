/**
 * A device, whole: takes a `DeviceHal` and nothing else of its machine, so the same class runs on the ESP32, on a PC and in the
 * simulator. It composes; what things mean is in the core.
 *
 *   start ─ paired? ─ no ─► PairingPart ─ certificate, document, settings key into flash ─┐
 *              │ yes ◄────────────────────────────────────────────────────────────────────┘
 *              └────► OverlayPart ── edges ──► SipPart ── calls ──► DoorPart ── pins, LED, flash
 *                                               └──── MediaPart ── audio ──────┘
 *
 * One timer for all machines. Whatever happens ends in `wake`: everything that follows from it is carried out, then the unit sleeps.
 */
import { readConfigDocument } from "../../../core/config/read.ts";
import type { PairingOutcome } from "../../../core/device/pairing.ts";
import { type PairingCode, readPairingCode } from "../../../core/device/pairing-code.ts";
import { enrollmentAddresses, wantsRenewal } from "../../../core/device/renewal.ts";
import type { CallEndCause, DoorTone, LedPattern } from "../../../core/device/types.ts";
import { readCertificate } from "../../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import {
	type DeviceSettings,
	decodeDeviceSettings,
	unsealDeviceSettings,
} from "../../../core/usages/device-settings.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import type { DeviceHal, TimerHandle } from "../../../hal/device.ts";
import { type DoorListener, DoorPart } from "./door-part.ts";
import { FlashKey, readIdentity, writeChain } from "./flash-state.ts";
import { MAX_ROUNDS, RENEWAL_CHECK_MS, RESTART_MS } from "./limits.ts";
import { type MediaListener, MediaPart } from "./media-part.ts";
import { type OverlayListener, OverlayPart } from "./overlay-part.ts";
import { type PairingListener, PairingPart } from "./pairing-part.ts";
import { type SipListener, SipPart } from "./sip-part.ts";
import type { UnitContext, UnitEvent, UnitOptions, UnitPart, UnitState, UnitStatus } from "./types.ts";

type Listeners = OverlayListener & SipListener & MediaListener & DoorListener & PairingListener;

export class DeviceUnit implements UnitContext, Listeners {
	readonly hal: DeviceHal;
	readonly #options: UnitOptions;
	#state: UnitState = "stopped";
	#identity: LocalIdentity | undefined;
	#overlay: OverlayPart | undefined;
	#sip: SipPart | undefined;
	#media: MediaPart | undefined;
	#door: DoorPart | undefined;
	/** While there is no certificate, and while the next one is fetched. */
	#pairing: PairingPart | undefined;
	#renewAt = Infinity;
	#parts: UnitPart[] = [];
	#settings: DeviceSettings | undefined;
	#timer: TimerHandle | undefined;
	#timerAt = Infinity;
	#isAwake = false;
	#isStopped = true;
	/** Since when nothing could have been rung. */
	#offlineAt = Infinity;

	constructor(hal: DeviceHal, options: UnitOptions = {}) {
		this.hal = hal;
		this.#options = options;
	}

	/** Begins: with what is in flash, or by waiting for a code. */
	start(): void {
		const { hal } = this;
		this.#isStopped = false;
		hal.pins.onButton((button, isDown) => this.#pin(() => this.#door?.handle({ type: "button", button, isDown })));
		hal.pins.onContact((isOpen) => this.#pin(() => this.#door?.handle({ type: "contact", isOpen })));
		hal.network.onChange((address) => this.#pin(() => this.#networkChanged(address)));
		const identity = readIdentity(hal);
		const document = hal.flash.get(FlashKey.config);
		const { pairing } = this.#options;
		if (identity !== undefined && document !== undefined) this.#run(identity, document);
		else this.#waitForCode();
		if (this.#identity === undefined && pairing !== undefined) this.pair(pairing);
		this.wake();
	}

	/** No certificate: only the LED speaks. */
	#waitForCode(): void {
		this.#door = new DoorPart(this, this, "", undefined);
		this.#parts = [this.#door];
		this.#setState("unpaired");
		// What the doorbell shows at its start comes first.
		this.#door.drain(this.now());
		this.#door.show("pairing", this.now());
	}

	/**
	 * Pairs with the household of this code; a device that is paired already changes over to it when the household has said yes. Gives
	 * the reason when the text is no code.
	 */
	pair(text: string): string | undefined {
		const invitation = readPairingCode(text);
		if (isRefused(invitation)) {
			this.notPaired(invitation.refused);
			return invitation.refused;
		}
		this.#beginPairing({ invitation });
		if (this.#identity === undefined) this.#setState("pairing");
		this.wake();
		return undefined;
	}

	#beginPairing(plan: { readonly invitation: PairingCode } | ConstructorParameters<typeof PairingPart>[2]): void {
		this.#endPairing();
		const part = new PairingPart(this, this, plan);
		this.#pairing = part;
		this.#parts.push(part);
	}

	#endPairing(): void {
		const part = this.#pairing;
		if (part === undefined) return;
		this.#pairing = undefined;
		part.close();
		this.#parts = this.#parts.filter((other) => other !== part);
	}

	#run(identity: LocalIdentity, document: Uint8Array): void {
		const { hal } = this;
		const read = readConfigDocument(document, hal.crypto);
		if (isRefused(read)) {
			hal.log("error", "unit.config", { reason: read.refused });
			this.#waitForCode();
			return;
		}
		const secondEdge = this.#options.secondEdge ?? true;
		const { config } = read;
		this.#identity = identity;
		this.#overlay = new OverlayPart({ context: this, listener: this, identity, config, document, secondEdge });
		this.#media = new MediaPart(this, this, identity.userName);
		this.#sip = new SipPart(this, this, this.#overlay.edges, this.#media);
		this.#settings = this.#storedSettings();
		this.#door = new DoorPart(this, this, this.#overlay.edges.own.domain, this.#settings);
		this.#parts = [this.#overlay, this.#sip, this.#door, this.#media];
		this.#setState("connecting");
		this.#offlineAt = this.now();
		this.#renewAt = this.now() + RENEWAL_CHECK_MS;
		this.#door.handle({ type: "online", isOnline: false });
		this.#overlay.start(this.now());
	}

	/** Ends everything; `start` begins anew. */
	stop(): void {
		if (this.#timer !== undefined) this.hal.timers.clear(this.#timer);
		this.#timer = undefined;
		this.#timerAt = Infinity;
		this.#sip?.hangUpAll(this.now());
		this.wake();
		this.#isStopped = true;
		this.#endPairing();
		this.#overlay?.close();
		this.hal.audio?.stop();
		this.#parts = [];
		this.#setState("stopped");
	}

	/** The machine has set the wall clock (SNTP). */
	setClock(): void {
		this.clockSet();
		this.wake();
	}

	/** Ends the calls, as if the visitor had gone. */
	hangUp(): void {
		this.#sip?.hangUpAll(this.now());
		this.wake();
	}

	/** Settings are fetched now rather than in some minutes. */
	refreshSettings(): void {
		this.#overlay?.refreshSettings(this.now());
		this.wake();
	}

	status(): UnitStatus {
		const identity = this.#identity;
		return {
			state: this.#state,
			user: identity?.userName ?? "",
			nodeId: identity === undefined ? "" : toHex(identity.nodeId),
			overlay: this.#overlay?.node.settings.config.instanceName ?? "",
			peer: this.#overlay?.peer ?? "",
			edges: this.#overlay?.edges.count ?? 0,
			isRegistered: this.#overlay?.isRegistered ?? false,
			isClockSet: this.hal.isClockSet,
			settingsRevision: this.#settings?.revision ?? 0,
			calls: this.#sip?.count ?? 0,
			door: this.#door?.state ?? "",
		};
	}

	// ---- UnitContext

	now(): number {
		return this.hal.clock.monotonicMs();
	}

	event(event: UnitEvent): void {
		this.#options.onEvent?.(event);
	}

	wake(): void {
		if (this.#isAwake || this.#isStopped) return;
		this.#isAwake = true;
		const now = this.now();
		// Choice: a machine that always has something to say is a bug of ours; the device must not hang over it.
		for (let round = 0; round < MAX_ROUNDS && this.#drain(now); round++);
		this.#isAwake = false;
		this.#sleep(now);
	}

	#drain(now: number): boolean {
		let worked = false;
		for (let i = 0; i < this.#parts.length; i++) if (this.#parts[i]!.drain(now)) worked = true;
		return worked;
	}

	#sleep(now: number): void {
		let at = Math.min(this.#offlineAt + RESTART_MS, this.#renewAt);
		for (let i = 0; i < this.#parts.length; i++) at = Math.min(at, this.#parts[i]!.deadline());
		if (at === this.#timerAt) return;
		if (this.#timer !== undefined) this.hal.timers.clear(this.#timer);
		this.#timerAt = at;
		this.#timer =
			at === Infinity ? undefined : this.hal.timers.set(() => this.#due(), Math.max(0, Math.ceil(at - now)));
	}

	#due(): void {
		this.#timer = undefined;
		this.#timerAt = Infinity;
		if (this.#isStopped) return;
		const now = this.now();
		for (let i = 0; i < this.#parts.length; i++) {
			if (this.#parts[i]!.deadline() <= now) this.#parts[i]!.timeout(now);
		}
		if (this.#offlineAt + RESTART_MS <= now) this.#startAnew(now);
		if (this.#renewAt <= now) this.#renewWhenDue(now);
		this.wake();
	}

	/** The last resort of a box on a wall: with a network and a certificate, and nobody reached for an hour. */
	#startAnew(now: number): void {
		this.#offlineAt = now;
		if (this.hal.network.address !== undefined && this.#state !== "revoked") this.hal.restart("offline for an hour");
	}

	/** At two thirds of the certificate's life the next one is asked for, with the same key. */
	#renewWhenDue(now: number): void {
		const { hal } = this;
		this.#renewAt = now + RENEWAL_CHECK_MS;
		const config = this.#overlay?.node.settings.config;
		const wallMs = hal.isClockSet ? hal.clock.wallMs() : Number.NaN;
		if (config === undefined || this.#identity === undefined || this.#pairing?.isActive === true) return;
		if (this.#state === "revoked" || !wantsRenewal(this.#identity.certificate, wallMs)) return;
		const root = config.rootCerts[0] === undefined ? undefined : readCertificate(config.rootCerts[0], hal.crypto);
		if (root === undefined || isRefused(root)) return;
		const { instanceName: overlayName } = config;
		const fingerprint = hal.crypto.hash("sha256", root.spki);
		const { userName } = this.#identity;
		this.#beginPairing({ renewal: { overlayName, fingerprint, userName, addresses: enrollmentAddresses(config) } });
	}

	#pin(run: () => void): void {
		if (this.#isStopped) return;
		run();
		this.wake();
	}

	#setState(state: UnitState): void {
		if (state === this.#state) return;
		this.#state = state;
		this.hal.log("info", "unit.state", { state });
		this.event({ type: "state", state });
	}

	#networkChanged(address: string | undefined): void {
		this.hal.log("info", "unit.network", { address });
		if (address !== undefined) this.#overlay?.networkUp(this.now());
	}

	#storedSettings(): DeviceSettings | undefined {
		const stored = this.hal.flash.get(FlashKey.settings);
		const settings = stored === undefined ? undefined : decodeDeviceSettings(stored);
		return settings === undefined || isRefused(settings) ? undefined : settings;
	}

	// ---- PairingListener

	/** What was brought goes into flash, the certificate last: without it a power cut leaves a device that asks again with its key. */
	paired(outcome: PairingOutcome): void {
		const { flash } = this.hal;
		const isRenewal = outcome.settingsKey === undefined;
		let isWritten = true;
		if (!isRenewal) {
			flash.delete(FlashKey.chain);
			for (const key of [FlashKey.settings, FlashKey.peers, FlashKey.releases, FlashKey.commands]) flash.delete(key);
			isWritten = flash.set(FlashKey.settingsKey, outcome.settingsKey ?? new Uint8Array(0));
			isWritten = flash.set(FlashKey.config, outcome.document) && isWritten;
		}
		isWritten = flash.set(FlashKey.chain, writeChain([outcome.certificate])) && isWritten;
		this.#endPairing();
		if (!isWritten) {
			this.notPaired("the flash does not take what the household has sent");
			return;
		}
		const identity = readIdentity(this.hal);
		this.event({
			type: "paired",
			user: outcome.userName,
			nodeId: identity === undefined ? "" : toHex(identity.nodeId),
		});
		if (isRenewal && identity !== undefined && this.#overlay?.renew(identity) === true) this.#identity = identity;
		else this.#begin(outcome.document);
	}

	/** The new household's from here on. */
	#begin(document: Uint8Array): void {
		this.#overlay?.close();
		const identity = readIdentity(this.hal);
		if (identity === undefined) this.#waitForCode();
		else this.#run(identity, document);
	}

	notPaired(reason: string): void {
		this.event({ type: "pairingFailed", reason });
		this.#endPairing();
		if (this.#identity !== undefined) return;
		this.#setState("unpaired");
		this.#door?.show("pairingFailed", this.now());
	}

	/** A device that rings goes on showing what it does. */
	pairingLed(pattern: LedPattern): void {
		if (this.#identity === undefined) this.#door?.show(pattern, this.now());
	}

	// ---- OverlayListener

	edgeUp(flow: number, contact: string): void {
		this.#sip?.flowUp(flow, contact);
		this.#online();
	}

	edgeDown(flow: number): void {
		this.#sip?.flowDown(flow);
		this.#online();
	}

	#online(): void {
		const isOnline = (this.#overlay?.edges.count ?? 0) > 0;
		// Revoked, it stays so until an edge takes it again.
		if (isOnline === (this.#state === "online") || (this.#state === "revoked" && !isOnline)) return;
		this.#offlineAt = isOnline ? Infinity : this.now();
		this.#setState(isOnline ? "online" : "offline");
		this.#door?.handle({ type: "online", isOnline });
	}

	edgeOctets(flow: number, bytes: Uint8Array): void {
		this.#sip?.octets(flow, bytes);
	}

	settingsFound(sealed: Uint8Array): void {
		const { hal } = this;
		const settingsKey = hal.flash.get(FlashKey.settingsKey);
		const lastRevision = this.#settings?.revision ?? 0;
		if (settingsKey === undefined || this.#identity === undefined) return;
		const options = { crypto: hal.crypto, settingsKey, deviceName: this.#identity.userName, lastRevision };
		const plain = unsealDeviceSettings(sealed, options);
		const settings = isRefused(plain) ? plain : decodeDeviceSettings(plain);
		if (isRefused(settings) || isRefused(plain)) {
			hal.log("warn", "unit.settings", { reason: isRefused(settings) ? settings.refused : "" });
			return;
		}
		// An older record that somebody stored again must not bring old codes back.
		if (settings.revision <= lastRevision) return;
		this.#settings = settings;
		if (!hal.flash.set(FlashKey.settings, plain)) hal.log("warn", "unit.flash", { key: FlashKey.settings });
		this.#door?.handle({ type: "settings", settings });
		this.event({ type: "settings", revision: settings.revision });
	}

	revoked(): void {
		this.#setState("revoked");
		this.#door?.handle({ type: "online", isOnline: false });
		this.#door?.show("revoked", this.now());
	}

	clockSet(): void {
		const wallMs = this.hal.clock.wallMs();
		this.#overlay?.setClock(wallMs, this.now());
		this.#pairing?.setClock(wallMs, this.now());
		this.#door?.handle({ type: "clock", wallMs });
	}

	// ---- SipListener

	callProgress(call: number, status: number): void {
		this.event({ type: "call", call, state: "progress", status });
		this.#door?.handle({ type: "callProgress", call, status });
	}

	callAnswered(call: number): void {
		this.event({ type: "call", call, state: "answered", status: 200 });
		this.#door?.handle({ type: "callAnswered", call, from: "" });
	}

	callEnded(call: number, cause: CallEndCause, status: number): void {
		this.event({ type: "call", call, state: `ended ${cause}`, status });
		this.#door?.handle({ type: "callEnded", call, cause, status });
	}

	callIncoming(call: number, from: string): void {
		this.event({ type: "call", call, state: `incoming ${from}`, status: 0 });
		this.#door?.handle({ type: "callIncoming", call, from });
	}

	digitReceived(call: number, digit: string): void {
		this.event({ type: "digit", call, digit, way: "info" });
		this.#door?.handle({ type: "digit", call, digit, way: "info" });
	}

	command(id: string, from: string, text: string): void {
		this.#door?.handle({ type: "command", id, from, text });
	}

	// ---- MediaListener

	digitHeard(call: number, digit: string): void {
		this.event({ type: "digit", call, digit, way: "rtp" });
		this.#door?.handle({ type: "digit", call, digit, way: "rtp" });
		this.wake();
	}

	// ---- DoorListener

	call(call: number, target: string): void {
		this.#sip?.call(call, target, this.now());
	}

	hangUpCall(call: number): void {
		this.#sip?.hangUp(call, this.now());
	}

	answer(call: number): void {
		this.#sip?.answer(call, this.now());
	}

	ring(call: number): void {
		this.#sip?.ring(call, this.now());
	}

	reject(call: number, status: number): void {
		this.#sip?.reject(call, status, this.now());
	}

	tone(name: DoorTone): void {
		this.#media?.tone(name, this.now());
	}

	mute(isMuted: boolean): void {
		this.#media?.setMuted(isMuted);
	}

	volume(volume: number): void {
		this.#media?.setVolume(volume);
	}

	reply(id: string, status: number): void {
		this.#sip?.reply(id, status, this.now());
	}
}
