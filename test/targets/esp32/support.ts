/** A device on this machine, with its microphone, loudspeaker, flash and pins in the test's hands. */
import { onTestFinished } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { Audio, AudioUser, FlashStore } from "../../../hal/device.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { NodeDevice, type NodeDeviceOptions } from "../../../hal/node/device/device.ts";
import type { PinEvent } from "../../../hal/node/device/pins.ts";
import { nodeMediaCrypto } from "../../../hal/node/media-crypto.ts";
import { DeviceUnit } from "../../../targets/esp32/unit/device-unit.ts";
import { FlashKey, writeChain } from "../../../targets/esp32/unit/flash-state.ts";
import type { UnitEvent, UnitOptions } from "../../../targets/esp32/unit/types.ts";
import { TestLog, until } from "../pi/composed.ts";
import type { Realm } from "../pi/realm.ts";

/** Flash that is a map; survives the device. */
export class MapFlash implements FlashStore {
	readonly records = new Map<string, Uint8Array>();
	writes = 0;

	get(key: string): Uint8Array | undefined {
		return this.records.get(key)?.slice();
	}

	set(key: string, value: Uint8Array): boolean {
		this.writes++;
		this.records.set(key, value.slice());
		return true;
	}

	delete(key: string): void {
		this.records.delete(key);
	}
}

const FRAME_MS = 20;
const SAMPLES = 160;

/** Plays a sine of 1 kHz into the microphone and keeps what the loudspeaker gets. */
export class TestAudio implements Audio {
	readonly heard: number[] = [];
	volume = -1;
	#timer: NodeJS.Timeout | undefined;
	#phase = 0;

	start(user: AudioUser): boolean {
		this.stop();
		this.#timer = setInterval(() => {
			const frame = new Int16Array(SAMPLES);
			for (let i = 0; i < SAMPLES; i++) frame[i] = 8_000 * Math.sin((2 * Math.PI * 1_000 * this.#phase++) / 8_000);
			user.onCapture(frame);
			user.onPlayout(frame);
			this.heard.push(...frame);
		}, FRAME_MS);
		return true;
	}

	stop(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
	}

	get isOn(): boolean {
		return this.#timer !== undefined;
	}

	setVolume(volume: number): void {
		this.volume = volume;
	}
}

/** A flash with all that pairing leaves. */
export function pairedFlash(realm: Realm, identity: LocalIdentity, peers: readonly string[]): MapFlash {
	const flash = new MapFlash();
	flash.set(FlashKey.key, identity.key.exportPkcs8());
	flash.set(FlashKey.chain, writeChain(identity.chain));
	flash.set(FlashKey.config, realm.document);
	flash.set(FlashKey.settingsKey, new Uint8Array(32).fill(7));
	flash.set(FlashKey.peers, Buffer.from(peers.join("\n")));
	return flash;
}

export class TestDevice {
	readonly flash: FlashStore;
	readonly hal: NodeDevice;
	readonly unit: DeviceUnit;
	readonly audio = new TestAudio();
	readonly log = new TestLog();
	readonly events: UnitEvent[] = [];
	readonly pins: PinEvent[] = [];
	readonly restarts: string[] = [];

	constructor(flash: FlashStore, options: UnitOptions = {}, more: Partial<NodeDeviceOptions> = {}) {
		this.flash = flash;
		this.hal = new NodeDevice({
			crypto: { ...nodeCrypto(), ...nodeMediaCrypto() },
			flash,
			log: this.log.log,
			audio: this.audio,
			onPin: (event) => this.pins.push(event),
			onRestart: (reason) => this.restarts.push(reason),
			network: { address: "127.0.0.1", mdnsPort: 0 },
			...more,
		});
		this.unit = new DeviceUnit(this.hal, { ...options, onEvent: (event) => this.events.push(event) });
		onTestFinished(() => this.close());
	}

	of<T extends UnitEvent["type"]>(type: T): Extract<UnitEvent, { type: T }>[] {
		return this.events.filter((event): event is Extract<UnitEvent, { type: T }> => event.type === type);
	}

	/** A call has come so far. */
	async call(state: string): Promise<void> {
		await until(() => this.of("call").some((event) => event.state.startsWith(state)));
	}

	press(button = 0): void {
		this.hal.pins.press(button);
	}

	close(): void {
		this.unit.stop();
		this.audio.stop();
		this.hal.close();
	}
}
