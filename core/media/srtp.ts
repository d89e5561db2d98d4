/**
 * SRTP and SRTCP with AES_CM_128_HMAC_SHA1_80 (RFC 3711; the mandatory suite of RFC 4568 §6.2). One object for each direction of a
 * stream. Packets are ciphered and authenticated where they lie; nothing is allocated for a packet.
 *
 *   SRTP    | RTP header | payload, ciphered | tag (10) |                   authenticated: header and payload, then the ROC
 *   SRTCP   | header, SSRC | ciphered ... | E + index (4) | tag (10) |      authenticated: all before the tag
 */
import type { AesCtr, HmacKey, MediaCrypto } from "../../hal/hal.ts";
import { MAX_SECURE_SOURCES } from "./limits.ts";
import { readInt32, writeUint32 } from "./rtp.ts";

/** Octets of key and salt as SDES carries them (RFC 4568 §6.1). */
export const MASTER_OCTETS = 30;
/** Octets of the authentication tag (80 bits). */
export const TAG_OCTETS = 10;
/** What SRTCP adds behind a packet: E bit and index, tag. */
export const SRTCP_OCTETS = 4 + TAG_OCTETS;

const KEY_OCTETS = 16;
const SALT_OCTETS = 14;
const HMAC_KEY_OCTETS = 20;
const MAC_OCTETS = 20;
const RTCP_HEADER_OCTETS = 8;
/** RFC 3711 §9.2: a key is good for 2^31 SRTCP packets. */
const MAX_SRTCP_INDEX = 0x7fffffff;
/** RFC 3711 §3.3.2: at least 64 packets. Here the highest index and the 63 before it. */
const REPLAY_WINDOW = 64;

/** Why a packet was not opened. */
export const SrtpFault = Object.freeze({ tooShort: -1, replayed: -2, notAuthentic: -3, tooManySources: -4 } as const);

/** Session keys and working space of one direction. */
class Session {
	readonly cipher: AesCtr;
	readonly mac: HmacKey;
	readonly salt: Uint8Array;

	/** RFC 3711 §4.3.1 with key derivation rate 0. `first`: label of the cipher key (0 for SRTP, 3 for SRTCP); MAC and salt follow. */
	constructor(crypto: MediaCrypto, master: Uint8Array, first: number) {
		const derivation = crypto.aesCtr(master.slice(0, KEY_OCTETS));
		this.cipher = crypto.aesCtr(derive(derivation, master, first, KEY_OCTETS));
		this.mac = crypto.hmacKey("sha1", derive(derivation, master, first + 1, HMAC_KEY_OCTETS));
		this.salt = derive(derivation, master, first + 2, SALT_OCTETS);
	}
}

function derive(derivation: AesCtr, master: Uint8Array, label: number, octets: number): Uint8Array {
	// x = label || r (48 zero bits), right-aligned with the master salt and XORed; the counter is x * 2^16.
	const counter = new Uint8Array(16);
	for (let i = 0; i < SALT_OCTETS; i++) counter[i] = master[KEY_OCTETS + i]!;
	counter[7] = counter[7]! ^ label;
	const key = new Uint8Array(octets);
	derivation.apply(counter, key, 0, octets);
	return key;
}

/** Room for counter and MAC that both directions of a stream may share. */
export class SrtpScratch {
	readonly counter = new Uint8Array(16);
	readonly mac = new Uint8Array(MAC_OCTETS);
	readonly tag = new Uint8Array(TAG_OCTETS);
}

/** RFC 3711 §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16. */
function setCounter(counter: Uint8Array, salt: Uint8Array, ssrc: number, high: number, low: number): void {
	for (let i = 0; i < SALT_OCTETS; i++) counter[i] = salt[i]!;
	counter[14] = 0;
	counter[15] = 0;
	xor32(counter, 4, ssrc);
	xor32(counter, 8, high);
	counter[12] = counter[12]! ^ (low >>> 8);
	counter[13] = counter[13]! ^ (low & 0xff);
}

function xor32(counter: Uint8Array, at: number, value: number): void {
	counter[at] = counter[at]! ^ (value >>> 24);
	counter[at + 1] = counter[at + 1]! ^ ((value >>> 16) & 0xff);
	counter[at + 2] = counter[at + 2]! ^ ((value >>> 8) & 0xff);
	counter[at + 3] = counter[at + 3]! ^ (value & 0xff);
}

/** The counter of SRTCP has 31 bits of index where SRTP has 48. */
function setControlCounter(counter: Uint8Array, salt: Uint8Array, ssrc: number, index: number): void {
	setCounter(counter, salt, ssrc, index >>> 16, index & 0xffff);
}

/** True when the tag at `at` is the MAC's beginning; looks at all octets either way. */
function isTag(bytes: Uint8Array, at: number, mac: Uint8Array): boolean {
	let difference = 0;
	for (let i = 0; i < TAG_OCTETS; i++) difference |= bytes[at + i]! ^ mac[i]!;
	return difference === 0;
}

