/**
 * Packets of a capture file (classic pcap, pcapng) down to the payloads of UDP datagrams and TCP streams.
 * Reads what Wireshark, tcpdump and `ringlet capture` write; damage ends the reading with a note, never with a throw.
 */
import { formatAddress } from "../core/wire/address-text.ts";

/** One payload found in a capture: a datagram, or all of one direction of a TCP connection that arrived without a gap. */
export interface CapturedPayload {
	/** "udp 192.0.2.1:6084 > 192.0.2.2:40000". */
	readonly source: string;
	/** Number of the (first) packet, counted from 1 as Wireshark does. */
	readonly packet: number;
	/** A TCP stream: frames follow one another and may go on past its end. */
	readonly isStream: boolean;
	/** One of the ports is the registered one, or the capture says so: even an ack alone is RELOAD. */
	readonly isReloadPort: boolean;
	readonly bytes: Uint8Array;
}

export interface Capture {
	readonly payloads: CapturedPayload[];
	/** What could not be read, for people. */
	readonly notes: string[];
}

interface Packet {
	readonly number: number;
	readonly linkType: number;
	readonly bytes: Uint8Array;
}

const RELOAD_PORT = 6084;

const LINKTYPE = Object.freeze({
	null: 0,
	ethernet: 1,
	raw12: 12,
	raw14: 14,
	raw: 101,
	linuxSll: 113,
	user0: 147,
	user15: 162,
	ipv4: 228,
	ipv6: 229,
	upperPdu: 252,
	linuxSll2: 276,
});

/** True when the octets begin like a capture file. */
export function isCapture(bytes: Uint8Array): boolean {
	if (bytes.length < 4) return false;
	const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
	return magic === PCAPNG_MAGIC || CLASSIC_MAGICS.includes(magic) || CLASSIC_MAGICS.includes(swap32(magic));
}

const PCAPNG_MAGIC = 0x0a0d0d0a;
/** With microseconds, with nanoseconds. */
const CLASSIC_MAGICS = Object.freeze([0xa1b2c3d4, 0xa1b23c4d]);

