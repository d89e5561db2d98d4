/**
 * A device in the XS engine: the bundles of tools/device-build.ts, unchanged, with this process as their board. TLS is Node's (the engine
 * has no `ssl/*`), everything above it is the device's own. Usage:
 *
 * ```ts
 * const device = await XsDeviceHost.start({ config: { pairing: url }, storage: new Map(), onEvent(event) { ... } });
 * device.button(0, true);
 * ```
 */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { p256 } from "@noble/curves/nist.js";
import { build } from "esbuild";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { NodeSecure } from "../../hal/node/device/secure.ts";
import { buildDevice, type DeviceBundle, projectFolder } from "../device-build.ts";
import { answerQuestion, message, type QuestionHead, type Result } from "./question.ts";
import { type XsHeap, XsWorker } from "./worker.ts";

/** As much of a Map as the device's storage needs; one that writes files makes it last. */
export interface KeyValues {
	get(key: string): Uint8Array | undefined;
	set(key: string, value: Uint8Array): unknown;
	delete(key: string): unknown;
}

export interface XsDeviceHostOptions {
	/** mc/config of the program: `pairing`, `log`. `isClockUnset`: the device's clock begins at 1970. */
	readonly config?: Readonly<Record<string, unknown>>;
	readonly storage?: KeyValues;
	/** The address the device believes to have; default 127.0.0.1. */
	readonly address?: string;
	/** Of the unit: targets/esp32/unit/types.ts. */
	readonly onEvent?: (event: Readonly<Record<string, unknown>>) => void;
	/** An output changed: "led", "relay", "chime" or "buzzer". */
	readonly onPin?: (name: PinName, isOn: boolean) => void;
	readonly onLog?: (line: string) => void;
	/** 160 samples for the loudspeaker. */
	readonly onPlayout?: (frame: Int16Array, volume: number) => void;
	/** Fills 160 samples of the microphone; silence when absent. */
	readonly onCapture?: (frame: Int16Array) => void;
	/** The device wants to start anew; its worker has ended. Start another one with the same storage. */
	readonly onRestart?: () => void;
	/** Count slots before the program runs, into `baseline`. */
	readonly isMeasured?: boolean;
	/** The bundles, when they were made before. */
	readonly bundles?: readonly DeviceBundle[];
}

export type PinName = "led" | "relay" | "chime" | "buzzer";

/** Pins of targets/esp32/boards/lin.ts. */
const CONTACT = 4;
const OUTPUTS: Readonly<Record<number, PinName>> = Object.freeze({ 5: "led", 6: "relay", 7: "chime", 8: "buzzer" });
/** bundle -> the module it is on a PC */
const MODULES: Readonly<Record<string, string>> = Object.freeze({
	main: "main",
	core: "ringlet/core",
	hal: "ringlet/hal",
	"network-lin": "ringlet/network",
	"boards/lin": "ringlet/board",
});
const FRAME_OCTETS = 320;
const FRAME_MS = 20;
/** Frames that are made up for when this process was late. */
const MAX_LATE_FRAMES = 10;

interface Question extends QuestionHead {
	readonly id: number;
	readonly ms: number;
	readonly what: string;
	readonly name: string;
	readonly key: string;
	readonly address: string;
	readonly port?: number;
	readonly multicast?: string;
	readonly serverName?: string;
	readonly pin: number;
	readonly value: number;
	readonly volume: number;
}

/** The bundles that are linked on a PC. */
export function hostBundles(target?: string): Promise<DeviceBundle[]> {
	return buildDevice({ only: Object.keys(MODULES), ...(target === undefined ? {} : { target }) });
}

/** The program around them. */
export async function hostProgram(): Promise<string> {
	const result = await build({
		absWorkingDir: projectFolder(),
		entryPoints: ["tools/xs-host/xs/start.ts"],
		bundle: true,
		write: false,
		format: "iife",
		target: "es2020",
		logLevel: "warning",
	});
	return result.outputFiles[0]!.text;
}

