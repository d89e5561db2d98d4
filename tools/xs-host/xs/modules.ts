/** The modules of the Moddable SDK that the device's bundles import, answered by the host. */
import { ask, cut, forget, octets, wire } from "./wiring.ts";

const Timer = {
	set(callback: () => void, ms = 0): object {
		const timer = { id: 0 };
		timer.id = wire(() => {
			forget(timer.id);
			callback();
		});
		ask({ op: "timer", id: timer.id, ms });
		return timer;
	},
	clear(timer: { readonly id: number } | undefined): void {
		if (timer === undefined) return;
		forget(timer.id);
		ask({ op: "timer.clear", id: timer.id });
	},
};

const realNow = Date.now;
let offsetMs = 0;

/** The device's wall clock: the host's, or one that begins at 1970 until it is set. */
export function setOffset(ms: number): void {
	offsetMs = ms;
	Date.now = () => realNow() + offsetMs;
}

const Time = {
	set(seconds: number): void {
		setOffset(seconds * 1_000 - realNow());
	},
	get ticks(): number {
		return realNow() & 0x7fff_ffff;
	},
};

const Net = {
	get: (what: string): unknown => ask({ op: "net", what }).head.value,
	resolve(name: string, done: (name: string, address?: string) => void): void {
		const id = wire((event) => {
			forget(id);
			done(name, event.address as string | undefined);
		});
		ask({ op: "resolve", id, name });
	},
};

/** Never made: the build for a PC names no time server. */
function Sntp(): never {
	throw new Error("no time server");
}

class Udp {
	readonly #id: number;
	readonly #packets: ArrayBuffer[] = [];

