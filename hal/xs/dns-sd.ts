/**
 * Looks for a DNS-SD service by multicast DNS (RFC 6762, RFC 6763), reading packets with every table bounded; the SDK's own browser keeps
 * all that a hostile LAN tells it. Nothing native: octets in, octets out.
 *
 * A packet counts when it has PTR, SRV and A of an instance together, as responders send them in one answer (RFC 6763 §12.1); an address
 * that is missing is that of the sender.
 */
import { MAX_INSTANCES, MAX_MDNS_PACKET } from "./limits.ts";

export const MDNS_GROUP = "224.0.0.251";
export const MDNS_PORT = 5353;

const HEAD = 12;
const TYPE_A = 1;
const TYPE_PTR = 12;
const TYPE_TXT = 16;
const TYPE_SRV = 33;
const CLASS_IN = 1;
/** RFC 6762 §5.4: the answer may come by unicast. */
const UNICAST = 0x8000;
const MAX_LABEL = 63;
const MAX_NAME = 255;
/** Compression pointers followed in one name: each leads backwards, so a packet cannot make a loop, only a long way. */
const MAX_POINTERS = 16;
const MAX_RECORDS = 64;

export interface Instance {
	readonly address: string;
	readonly port: number;
	readonly text: Readonly<Record<string, string>>;
}

/** A question for the instances of `service` ("_p2psip._tcp"; ".local" is added). */
export function writeQuestion(service: string): Uint8Array {
	const labels = `${service}.local`.split(".");
	let length = HEAD + 5;
	for (const label of labels) length += 1 + label.length;
	const packet = new Uint8Array(length);
	packet[5] = 1;
	let at = HEAD;
	for (const label of labels) {
		packet[at++] = label.length;
		for (let i = 0; i < label.length; i++) packet[at++] = label.charCodeAt(i);
	}
	packet[at + 2] = TYPE_PTR;
	packet[at + 3] = UNICAST >> 8;
	packet[at + 4] = CLASS_IN;
	return packet;
}

/** Reads on from `at`; out-of-range octets read as 0 and mark the packet bad. */
class Reader {
	readonly bytes: Uint8Array;
	at = HEAD;
	isBad = false;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}

	u8(): number {
		if (this.at >= this.bytes.length) this.isBad = true;
		return this.bytes[this.at++] ?? 0;
	}

	u16(): number {
		return (this.u8() << 8) | this.u8();
	}

	/** In lower case, labels joined by dots; "" for a name that is none. */
	name(): string {
		let text = "";
		let at = this.at;
		let pointers = 0;
		for (;;) {
			const length = this.bytes[at];
			if (length === undefined) break;
			if (length >= 0xc0) {
				const target = ((length & 0x3f) << 8) | (this.bytes[at + 1] ?? 0);
				if (pointers++ === 0) this.at = at + 2;
				if (target >= at || pointers > MAX_POINTERS) break;
				at = target;
				continue;
			}
			if (length > MAX_LABEL || at + 1 + length > this.bytes.length || text.length + length > MAX_NAME) break;
			if (length === 0) {
				if (pointers === 0) this.at = at + 1;
				return text;
			}
			if (text !== "") text += ".";
			for (let i = 1; i <= length; i++) text += lower(this.bytes[at + i]!);
			at += 1 + length;
		}
		this.isBad = true;
		return "";
	}
}

function lower(octet: number): string {
	return String.fromCharCode(octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet);
}

interface Found {
	readonly name: string;
	port: number;
	target: string;
	text: Readonly<Record<string, string>>;
}

/** The instances of `service` that a packet tells of; none for what is not an answer. `from`: the sender's address. */
export function readAnswer(packet: Uint8Array, service: string, from: string): Instance[] {
	if (packet.length < HEAD || packet.length > MAX_MDNS_PACKET || packet[2]! < 0x80) return [];
	const reader = new Reader(packet);
	const wanted = `${service.toLowerCase()}.local`;
	const found: Found[] = [];
	/** host name -> address */
	const addresses: [string, string][] = [];
	const questions = (packet[4]! << 8) | packet[5]!;
	for (let i = 0; i < questions && !reader.isBad && i < MAX_RECORDS; i++) {
		reader.name();
		reader.at += 4;
	}
	const records = packet[7]! + packet[9]! + packet[11]!;
	for (let i = 0; i < records && i < MAX_RECORDS && !reader.isBad && reader.at < packet.length; i++) {
		readRecord(reader, wanted, found, addresses);
	}
	const instances: Instance[] = [];
	for (const one of found) {
		if (one.port === 0) continue;
		const address = addresses.find((pair) => pair[0] === one.target);
		instances.push({ address: address?.[1] ?? from, port: one.port, text: one.text });
	}
	return instances;
}

function readRecord(reader: Reader, wanted: string, found: Found[], addresses: [string, string][]): void {
	const name = reader.name();
	const type = reader.u16();
	reader.at += 6;
	const length = reader.u16();
	const end = reader.at + length;
	if (reader.isBad || end > reader.bytes.length) {
		reader.isBad = true;
		return;
	}
	if (type === TYPE_SRV && name.endsWith(`.${wanted}`)) {
		reader.at += 4;
		const port = reader.u16();
		const target = reader.name();
		const one = instanceOf(found, name);
		if (one !== undefined && !reader.isBad) {
			one.port = port;
			one.target = target;
		}
	} else if (type === TYPE_TXT && name.endsWith(`.${wanted}`)) {
		const one = instanceOf(found, name);
		if (one !== undefined) one.text = readText(reader.bytes, reader.at, end);
	} else if (type === TYPE_A && length === 4 && addresses.length < MAX_INSTANCES) {
		const { bytes, at } = reader;
		addresses.push([name, `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`]);
	}
	reader.at = end;
}

function instanceOf(found: Found[], name: string): Found | undefined {
	const known = found.find((one) => one.name === name);
	if (known !== undefined || found.length >= MAX_INSTANCES) return known;
	const made: Found = { name, port: 0, target: "", text: {} };
	found.push(made);
	return made;
}

/** RFC 6763 §6.3: key=value strings; keys in lower case, the first of a key counts. */
function readText(bytes: Uint8Array, from: number, to: number): Record<string, string> {
	const text: Record<string, string> = {};
	let count = 0;
	for (let at = from; at < to && count < MAX_INSTANCES; count++) {
		const end = at + 1 + bytes[at]!;
		if (end > to) break;
		let key = "";
		let i = at + 1;
		for (; i < end && bytes[i] !== 0x3d; i++) key += lower(bytes[i]!);
		let value = "";
		for (i++; i < end; i++) value += String.fromCharCode(bytes[i]!);
		if (key !== "" && key !== "__proto__" && text[key] === undefined) text[key] = value;
		at = end;
	}
	return text;
}
