/** Octets, text and big integers, without anything that the device does not have. */

/** The octets of a view as an ArrayBuffer of their own, for native functions that take nothing else. */
export function toBuffer(bytes: Uint8Array): ArrayBuffer {
	return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

export function equalOctets(a: Uint8Array, b: Uint8Array): boolean {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return true;
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
	if (bytes.length < prefix.length) return false;
	for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
	return true;
}

export function fromHex(text: string): Uint8Array {
	const bytes = new Uint8Array(text.length >> 1);
	for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
	return bytes;
}

/** Big-endian octets as a number. */
export function toBigInt(bytes: Uint8Array): bigint {
	let text = "0x0";
	for (let i = 0; i < bytes.length; i++) text += (bytes[i]! < 16 ? "0" : "") + bytes[i]!.toString(16);
	return BigInt(text);
}

/** `count` big-endian octets of a number that fits. */
export function fromBigInt(value: bigint, count: number): Uint8Array {
	return fromHex(value.toString(16).padStart(2 * count, "0"));
}