function swap32(value: number): number {
	return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** Reads a capture file that `isCapture` accepted. */
export function readCapture(bytes: Uint8Array): Capture {
	const notes: string[] = [];
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const packets = view.getUint32(0) === PCAPNG_MAGIC ? readPcapng(view, notes) : readClassic(view, notes);
	const collector = new Collector(notes);
	for (const packet of packets) collector.packet(packet);
	return { payloads: collector.finish(), notes };
}

function slice(view: DataView, at: number, length: number): Uint8Array {
	return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

function readClassic(view: DataView, notes: string[]): Packet[] {
	const packets: Packet[] = [];
	const little = !CLASSIC_MAGICS.includes(view.getUint32(0));
	if (view.byteLength < 24) return packets;
	const linkType = view.getUint32(20, little) & 0xffff;
	let at = 24;
	while (at + 16 <= view.byteLength) {
		const length = view.getUint32(at + 8, little);
		if (view.byteLength - at - 16 < length) break;
		packets.push({ number: packets.length + 1, linkType, bytes: slice(view, at + 16, length) });
		at += 16 + length;
	}
	if (at !== view.byteLength) notes.push(`the capture ends inside packet ${packets.length + 1}`);
	return packets;
}

const BLOCK = Object.freeze({ interface: 1, simplePacket: 3, enhancedPacket: 6 });
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

function readPcapng(view: DataView, notes: string[]): Packet[] {
	const packets: Packet[] = [];
	let linkTypes: number[] = [];
	let little = true;
	let at = 0;
	while (at + 12 <= view.byteLength) {
		if (view.getUint32(at) === PCAPNG_MAGIC) {
			little = view.getUint32(at + 8) !== BYTE_ORDER_MAGIC;
			linkTypes = [];
		}
		const type = view.getUint32(at, little);
		const length = view.getUint32(at + 4, little);
		if (length < 12 || length % 4 !== 0 || view.byteLength - at < length) break;
		if (type === BLOCK.interface && length >= 20) linkTypes.push(view.getUint16(at + 8, little));
		const packet = packetOfBlock(view, at, length, type, little, linkTypes);
		if (packet !== undefined) packets.push({ number: packets.length + 1, ...packet });
		at += length;
	}
	if (at !== view.byteLength) notes.push(`the capture is damaged at octet ${at}, after packet ${packets.length}`);
	return packets;
}

function packetOfBlock(
	view: DataView,
	at: number,
	length: number,
	type: number,
	little: boolean,
	linkTypes: readonly number[],
): { linkType: number; bytes: Uint8Array } | undefined {
	if (type === BLOCK.enhancedPacket && length >= 32) {
		const linkType = linkTypes[view.getUint32(at + 8, little)];
		const captured = view.getUint32(at + 20, little);
		if (linkType === undefined || captured > length - 32) return undefined;
		return { linkType, bytes: slice(view, at + 28, captured) };
	}
	if (type !== BLOCK.simplePacket || length < 16 || linkTypes[0] === undefined) return undefined;
	const captured = Math.min(view.getUint32(at + 8, little), length - 16);
	return { linkType: linkTypes[0], bytes: slice(view, at + 12, captured) };
}

interface Ends {
	readonly protocol: "udp" | "tcp";
	readonly from: string;
	readonly to: string;
	readonly isReloadPort: boolean;
}

/** Segments of one direction of a TCP connection. */
interface Stream {
	readonly ends: Ends;
	readonly packet: number;
	next: number;
	readonly chunks: Uint8Array[];
	/** Segments that came before the ones in front of them. */
	early: { sequence: number; bytes: Uint8Array }[];
}

/** Segments of one stream kept until the gap before them closes. */
const MOST_EARLY_SEGMENTS = 1024;

/** Turns packets into payloads; TCP directions are put in order. */
class Collector {
	readonly #notes: string[];
	readonly #found: { packet: number; payload: CapturedPayload }[] = [];
	readonly #streams = new Map<string, Stream>();
	#unknownLinkTypes = new Set<number>();

	constructor(notes: string[]) {
		this.#notes = notes;
	}

	packet(packet: Packet): void {
		const { bytes, linkType, number } = packet;
		if (linkType >= LINKTYPE.user0 && linkType <= LINKTYPE.user15) {
			this.#add({ source: "user", packet: number, isStream: false, isReloadPort: true, bytes });
			return;
		}
		if (linkType === LINKTYPE.upperPdu) {
			const payload = skipTags(bytes);
			this.#add({ source: "upper pdu", packet: number, isStream: false, isReloadPort: true, bytes: payload });
			return;
		}
		const ip = ipPacket(bytes, linkType);
		if (ip === undefined) {
			if (!Object.values(LINKTYPE).includes(linkType as never)) this.#unknownLinkTypes.add(linkType);
			return;
		}
		this.#transport(ip, number);
	}

	#add(payload: CapturedPayload): void {
		this.#found.push({ packet: payload.packet, payload });
	}

	#transport(ip: IpPacket, number: number): void {
		const { payload } = ip;
		if (payload.length < 8) return;
		const from = (payload[0]! << 8) | payload[1]!;
		const to = (payload[2]! << 8) | payload[3]!;
		const ends: Ends = {
			protocol: ip.protocol === 17 ? "udp" : "tcp",
			from: `${ip.source}:${from}`,
			to: `${ip.destination}:${to}`,
			isReloadPort: from === RELOAD_PORT || to === RELOAD_PORT,
		};
		if (ip.protocol === 6) {
			this.#segment(ends, payload, number);
			return;
		}
		const length = (payload[4]! << 8) | payload[5]!;
		const bytes = payload.subarray(8, Math.max(8, Math.min(length, payload.length)));
		const source = `udp ${ends.from} > ${ends.to}`;
		this.#add({ source, packet: number, isStream: false, isReloadPort: ends.isReloadPort, bytes });
	}

	#segment(ends: Ends, tcp: Uint8Array, number: number): void {
		const headerLength = (tcp[12] ?? 0) >> 2;
		if (headerLength < 20 || tcp.length < headerLength) return;
		const view = new DataView(tcp.buffer, tcp.byteOffset);
		const isSyn = (tcp[13]! & 2) !== 0;
		const sequence = (view.getUint32(4) + (isSyn ? 1 : 0)) >>> 0;
		const bytes = tcp.subarray(headerLength);
		const key = `${ends.from} ${ends.to}`;
		let stream = this.#streams.get(key);
		if (stream === undefined || isSyn) {
			if (stream !== undefined) this.#close(stream);
			stream = { ends, packet: number, next: sequence, chunks: [], early: [] };
			this.#streams.set(key, stream);
		}
		if (bytes.length === 0) return;
		if (stream.early.length < MOST_EARLY_SEGMENTS) stream.early.push({ sequence, bytes });
		drainEarly(stream);
	}

	#close(stream: Stream): void {
		const { ends, packet } = stream;
		const source = `tcp ${ends.from} > ${ends.to}`;
		if (stream.early.length > 0) this.#notes.push(`${source}: segments are missing, what follows the gap is not read`);
		if (stream.chunks.length === 0) return;
		const bytes = Buffer.concat(stream.chunks);
		this.#add({ source, packet, isStream: true, isReloadPort: ends.isReloadPort, bytes });
	}

	finish(): CapturedPayload[] {
		for (const stream of this.#streams.values()) this.#close(stream);
		for (const linkType of this.#unknownLinkTypes) this.#notes.push(`packets of link type ${linkType} are not read`);
		return this.#found.sort((a, b) => a.packet - b.packet).map((entry) => entry.payload);
	}
}

/** Takes the segments that connect; what was seen already is cut off. */
function drainEarly(stream: Stream): void {
	for (let moved = true; moved; ) {
		moved = false;
		for (const [i, segment] of stream.early.entries()) {
			const ahead = (segment.sequence - stream.next) | 0;
			if (ahead > 0) continue;
			stream.early.splice(i, 1);
			const fresh = segment.bytes.subarray(Math.min(-ahead, segment.bytes.length));
			if (fresh.length > 0) stream.chunks.push(fresh);
			stream.next = (stream.next + fresh.length) >>> 0;
			moved = true;
			break;
		}
	}
}

/** LINKTYPE_WIRESHARK_UPPER_PDU: tags (type, length, value) up to the tag 0, then the payload. */
function skipTags(bytes: Uint8Array): Uint8Array {
	let at = 0;
	while (at + 4 <= bytes.length) {
		const tag = (bytes[at]! << 8) | bytes[at + 1]!;
		const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
		at += 4 + length;
		if (tag === 0) return bytes.subarray(Math.min(at, bytes.length));
	}
	return bytes.subarray(bytes.length);
}

interface IpPacket {
	readonly source: string;
	readonly destination: string;
	readonly protocol: number;
	readonly payload: Uint8Array;
}

const ETHERTYPE = Object.freeze({ ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100, serviceVlan: 0x88a8 });

function u16(bytes: Uint8Array, at: number): number {
	return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** The IP packet inside a frame, if it carries TCP or UDP and is not a fragment. */
function ipPacket(bytes: Uint8Array, linkType: number): IpPacket | undefined {
	switch (linkType) {
		case LINKTYPE.ethernet: {
			let at = 12;
			while (u16(bytes, at) === ETHERTYPE.vlan || u16(bytes, at) === ETHERTYPE.serviceVlan) at += 4;
			const type = u16(bytes, at);
			return type === ETHERTYPE.ipv4 || type === ETHERTYPE.ipv6 ? fromIp(bytes.subarray(at + 2)) : undefined;
		}
		case LINKTYPE.null:
			return fromIp(bytes.subarray(4));
		case LINKTYPE.linuxSll:
			return fromIp(bytes.subarray(16));
		case LINKTYPE.linuxSll2:
			return fromIp(bytes.subarray(20));
		case LINKTYPE.raw:
		case LINKTYPE.raw12:
		case LINKTYPE.raw14:
		case LINKTYPE.ipv4:
		case LINKTYPE.ipv6:
			return fromIp(bytes);
		default:
			return undefined;
	}
}

function fromIp(ip: Uint8Array): IpPacket | undefined {
	const version = (ip[0] ?? 0) >> 4;
	if (version === 4) return fromIPv4(ip);
	return version === 6 ? fromIPv6(ip) : undefined;
}

function fromIPv4(ip: Uint8Array): IpPacket | undefined {
	const headerLength = (ip[0]! & 15) * 4;
	const isFragment = (u16(ip, 6) & 0x3fff) !== 0;
	const protocol = ip[9] ?? 0;
	if (headerLength < 20 || ip.length < headerLength || isFragment || !isTransport(protocol)) return undefined;
	// A total length of 0 is what segmentation offload leaves in captures.
	const total = u16(ip, 2) === 0 ? ip.length : Math.min(u16(ip, 2), ip.length);
	const source = Array.from(ip.subarray(12, 16)).join(".");
	const destination = Array.from(ip.subarray(16, 20)).join(".");
	return { source, destination, protocol, payload: ip.subarray(headerLength, Math.max(headerLength, total)) };
}

const EXTENSION_HEADERS: readonly number[] = Object.freeze([0, 43, 60]);

function fromIPv6(ip: Uint8Array): IpPacket | undefined {
	if (ip.length < 40) return undefined;
	let protocol = ip[6]!;
	let at = 40;
	while (EXTENSION_HEADERS.includes(protocol) && at + 8 <= ip.length) {
		protocol = ip[at]!;
		at += (ip[at + 1]! + 1) * 8;
	}
	if (!isTransport(protocol)) return undefined;
	const end = u16(ip, 4) === 0 ? ip.length : Math.min(40 + u16(ip, 4), ip.length);
	const text = (from: number) => `[${formatAddress(ip.subarray(from, from + 16))}]`;
	return { source: text(8), destination: text(24), protocol, payload: ip.subarray(Math.min(at, end), end) };
}

function isTransport(protocol: number): boolean {
	return protocol === 6 || protocol === 17;
}
