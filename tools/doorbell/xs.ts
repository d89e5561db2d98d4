/** A doorbell in the XS engine: the device's bundles, unchanged, with this process as their board. `ringlet doorbell --xs` starts it. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Microphone } from "../../hal/node/device/audio.ts";
import { readWav, resample, WavWriter } from "../../hal/node/device/wav.ts";
import type { UnitEvent, UnitStatus } from "../../targets/esp32/unit/types.ts";
import type { DeviceBundle } from "../device-build.ts";
import { hostBundles, type KeyValues, XsDeviceHost } from "../xs-host/device.ts";
import type { DoorbellCommand } from "./commands.ts";
import type { DoorbellOptions } from "./run.ts";
import { type DoorbellEvents, type RunningDoorbell, serveDoorbell } from "./serve.ts";

const SAMPLE_RATE = 8_000;
const TONE_PEAK = 10_362;

/** What the device's key-value partition holds, a file each; that a cut does no harm is the device's own care. */
class FileValues implements KeyValues {
	readonly #folder: string;

	constructor(folder: string) {
		this.#folder = folder;
		mkdirSync(folder, { recursive: true, mode: 0o700 });
	}

	#path(key: string): string {
		return join(this.#folder, Buffer.from(key).toString("hex"));
	}

	get(key: string): Uint8Array | undefined {
		try {
			return new Uint8Array(readFileSync(this.#path(key)));
		} catch {
			return undefined;
		}
	}

	set(key: string, value: Uint8Array): void {
		writeFileSync(this.#path(key), value, { mode: 0o600 });
	}

	delete(key: string): void {
		rmSync(this.#path(key), { force: true });
	}
}

class XsDoorbell implements RunningDoorbell {
	isNetworkUp = true;
	readonly #events: DoorbellEvents;
	readonly #speaker: WavWriter | undefined;
	#host: XsDeviceHost | undefined;

	constructor(options: DoorbellOptions, events: DoorbellEvents, bundles: readonly DeviceBundle[]) {
		const { pairing, secondEdge, logLevel, microphone, speaker, address } = options;
		this.#events = events;
		this.#speaker = speaker === undefined ? undefined : new WavWriter(speaker, SAMPLE_RATE);
		const fill = sourceOf(microphone);
		const start = XsDeviceHost.start({
			config: { ...(pairing === undefined ? {} : { pairing }), secondEdge, log: logLevel },
			storage: new FileValues(join(options.state, "nvs")),
			bundles,
			...(address === undefined ? {} : { address }),
			onEvent: (event) => events.onUnit(event as unknown as UnitEvent),
			onPin: (name, isOn) => {
				if (name === "led") events.onPin({ type: "led", led: 0, level: isOn ? 255 : 0 });
				else if (name === "buzzer") events.onPin({ type: "click" });
				else events.onPin({ type: name, isOn });
			},
			onLog: (line) => void process.stderr.write(`${line}\n`),
			onCapture: fill,
			onPlayout: (frame) => this.#speaker?.write(frame),
			onRestart: () => events.onRestart("the device asked for it"),
		});
		start.then(
			(host) => {
				this.#host = host;
			},
			(error: unknown) => {
				process.stderr.write(`ringlet: ${error instanceof Error ? error.message : String(error)}\n`);
				process.exit(1);
			},
		);
	}

	command(command: DoorbellCommand): void {
		const host = this.#host;
		if (host === undefined) return;
		switch (command.type) {
			case "press":
				host.button(command.button, true);
				setTimeout(() => host.button(command.button, false), command.ms);
				return;
			case "contact":
				host.contact(command.isOpen);
				return;
			case "network":
				this.isNetworkUp = command.isUp;
				host.network(command.isUp);
				return;
			case "pair":
				this.#ask(host.call({ call: "pair", code: command.code }));
				return;
			case "hangup":
				this.#ask(host.call({ call: "hangUp" }));
				return;
			case "settings":
				this.#ask(host.call({ call: "refreshSettings" }));
				return;
			case "status":
				this.#ask(host.status().then((status) => this.#events.onStatus(status as unknown as UnitStatus)));
				return;
			case "quit":
				return;
		}
	}

	#ask(answer: Promise<unknown>): void {
		answer.catch((error: unknown) => process.stderr.write(`ringlet: ${String(error)}\n`));
	}

	close(): void {
		const host = this.#host;
		this.#speaker?.close();
		if (host === undefined) return;
		this.#ask(
			host.close().then(() => {
				// What the engine complained of is a bug of ours: it must not pass unseen.
				if (host.stderr !== "") process.stderr.write(host.stderr);
			}),
		);
	}
}

function sourceOf(microphone: Microphone): (frame: Int16Array) => void {
	if ("silence" in microphone) return (frame) => frame.fill(0);
	let at = 0;
	if ("tone" in microphone) {
		const turn = (2 * Math.PI * microphone.tone) / SAMPLE_RATE;
		return (frame) => {
			for (let i = 0; i < frame.length; i++) frame[i] = Math.round(TONE_PEAK * Math.sin(turn * at++));
			at %= SAMPLE_RATE;
		};
	}
	const samples = resample(readWav(microphone.wav), SAMPLE_RATE);
	return (frame) => {
		for (let i = 0; i < frame.length; i++) {
			frame[i] = samples[at] ?? 0;
			at = (at + 1) % Math.max(1, samples.length);
		}
	};
}

const { isJson, ...options } = JSON.parse(process.argv[2] ?? "{}") as DoorbellOptions & { readonly isJson: boolean };
const bundles = await hostBundles();
await serveDoorbell((events) => new XsDoorbell(options, events, bundles), isJson);