/** Signs a digest; the device's nonce must be that of RFC 6979, which is noble's as well. */
function signWith(secret: Uint8Array, nonce: Uint8Array, digest: Uint8Array): Uint8Array {
	const signature = p256.sign(digest, secret, { prehash: false, lowS: false, format: "compact" });
	const point = p256.getPublicKey(nonce, false);
	if (!Buffer.from(signature.subarray(0, 32)).equals(Buffer.from(point.subarray(1, 33))))
		throw new Error("another nonce");
	return p256.Signature.fromBytes(signature, "compact").toBytes("der");
}

export class XsDeviceHost {
	readonly #options: XsDeviceHostOptions;
	readonly #worker: XsWorker;
	readonly #storage: KeyValues;
	readonly #timers = new Map<number, NodeJS.Timeout>();
	readonly #links = new Map<number, NodeSecure>();
	readonly #sockets = new Map<number, Socket>();
	/** pin -> its number in the engine */
	readonly #pins = new Map<number, number>();
	#audioIn = 0;
	#audioOut = 0;
	#audioTimer: NodeJS.Timeout | undefined;
	#audioAt = 0;
	readonly #playout = new Uint8Array(FRAME_OCTETS);
	#played = 0;
	#isUp = true;
	#isOver = false;
	/** Steps of the engine in the last event: the same work costs the same on every machine. */
	lastSteps = 0;
	/** The heap with all bundles loaded and nothing of them running: what is above it is what the device keeps in RAM. */
	baseline: XsHeap | undefined;
	/** Handshakes begun, for tests. */
	handshakes = 0;

	private constructor(options: XsDeviceHostOptions) {
		this.#options = options;
		this.#storage = options.storage ?? new Map<string, Uint8Array>();
		this.#worker = new XsWorker({ onCall: (question) => this.#answer(question) });
	}

	/** Starts the device: resolves when its program runs. */
	static async start(options: XsDeviceHostOptions = {}): Promise<XsDeviceHost> {
		const host = new XsDeviceHost(options);
		const bundles = options.bundles ?? (await hostBundles());
		const texts = Object.fromEntries(bundles.map((bundle) => [MODULES[bundle.name]!, bundle.text]));
		await host.#worker.evaluate(`${await hostProgram()};0`);
		const config = JSON.stringify(options.config ?? {});
		await host.#worker.evaluate(`globalThis.ringletDevice = ringletLink(${config}, ${JSON.stringify(texts)});0`);
		await host.#worker.evaluate(`globalThis.ringletMain = ringletDevice.importNow("main");0`);
		if (options.isMeasured === true) host.baseline = await host.heap();
		await host.#worker.evaluate("ringletMain.default();0");
		return host;
	}

	/** A bell button goes down or up; raw, as from the pin. */
	button(button: number, isDown: boolean): void {
		this.#setPin(button, isDown);
	}

	contact(isOpen: boolean): void {
		this.#setPin(CONTACT, isOpen);
	}

	/** Takes the network away, or gives it back. */
	network(isUp: boolean): void {
		this.#isUp = isUp;
		if (isUp) return;
		for (const [id, link] of this.#links) {
			link.close();
			this.#tell({ id, type: "closed", reason: "no network" });
		}
		this.#links.clear();
	}

	/** UnitStatus. */
	async status(): Promise<Readonly<Record<string, unknown>>> {
		return (await this.call({ call: "status" })) as Readonly<Record<string, unknown>>;
	}

	/** Asks the unit: status | pair (code) | hangUp | refreshSettings | stop. */
	async call(command: Readonly<Record<string, unknown>>): Promise<unknown> {
		const { bytes } = await this.#worker.post(`${JSON.stringify(command)}\n`);
		return JSON.parse(bytes.toString());
	}

	/** Live slots and chunks after a collection. */
	heap(): Promise<XsHeap> {
		return this.#worker.heap();
	}

	/** Must be empty: promises that nobody ended. */
	get stderr(): string {
		return this.#worker.stderr;
	}