	constructor(options: {
		port?: number;
		multicast?: string;
		onReadable?: (count: number) => void;
		onError?: () => void;
	}) {
		this.#id = wire((event, bytes) => {
			if (event.type === "error") {
				options.onError?.();
				return;
			}
			const packet = bytes.buffer as ArrayBuffer;
			this.#packets.push(Object.assign(packet, { address: event.address, port: event.port }));
			options.onReadable?.(this.#packets.length);
		});
		ask({ op: "udp", id: this.#id, port: options.port, multicast: options.multicast });
	}
	read(): ArrayBuffer | undefined {
		return this.#packets.shift();
	}
	write(data: ArrayBuffer | Uint8Array, address: string, port: number): void {
		ask({ op: "udp.send", id: this.#id, address, port }, octets(data));
	}
	close(): void {
		forget(this.#id);
		ask({ op: "udp.close", id: this.#id });
	}
}

class Digital {
	static readonly Input = 0;
	static readonly InputPullUp = 1;
	static readonly InputPullDown = 2;
	static readonly Output = 8;
	static readonly Rising = 1;
	static readonly Falling = 2;
	readonly #pin: number;
	#value = 0;

	constructor(options: { pin: number; onReadable?: (this: Digital) => void }) {
		this.#pin = options.pin;
		const { onReadable } = options;
		if (onReadable === undefined) return;
		const id = wire((event) => {
			this.#value = event.value as number;
			onReadable.call(this);
		});
		ask({ op: "pin", id, pin: this.#pin });
	}
	read(): number {
		return this.#value;
	}
	write(value: number): void {
		if (value === this.#value) return;
		this.#value = value;
		ask({ op: "pin.write", pin: this.#pin, value });
	}
	close(): void {}
}

class AudioIn {
	readonly #onReadable: ((count: number) => void) | undefined;
	#waiting: Uint8Array = new Uint8Array(0);
	#id = 0;

	constructor(options: { onReadable?: (count: number) => void }) {
		this.#onReadable = options.onReadable;
	}
	start(): void {
		this.#id = wire((_event, bytes) => {
			this.#waiting = bytes;
			this.#onReadable?.(bytes.length);
		});
		ask({ op: "audio.in", id: this.#id });
	}
	read(into: Uint8Array): number {
		const part = this.#waiting.subarray(0, into.length);
		into.set(part);
		this.#waiting = this.#waiting.subarray(part.length);
		return part.length;
	}
	close(): void {
		if (this.#id !== 0) forget(this.#id);
		ask({ op: "audio.in", id: 0 });
	}
}

class AudioOut {
	volume = 1;
	readonly #onWritable: ((room: number) => void) | undefined;
	#id = 0;

	constructor(options: { onWritable?: (room: number) => void }) {
		this.#onWritable = options.onWritable;
	}
	start(): void {
		this.#id = wire((event) => this.#onWritable?.(event.room as number));
		ask({ op: "audio.out", id: this.#id });
	}
	write(data: ArrayBuffer | Uint8Array): void {
		ask({ op: "audio.write", volume: this.volume }, octets(data));
	}
	close(): void {
		if (this.#id !== 0) forget(this.#id);
		ask({ op: "audio.out", id: 0 });
	}
}

const storage = {
	open: () => ({
		read(key: string): ArrayBuffer | undefined {
			const answer = ask({ op: "read", key });
			return answer.head.has === true ? (answer.bytes.buffer as ArrayBuffer) : undefined;
		},
		write: (key: string, value: ArrayBuffer | Uint8Array): void => void ask({ op: "write", key }, octets(value)),
		delete: (key: string): void => void ask({ op: "delete", key }),
		close(): void {},
	}),
};

class Digest {
	readonly #name: string;
	#parts: Uint8Array[] = [];

	constructor(name: string) {
		this.#name = name.toLowerCase();
	}
	write(data: ArrayBuffer | Uint8Array): void {
		this.#parts.push(octets(data).slice());
	}
	reset(): void {
		this.#parts = [];
	}
	close(): ArrayBuffer {
		return ask({ op: "hash", name: this.#name }, ...this.#parts).bytes.buffer as ArrayBuffer;
	}
}

class BlockCipher {
	readonly #key: Uint8Array;
	constructor(_name: string, key: ArrayBuffer) {
		this.#key = new Uint8Array(key);
	}
	encrypt(block: ArrayBuffer, result: ArrayBuffer): ArrayBuffer {
		new Uint8Array(result).set(ask({ op: "aes" }, this.#key, new Uint8Array(block)).bytes);
		return result;
	}
}

function scalar(value: bigint): Uint8Array {
	const text = value.toString(16).padStart(64, "0");
	const bytes = new Uint8Array(32);
	for (let i = 0; i < 32; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
	return bytes;
}

class Curve {
	dh(secret: ArrayBuffer): ArrayBuffer {
		return ask({ op: "p256.point" }, new Uint8Array(secret)).bytes.buffer as ArrayBuffer;
	}
}

class EcPoint {
	readonly x: bigint;
	readonly y: bigint;
	constructor(x: bigint, y: bigint) {
		this.x = x;
		this.y = y;
	}
}

class Ecdsa {
	readonly #key: bigint | EcPoint;
	k: bigint | undefined;
	constructor(key: bigint | EcPoint) {
		this.#key = key;
	}
	sign(digest: ArrayBuffer): ArrayBuffer {
		const parts = [scalar(this.#key as bigint), scalar(this.k!), new Uint8Array(digest)];
		return ask({ op: "p256.sign" }, ...parts).bytes.buffer as ArrayBuffer;
	}
	verify(digest: ArrayBuffer, signature: ArrayBuffer): boolean {
		const { x, y } = this.#key as EcPoint;
		const parts = [scalar(x), scalar(y), new Uint8Array(digest), new Uint8Array(signature)];
		return ask({ op: "p256.verify" }, ...parts).head.ok === true;
	}
}

interface SecureOptions {
	readonly address: string;
	readonly port: number;
	readonly serverName?: string;
	readonly identity?: { readonly chain: readonly Uint8Array[]; readonly key: { exportPkcs8(): Uint8Array } };
	verify(chain: readonly Uint8Array[]): boolean;
	onUp(chain: readonly Uint8Array[]): void;
	onBytes(bytes: Uint8Array): void;
	onDrained(): void;
	onClosed(reason: string): void;
}

class Secure {
	readonly #id: number;
	buffered = 0;

	constructor(options: SecureOptions) {
		const { address, port, serverName, identity } = options;
		this.#id = wire((event, bytes) => this.#event(options, event, bytes));
		const parts = identity === undefined ? [] : [identity.key.exportPkcs8(), ...identity.chain];
		ask({ op: "tls", id: this.#id, address, port, serverName }, ...parts);
	}
	write(bytes: Uint8Array): boolean {
		const { head } = ask({ op: "tls.write", id: this.#id }, bytes);
		this.buffered = head.buffered as number;
		return head.ok === true;
	}
	close(): void {
		forget(this.#id);
		ask({ op: "tls.close", id: this.#id });
	}
	#event(options: SecureOptions, event: Readonly<Record<string, unknown>>, bytes: Uint8Array): void {
		if (event.type === "bytes") options.onBytes(bytes);
		else if (event.type === "drained") {
			this.buffered = 0;
			options.onDrained();
		} else if (event.type === "closed") {
			forget(this.#id);
			options.onClosed(event.reason as string);
		} else {
			const chain = cut(bytes, event.lengths as number[]);
			if (options.verify(chain)) options.onUp(chain);
			else {
				this.close();
				options.onClosed("certificate refused");
			}
		}
	}
}

/** module -> its exports */
export function hostModules(config: unknown): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
	return {
		timer: { default: Timer },
		time: { default: Time },
		net: { default: Net },
		sntp: { default: Sntp },
		system: {},
		"mc/config": { default: config },
		"embedded:io/socket/udp": { default: Udp },
		"embedded:io/digital": { default: Digital },
		"embedded:io/audio/in": { default: AudioIn },
		"embedded:io/audio/out": { default: AudioOut },
		"embedded:storage/key-value": { default: storage },
		crypt: { Digest, BlockCipher },
		curve: { default: Curve },
		ecp: { default: EcPoint },
		ecdsa: { default: Ecdsa },
		rng: { default: { init() {} } },
		"ringlet/secure": { connectSecure: (options: SecureOptions) => new Secure(options) },
	};
}
