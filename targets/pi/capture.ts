/**
 * Writes decrypted overlay frames as pcapng, so that Wireshark and tshark dissect them.
 *
 * Each FramedMessage (RFC 6940 §6.6.2) becomes one UDP datagram between the addresses of the link, with port 6084 on one end:
 * that port belongs to Wireshark's reload-framing dissector, and one frame per packet keeps it from seeing half a frame.
 * The TLS beneath is gone on purpose; the addresses and the ports of the other end are the real ones.
 */

/** A frame longer than this is not written: it would not fit an IP packet. */
export const MAX_CAPTURED_FRAME = 65_000;

const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_PACKET = 6;
const LINKTYPE_RAW = 101;
const RELOAD_PORT = 6084;
const FRAME_DATA = 128;
const FRAME_ACK = 129;

/** One end of a captured link. */
export interface CaptureEnd {
	readonly address: string;
	readonly port: number;
}

/** The section header and the one interface every capture begins with. */
export function captureHeader(): Uint8Array {
	const bytes = Buffer.alloc(28 + 20);
	bytes.writeUInt32LE(BLOCK_SECTION, 0);
	bytes.writeUInt32LE(28, 4);
	bytes.writeUInt32LE(0x1a2b3c4d, 8);
	bytes.writeUInt16LE(1, 12);
	bytes.writeBigInt64LE(-1n, 16);
	bytes.writeUInt32LE(28, 24);
	bytes.writeUInt32LE(BLOCK_INTERFACE, 28);
	bytes.writeUInt32LE(20, 32);
	bytes.writeUInt16LE(LINKTYPE_RAW, 36);
	bytes.writeUInt32LE(0, 40);
	bytes.writeUInt32LE(20, 44);
	return bytes;
}

/** One frame as an enhanced packet block. `wallMs`: when it passed. */
export function capturePacket(frame: Uint8Array, from: CaptureEnd, to: CaptureEnd, wallMs: number): Uint8Array {
	const packet = udpPacket(frame, from, to);
	const padded = (packet.length + 3) & ~3;
	const block = Buffer.alloc(32 + padded);
	const micros = BigInt(Math.round(wallMs * 1000));
	block.writeUInt32LE(BLOCK_PACKET, 0);
	block.writeUInt32LE(block.length, 4);
	block.writeUInt32LE(Number(micros >> 32n), 12);
	block.writeUInt32LE(Number(micros & 0xffffffffn), 16);
	block.writeUInt32LE(packet.length, 20);
	block.writeUInt32LE(packet.length, 24);
	packet.copy(block, 28);
	block.writeUInt32LE(block.length, block.length - 4);
	return block;
}

function udpPacket(payload: Uint8Array, from: CaptureEnd, to: CaptureEnd): Buffer {
	const six = from.address.includes(":") || to.address.includes(":");
	const source = addressOctets(from.address, six);
	const destination = addressOctets(to.address, six);
	const udp = Buffer.alloc(8);
	// One end must be the registered port; the other keeps its own, so that conversations stay apart.
	const toIsServer = to.port <= from.port;
	udp.writeUInt16BE(toIsServer ? from.port : RELOAD_PORT, 0);
	udp.writeUInt16BE(toIsServer ? RELOAD_PORT : to.port, 2);
	udp.writeUInt16BE(8 + payload.length, 4);
	if (six) {
		udp.writeUInt16BE(udpChecksum6(source, destination, udp, payload), 6);
		const ip = Buffer.alloc(8);
		ip[0] = 0x60;
		ip.writeUInt16BE(udp.length + payload.length, 4);
		ip[6] = 17;
		ip[7] = 64;
		return Buffer.concat([ip, source, destination, udp, payload]);
	}
	const ip = Buffer.alloc(20);
	ip[0] = 0x45;
	ip.writeUInt16BE(ip.length + udp.length + payload.length, 2);
	ip[8] = 64;
	ip[9] = 17;
	source.copy(ip, 12);
	destination.copy(ip, 16);
	ip.writeUInt16BE(~sum16(ip, 0) & 0xffff, 10);
	return Buffer.concat([ip, udp, payload]);
}

function sum16(bytes: Uint8Array, start: number): number {
	let sum = start;
	for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	return sum;
}

function udpChecksum6(source: Buffer, destination: Buffer, udp: Buffer, payload: Uint8Array): number {
	let sum = sum16(source, 17 + udp.length + payload.length);
	sum = sum16(destination, sum);
	sum = sum16(udp, sum);
	return ~sum16(payload, sum) & 0xffff || 0xffff;
}

function addressOctets(address: string, six: boolean): Buffer {
	const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
	if (!plain.includes(":")) {
		const four = Buffer.from(plain.split(".").map(Number));
		return six ? Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), four]) : four;
	}
	const [head = "", tail] = (plain.split("%")[0] ?? "").split("::");
	const left = head === "" ? [] : head.split(":");
	const right = tail === undefined || tail === "" ? [] : tail.split(":");
	const groups = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
	const out = Buffer.alloc(16);
	groups.forEach((group, i) => {
		out.writeUInt16BE(Number.parseInt(group, 16), i * 2);
	});
	return out;
}

/**
 * Cuts one direction of a link's plaintext, as it comes in chunks, into frames. A capture may begin in the middle of a frame: a chunk
 * that does not begin with one is passed over, up to the next that does.
 */
export class FrameSplitter {
	#rest: Buffer = Buffer.alloc(0);

	/** The frames that are complete now. */
	push(chunk: Uint8Array): Buffer[] {
		const frames: Buffer[] = [];
		let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : Buffer.from(chunk);
		for (;;) {
			const length = frameLength(bytes);
			if (length < 0) bytes = Buffer.alloc(0);
			if (length <= 0 || bytes.length < length) break;
			if (length <= MAX_CAPTURED_FRAME) frames.push(bytes.subarray(0, length));
			bytes = bytes.subarray(length);
		}
		this.#rest = Buffer.from(bytes);
		return frames;
	}
}

/** Octets of the frame that `bytes` begins with; 0 when that cannot be told yet, -1 when it is no frame. */
function frameLength(bytes: Buffer): number {
	if (bytes.length === 0) return 0;
	if (bytes[0] === FRAME_ACK) return 9;
	if (bytes[0] !== FRAME_DATA) return -1;
	return bytes.length < 8 ? 0 : 8 + bytes.readUIntBE(5, 3);
}
