/** What Node has and the pure suites' own helpers use: as much of it as they need. Nothing in core/ may see the need for these. */

const coder = new TextEncoder();
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

class BufferShim extends Uint8Array {
	static encode(text: string, encoding = "utf8"): Uint8Array {
		if (encoding === "hex") return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
		if (encoding === "latin1") return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
		if (encoding === "utf16le") {
			return Uint8Array.from({ length: 2 * text.length }, (_, i) => (text.charCodeAt(i >> 1) >> (8 * (i & 1))) & 0xff);
		}
		if (encoding !== "base64") return coder.encode(text);
		const bytes: number[] = [];
		let bits = 0;
		let held = 0;
		for (const letter of text) {
			const value = BASE64.indexOf(letter);
			if (value < 0) continue;
			bits = (bits << 6) | value;
			held += 6;
			if (held < 8) continue;
			held -= 8;
			bytes.push((bits >> held) & 0xff);
		}
		return Uint8Array.from(bytes);
	}

	static concat(parts: readonly Uint8Array[]): BufferShim {
		const all = new BufferShim(parts.reduce((sum, part) => sum + part.length, 0));
		let at = 0;
		for (const part of parts) {
			all.set(part, at);
			at += part.length;
		}
		return all;
	}

	static compare(a: Uint8Array, b: Uint8Array): number {
		for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
		return Math.sign(a.length - b.length);
	}

	override includes(part: unknown): boolean {
		if (typeof part === "number") return this.indexOf(part) >= 0;
		const wanted = typeof part === "string" ? coder.encode(part) : (part as Uint8Array);
		for (let at = 0; at + wanted.length <= this.length; at++) {
			if (wanted.every((octet, i) => this[at + i] === octet)) return true;
		}
		return false;
	}

	override toString(encoding = "utf8"): string {
		if (encoding === "hex") return Array.from(this, (octet) => octet.toString(16).padStart(2, "0")).join("");
		if (encoding === "latin1") return Array.from(this, (octet) => String.fromCharCode(octet)).join("");
		if (encoding !== "base64") return new TextDecoder().decode(this);
		let text = "";
		for (let at = 0; at < this.length; at += 3) {
			const group = (this[at]! << 16) | ((this[at + 1] ?? 0) << 8) | (this[at + 2] ?? 0);
			for (let i = 0; i < 4; i++) text += at + i > this.length ? "=" : BASE64[(group >> (18 - 6 * i)) & 63];
		}
		return text;
	}
}

/** Only `new URL(relative, "file:///...")`. */
class UrlShim {
	readonly href: string;
	constructor(relative: string, base: string | UrlShim) {
		const parts = (typeof base === "string" ? base : base.href).split("/").slice(0, -1);
		for (const part of relative.split("/")) {
			if (part === "..") parts.pop();
			else if (part !== ".") parts.push(part);
		}
		this.href = parts.join("/");
	}
}

function clone<T>(value: T): T {
	if (typeof value !== "object" || value === null) return value;
	if (ArrayBuffer.isView(value)) return (value as unknown as Uint8Array).slice() as unknown as T;
	if (Array.isArray(value)) return value.map(clone) as unknown as T;
	const copy: Record<string, unknown> = {};
	for (const [key, part] of Object.entries(value)) copy[key] = clone(part);
	return copy as T;
}

function noTimers(): never {
	throw new Error("XS has no timers");
}

Object.assign(globalThis, {
	Buffer: Object.assign(BufferShim, {
		from: (value: unknown, encoding?: string) => {
			const bytes = typeof value === "string" ? BufferShim.encode(value, encoding) : (value as Uint8Array);
			return BufferShim.concat([value instanceof ArrayBuffer ? new Uint8Array(value) : Uint8Array.from(bytes)]);
		},
		alloc: (count: number, fill = 0) => new BufferShim(count).fill(fill),
		byteLength: (text: string) => coder.encode(text).length,
		isBuffer: (value: unknown) => value instanceof BufferShim,
	}),
	URL: UrlShim,
	structuredClone: clone,
	// fast-check takes hold of them when it loads; no property of ours has a time limit.
	setTimeout: noTimers,
	clearTimeout: noTimers,
	console: { log: () => {}, warn: () => {}, error: () => {}, info: () => {} },
});
// XS 13.3 is older than these; XS 17 on the device has them.
if (!Reflect.has(Object, "hasOwn")) {
	Object.assign(Object as object, {
		hasOwn: (value: object, key: PropertyKey) => Object.hasOwn(value, key),
	});
}
if (!Reflect.has(Array.prototype, "toReversed")) {
	Object.defineProperty(Array.prototype, "toReversed", {
		value(this: unknown[]) {
			return this.slice().reverse();
		},
	});
}
if (!Reflect.has(Array.prototype, "at")) {
	for (const prototype of [Array.prototype, Uint8Array.prototype]) {
		Object.defineProperty(prototype, "at", {
			value(this: ArrayLike<unknown>, index: number) {
				return this[index < 0 ? this.length + index : index];
			},
		});
	}
}