	/** Ends it in order. */
	async close(): Promise<void> {
		if (!this.#isOver) await this.call({ call: "stop" }).catch(() => {});
		this.#over();
		await this.#worker.close();
	}

	/** A power cut. */
	async kill(): Promise<void> {
		this.#over();
		await this.#worker.kill();
	}

	#over(): void {
		this.#isOver = true;
		for (const timer of this.#timers.values()) clearTimeout(timer);
		for (const link of this.#links.values()) link.close();
		for (const socket of this.#sockets.values()) socket.close();
		clearTimeout(this.#audioTimer);
		this.#timers.clear();
		this.#links.clear();
		this.#sockets.clear();
	}

	#setPin(pin: number, isActive: boolean): void {
		const id = this.#pins.get(pin);
		if (id !== undefined) this.#tell({ id, value: isActive ? 1 : 0 });
	}

	/** An event for the engine; lost when the device is over. */
	#tell(event: Readonly<Record<string, unknown>>, bytes?: Uint8Array): void {
		if (this.#isOver) return;
		this.#worker.post(message(event, bytes)).then(
			(reply) => {
				this.lastSteps = reply.steps;
			},
			(error: Error) => {
				if (!this.#isOver) this.#options.onLog?.(`error engine ${error.message}\n`);
			},
		);
	}

	#answer(question: Buffer): Uint8Array {
		return answerQuestion<Question>(
			question,
			(head, parts) => this.#machine(head, parts) ?? this.#crypto(head, parts) ?? this.#network(head, parts) ?? [{}],
		);
	}

	#machine(head: Question, [first]: readonly Uint8Array[]): Result | undefined {
		switch (head.op) {
			case "timer":
				this.#timers.set(
					head.id,
					setTimeout(() => {
						this.#timers.delete(head.id);
						this.#tell({ id: head.id });
					}, head.ms),
				);
				return [{}];
			case "timer.clear":
				clearTimeout(this.#timers.get(head.id));
				this.#timers.delete(head.id);
				return [{}];
			case "log":
				this.#options.onLog?.(Buffer.from(first!).toString());
				return [{}];
			case "event":
				this.#options.onEvent?.(JSON.parse(Buffer.from(first!).toString()) as Record<string, unknown>);
				return [{}];
			case "restart":
				setImmediate(() => this.kill().then(() => this.#options.onRestart?.()));
				return [{}];
			case "pin":
				this.#pins.set(head.pin, head.id);
				return [{}];
			case "pin.write":
				if (OUTPUTS[head.pin] !== undefined) this.#options.onPin?.(OUTPUTS[head.pin]!, head.value === 1);
				return [{}];
			case "read": {
				const value = this.#storage.get(head.key);
				return [{ has: value !== undefined }, value];
			}
			case "write":
				this.#storage.set(head.key, first!);
				return [{}];
			case "delete":
				this.#storage.delete(head.key);
				return [{}];
			case "audio.in":
				this.#audioIn = head.id;
				this.#audio();
				return [{}];
			case "audio.out":
				this.#audioOut = head.id;
				this.#audio();
				return [{}];
			case "audio.write":
				this.#play(first!, head.volume);
				return [{}];
			default:
				return undefined;
		}
	}

	#crypto(head: Question, parts: readonly Uint8Array[]): Result | undefined {
		switch (head.op) {
			case "random":
				return [{ value: randomBytes(4).readUInt32BE() / 0x1_0000_0000 }];
			case "hash": {
				const hash = createHash(head.name);
				for (const part of parts) hash.update(part);
				return [{}, hash.digest()];
			}
			case "aes": {
				const cipher = createCipheriv("aes-128-ecb", parts[0]!, null).setAutoPadding(false);
				return [{}, cipher.update(parts[1]!)];
			}
			case "p256.point":
				return [{}, p256.getPublicKey(parts[0]!, false)];
			case "p256.sign":
				return [{}, signWith(parts[0]!, parts[1]!, parts[2]!)];
			case "p256.verify": {
				const point = Buffer.concat([Uint8Array.of(4), parts[0]!, parts[1]!]);
				return [{ ok: p256.verify(parts[3]!, parts[2]!, point, { prehash: false, lowS: false, format: "der" }) }];
			}
			default:
				return undefined;
		}
	}

	#network(head: Question, parts: readonly Uint8Array[]): Result | undefined {
		switch (head.op) {
			case "net":
				return [{ value: head.what === "IP" ? (this.#isUp ? (this.#options.address ?? "127.0.0.1") : "") : "00:00" }];
			case "resolve":
				lookup(head.name, { family: 4 }, (error, address) => {
					this.#tell({ id: head.id, ...(error === null ? { address } : {}) });
				});
				return [{}];
			case "udp":
				this.#openUdp(head);
				return [{}];
			case "udp.send":
				if (this.#isUp) this.#sockets.get(head.id)?.send(parts[0]!, head.port!, head.address, () => {});
				return [{}];
			case "udp.close":
				this.#sockets.get(head.id)?.close();
				this.#sockets.delete(head.id);
				return [{}];
			case "tls":
				this.#openTls(head, parts);
				return [{}];
			case "tls.write": {
				const link = this.#links.get(head.id);
				return [{ ok: link?.write(parts[0]!) ?? false, buffered: link?.buffered ?? 0 }];
			}
			case "tls.close":
				this.#links.get(head.id)?.close();
				this.#links.delete(head.id);
				return [{}];
			default:
				return undefined;
		}
	}

	#openUdp(head: Question): void {
		const { id, port = 0, multicast } = head;
		const socket = createSocket({ type: "udp4", reuseAddr: multicast !== undefined });
		socket.on("error", () => this.#tell({ id, type: "error" }));
		socket.on("message", (bytes, from) => {
			if (this.#isUp) this.#tell({ id, type: "datagram", address: from.address, port: from.port }, bytes);
		});
		socket.bind(port, () => {
			try {
				if (multicast !== undefined) socket.addMembership(multicast);
			} catch {
				// No interface with multicast: nobody is found, as the interface of `browse` says.
			}
		});
		this.#sockets.set(id, socket);
	}

	#openTls(head: Question, [pkcs8, ...chain]: readonly Uint8Array[]): void {
		const { id, address, port = 0, serverName } = head;
		this.handshakes++;
		if (!this.#isUp) {
			setImmediate(() => this.#tell({ id, type: "closed", reason: "no network" }));
			return;
		}
		const link = new NodeSecure({
			address,
			port,
			...(serverName === undefined ? {} : { serverName }),
			...(pkcs8 === undefined ? {} : { identity: { key: nodeCrypto().importKey(pkcs8), chain } }),
			// The engine decides, when it hears of the chain; until then nothing is sent.
			verify: () => true,
			onUp: (theirs) => {
				this.#tell({ id, type: "up", lengths: theirs.map((one) => one.length) }, Buffer.concat(theirs));
			},
			onBytes: (bytes) => this.#tell({ id, type: "bytes" }, bytes),
			onDrained: () => this.#tell({ id, type: "drained" }),
			onClosed: (reason) => {
				this.#links.delete(id);
				this.#tell({ id, type: "closed", reason });
			},
		});
		this.#links.set(id, link);
	}

	/** Starts or stops the clock of the audio: 20 ms a frame, both ways. */
	#audio(): void {
		clearTimeout(this.#audioTimer);
		this.#played = 0;
		if (this.#audioIn === 0 && this.#audioOut === 0) return;
		this.#audioAt = performance.now();
		this.#tick();
	}

	#tick(): void {
		const now = performance.now();
		for (let i = 0; i < MAX_LATE_FRAMES && this.#audioAt <= now; i++, this.#audioAt += FRAME_MS) this.#frame();
		if (this.#audioAt < now) this.#audioAt = now;
		this.#audioTimer = setTimeout(() => this.#tick(), Math.max(1, this.#audioAt - performance.now()));
	}

	#frame(): void {
		if (this.#audioOut !== 0) this.#tell({ id: this.#audioOut, room: FRAME_OCTETS });
		if (this.#audioIn === 0) return;
		const frame = new Int16Array(FRAME_OCTETS / 2);
		this.#options.onCapture?.(frame);
		this.#tell({ id: this.#audioIn }, new Uint8Array(frame.buffer));
	}

	/** Octets for the loudspeaker, collected into frames. */
	#play(bytes: Uint8Array, volume: number): void {
		for (let at = 0; at < bytes.length; ) {
			const part = bytes.subarray(at, at + FRAME_OCTETS - this.#played);
			this.#playout.set(part, this.#played);
			this.#played += part.length;
			at += part.length;
			if (this.#played < FRAME_OCTETS) continue;
			this.#played = 0;
			this.#options.onPlayout?.(new Int16Array(this.#playout.buffer.slice(0)), volume);
		}
	}
}