function putTag(bytes: Uint8Array, at: number, mac: Uint8Array): void {
	for (let i = 0; i < TAG_OCTETS; i++) bytes[at + i] = mac[i]!;
}

/** The sending direction. */
export class SrtpSender {
	readonly #rtp: Session;
	readonly #rtcp: Session;
	readonly #scratch: SrtpScratch;
	#rollover = 0;
	#lastSequence = -1;
	#controlIndex = 0;

	/** `master`: 16 octets of key, 14 of salt. */
	constructor(crypto: MediaCrypto, master: Uint8Array, scratch: SrtpScratch) {
		this.#rtp = new Session(crypto, master, 0);
		this.#rtcp = new Session(crypto, master, 3);
		this.#scratch = scratch;
	}

	/**
	 * Ciphers the payload `bytes[payloadAt..end)` and writes the tag behind it: the new end. Sequence numbers have to grow by one each
	 * time (we never send out of order), which is what the rollover counter follows.
	 */
	seal(bytes: Uint8Array, payloadAt: number, end: number, sequence: number, ssrc: number): number {
		if (sequence < this.#lastSequence) this.#rollover = (this.#rollover + 1) >>> 0;
		this.#lastSequence = sequence;
		const { counter, mac } = this.#scratch;
		setCounter(counter, this.#rtp.salt, ssrc, this.#rollover, sequence);
		this.#rtp.cipher.apply(counter, bytes, payloadAt, end);
		writeUint32(bytes, end, this.#rollover);
		this.#rtp.mac.digestInto(bytes, 0, end + 4, mac);
		putTag(bytes, end, mac);
		return end + TAG_OCTETS;
	}

	/** Ciphers a compound RTCP packet `bytes[0..end)` and writes index and tag behind it: the new end, or 0 when the key is used up. */
	sealControl(bytes: Uint8Array, end: number): number {
		if (this.#controlIndex > MAX_SRTCP_INDEX) return 0;
		const index = this.#controlIndex++;
		const { counter, mac } = this.#scratch;
		setControlCounter(counter, this.#rtcp.salt, readInt32(bytes, 4) >>> 0, index);
		this.#rtcp.cipher.apply(counter, bytes, RTCP_HEADER_OCTETS, end);
		writeUint32(bytes, end, index + 0x80000000);
		this.#rtcp.mac.digestInto(bytes, 0, end + 4, mac);
		putTag(bytes, end + 4, mac);
		return end + SRTCP_OCTETS;
	}
}

/** Columns of the table of sources: SSRC, rollover counter, highest sequence number, replay window (newest in bit 0 of `low`). */
const COLUMNS = 5;
const SSRC = 0;
const ROLLOVER = 1;
const SEQUENCE = 2;
const LOW = 3;
const HIGH = 4;

/** The receiving direction. Every SSRC that had an authentic packet keeps its own rollover counter and replay window under the key. */
export class SrtpReceiver {
	readonly #rtp: Session;
	readonly #rtcp: Session;
	readonly #scratch: SrtpScratch;
	readonly #sources = new Uint32Array(COLUMNS * MAX_SECURE_SOURCES);
	#sourceCount = 0;
	#controlIndex = -1;
	#controlLow = 0;
	#controlHigh = 0;

	/** `master`: 16 octets of key, 14 of salt. */
	constructor(crypto: MediaCrypto, master: Uint8Array, scratch: SrtpScratch) {
		this.#rtp = new Session(crypto, master, 0);
		this.#rtcp = new Session(crypto, master, 3);
		this.#scratch = scratch;
	}

	/** Checks and deciphers a packet in place: the end of its payload, or an `SrtpFault` (its octets are as they came then). */
	open(bytes: Uint8Array, payloadAt: number, sequence: number, ssrc: number): number {
		const end = bytes.length - TAG_OCTETS;
		if (end < payloadAt) return SrtpFault.tooShort;
		let row = this.#find(ssrc);
		const isNew = row < 0;
		if (isNew) {
			if (this.#sourceCount === MAX_SECURE_SOURCES) return SrtpFault.tooManySources;
			row = this.#sourceCount * COLUMNS;
		}
		const rollover = isNew ? 0 : this.#guess(row, sequence);
		// RFC 3711 §3.3 step 5: the replay list is looked at before the MAC is computed, and written after.
		const age = isNew ? 0 : this.#age(row, rollover, sequence);
		if (rollover < 0 || this.#isSeen(row, age)) return SrtpFault.replayed;
		if (!this.#isAuthentic(this.#rtp.mac, bytes, end, rollover)) return SrtpFault.notAuthentic;
		if (isNew) this.#add(row, ssrc, sequence);
		else this.#note(row, age, rollover, sequence);
		setCounter(this.#scratch.counter, this.#rtp.salt, ssrc, rollover, sequence);
		this.#rtp.cipher.apply(this.#scratch.counter, bytes, payloadAt, end);
		return end;
	}

	/** The MAC over `bytes[0..end)` and the rollover counter, which is put where the tag was for the time being. */
	#isAuthentic(key: HmacKey, bytes: Uint8Array, end: number, rollover: number): boolean {
		const { tag, mac } = this.#scratch;
		for (let i = 0; i < TAG_OCTETS; i++) tag[i] = bytes[end + i]!;
		writeUint32(bytes, end, rollover);
		key.digestInto(bytes, 0, end + 4, mac);
		putTag(bytes, end, tag);
		return isTag(tag, 0, mac);
	}

	#find(ssrc: number): number {
		for (let row = 0; row < this.#sourceCount * COLUMNS; row += COLUMNS)
			if (this.#sources[row + SSRC] === ssrc) return row;
		return -1;
	}

	/** RFC 3711 §3.3.1: the rollover counter that brings the index nearest to the highest one seen; -1: before the first. */
	#guess(row: number, sequence: number): number {
		const rollover = this.#sources[row + ROLLOVER]!;
		const highest = this.#sources[row + SEQUENCE]!;
		if (highest < 0x8000) return sequence - highest > 0x8000 ? rollover - 1 : rollover;
		return highest - 0x8000 > sequence ? (rollover + 1) >>> 0 : rollover;
	}

	/** How far behind the highest index; negative: ahead. */
	#age(row: number, rollover: number, sequence: number): number {
		return (this.#sources[row + ROLLOVER]! - rollover) * 0x10000 + this.#sources[row + SEQUENCE]! - sequence;
	}

	#isSeen(row: number, age: number): boolean {
		if (age < 0) return false;
		if (age >= REPLAY_WINDOW) return true;
		return age < 32
			? ((this.#sources[row + LOW]! >>> age) & 1) === 1
			: ((this.#sources[row + HIGH]! >>> (age - 32)) & 1) === 1;
	}

	#add(row: number, ssrc: number, sequence: number): void {
		this.#sourceCount++;
		this.#sources[row + SSRC] = ssrc;
		this.#sources[row + ROLLOVER] = 0;
		this.#sources[row + SEQUENCE] = sequence;
		this.#sources[row + LOW] = 1;
		this.#sources[row + HIGH] = 0;
	}

	#note(row: number, age: number, rollover: number, sequence: number): void {
		const sources = this.#sources;
		if (age >= 32) sources[row + HIGH] = sources[row + HIGH]! | (1 << (age - 32));
		else if (age >= 0) sources[row + LOW] = sources[row + LOW]! | (1 << age);
		else {
			sources[row + HIGH] = shiftHigh(sources[row + LOW]!, sources[row + HIGH]!, -age);
			sources[row + LOW] = shiftLow(sources[row + LOW]!, -age) | 1;
			sources[row + ROLLOVER] = rollover;
			sources[row + SEQUENCE] = sequence;
		}
	}

	/** Checks and deciphers a compound SRTCP packet in place: its end, or an `SrtpFault`. */
	openControl(bytes: Uint8Array): number {
		const end = bytes.length - SRTCP_OCTETS;
		if (end < RTCP_HEADER_OCTETS) return SrtpFault.tooShort;
		const word = readInt32(bytes, end);
		const index = word & MAX_SRTCP_INDEX;
		const age = this.#controlIndex - index;
		if (this.#controlIndex >= 0 && age >= 0 && (age >= REPLAY_WINDOW || this.#isControlSeen(age)))
			return SrtpFault.replayed;
		const { mac, counter } = this.#scratch;
		this.#rtcp.mac.digestInto(bytes, 0, end + 4, mac);
		if (!isTag(bytes, end + 4, mac)) return SrtpFault.notAuthentic;
		this.#noteControl(index, age);
		if (word < 0) {
			setControlCounter(counter, this.#rtcp.salt, readInt32(bytes, 4) >>> 0, index);
			this.#rtcp.cipher.apply(counter, bytes, RTCP_HEADER_OCTETS, end);
		}
		return end;
	}

	#isControlSeen(age: number): boolean {
		return ((age < 32 ? this.#controlLow >>> age : this.#controlHigh >>> (age - 32)) & 1) === 1;
	}

	#noteControl(index: number, age: number): void {
		if (this.#controlIndex >= 0 && age >= 32) this.#controlHigh |= 1 << (age - 32);
		else if (this.#controlIndex >= 0 && age >= 0) this.#controlLow |= 1 << age;
		else {
			const by = this.#controlIndex < 0 ? REPLAY_WINDOW : -age;
			this.#controlHigh = shiftHigh(this.#controlLow, this.#controlHigh, by);
			this.#controlLow = shiftLow(this.#controlLow, by) | 1;
			this.#controlIndex = index;
		}
	}
}

/** The upper word of a 64-bit shift to the left. */
function shiftHigh(low: number, high: number, by: number): number {
	if (by >= REPLAY_WINDOW) return 0;
	if (by >= 32) return low << (by - 32);
	return (high << by) | (low >>> (32 - by));
}

/** The lower word. */
function shiftLow(low: number, by: number): number {
	return by >= 32 ? 0 : low << by;
}
