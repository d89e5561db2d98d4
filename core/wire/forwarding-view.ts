/**
 * ForwardingView: a look at a received message for the forwarding path, and the same message with the header of the next hop.
 * One view per link is used again for every message; nothing is allocated (RFC 6940 §6.1.2, §6.3.2).
 */
import { DestinationType, ForwardingFlag, ForwardingOptionType, RELO_TOKEN, RELO_VERSION } from "./codes.ts";
import { FIXED_HEADER_OCTETS, FRAGMENT_BIT, FRAGMENT_OFFSET_MASK, isWhole } from "./forwarding.ts";

const TTL_OFFSET = 11;
const MOST_LIST_OCTETS = 0xffff;

/**
 * All fields describe the last message given to `look`, and mean something only when that returned true. They are read by the
 * router and written here.
 */
export class ForwardingView {
	readonly #nodeIdLength: number;
	/** The message, as given. */
	bytes: Uint8Array = new Uint8Array(0);
	/** Why `look` returned false, in the RFC's words, and where. */
	reason = "";
	failedAt = -1;

	overlay = 0;
	configurationSequence = 0;
	ttl = 0;
	fragment = 0;
	transactionIdHigh = 0;
	transactionIdLow = 0;
	maxResponseLength = 0;
	/** Octets of the lists; they start at offset 38 and follow one another. */
	viaListLength = 0;
	destinationListLength = 0;
	optionsLength = 0;
	/** Offset of what follows the header: MessageContents, or a slice of it in a fragment. */
	payloadOffset = 0;
	viaCount = 0;
	destinationCount = 0;
	/** Type of the first destination; short-form opaque ids count as 3. */
	firstType = 0;
	/** Octets of the first destination's entry in the list. */
	firstEntryLength = 0;
	/** Offset and octets of its Node-ID, Resource-ID or opaque id. */
	firstOffset = 0;
	firstLength = 0;
	/** Some forwarding option has FORWARD_CRITICAL set: decode the options before forwarding. */
	hasForwardCritical = false;

	constructor(nodeIdLength: number) {
		this.#nodeIdLength = nodeIdLength;
	}

	/**
	 * Looks at one message as deframed. True when its header is sound: token, version, fragment bit, `length`, and lists that
	 * walk cleanly, by the same rules as `readForwardingHeader`. Left to the router: overlay, ttl limit, max-message-size.
	 */
	look(bytes: Uint8Array): boolean {
		this.bytes = bytes;
		this.failedAt = -1;
		this.hasForwardCritical = false;
		if (bytes.length < FIXED_HEADER_OCTETS) return this.#fail("ends too early", bytes.length);
		if (read32(bytes, 0) !== RELO_TOKEN) return this.#fail("relo_token is not 0xd2454c4f: not a RELOAD message", 0);
		if (bytes[10] !== RELO_VERSION) return this.#fail("version is not 1.0 (0x0a)", 10);
		this.fragment = read32(bytes, 12);
		if (this.fragment < FRAGMENT_BIT) return this.#fail("fragment bit is clear", 12);
		if (read32(bytes, 16) !== bytes.length) return this.#fail("length is not that of the message", 16);
		this.overlay = read32(bytes, 4);
		this.configurationSequence = read16(bytes, 8);
		this.ttl = bytes[TTL_OFFSET]!;
		this.transactionIdHigh = read32(bytes, 20);
		this.transactionIdLow = read32(bytes, 24);
		this.maxResponseLength = read32(bytes, 28);
		this.viaListLength = read16(bytes, 32);
		this.destinationListLength = read16(bytes, 34);
		this.optionsLength = read16(bytes, 36);
		return this.#walkLists();
	}

	#fail(reason: string, at: number): boolean {
		this.reason = reason;
		this.failedAt = at;
		return false;
	}

	#walkLists(): boolean {
		const destinations = FIXED_HEADER_OCTETS + this.viaListLength;
		const options = destinations + this.destinationListLength;
		this.payloadOffset = options + this.optionsLength;
		if (this.payloadOffset > this.bytes.length) return this.#fail("lists exceed the message", 32);
		this.viaCount = this.#walkDestinations(FIXED_HEADER_OCTETS, destinations, true);
		if (this.viaCount < 0) return false;
		this.destinationCount = this.#walkDestinations(destinations, options, false);
		if (this.destinationCount < 0) return false;
		if (this.destinationCount === 0) return this.#fail("destination list is empty", destinations);
		this.noteFirst(destinations);
		return this.#walkOptions(options, this.payloadOffset);
	}

	/** Number of entries in [at, end), or -1 after a fault. */
	#walkDestinations(start: number, end: number, isVia: boolean): number {
		let count = 0;
		let at = start;
		let resource = false;
		while (at < end) {
			if (resource) return this.#faulty("Resource-ID before the end of a destination list", at);
			const length = this.#entryLength(at, end);
			if (length < 0) return -1;
			resource = this.bytes[at] === DestinationType.resource;
			if (resource && isVia) return this.#faulty("Resource-ID in a via list", at);
			at += length;
			count++;
		}
		return count;
	}

	#faulty(reason: string, at: number): -1 {
		this.#fail(reason, at);
		return -1;
	}

	/** Octets of the entry at `at`, checked; -1 after a fault. */
	#entryLength(at: number, end: number): number {
		const bytes = this.bytes;
		const type = bytes[at]!;
		if (end - at < 2) return this.#faulty("ends too early", at);
		if (type >= 0x80) return 2;
		const length = bytes[at + 1]!;
		if (type === DestinationType.invalid) return this.#faulty("destination type 0 is invalid", at);
		if (end - at - 2 < length) return this.#faulty("length exceeds its container", at + 2);
		if (type === DestinationType.node && length !== this.#nodeIdLength) {
			return this.#faulty("Node-ID has another length than this overlay's", at);
		}
		if (type === DestinationType.resource || type === DestinationType.opaqueId) {
			if (length === 0 || bytes[at + 2] !== length - 1) return this.#faulty("octets left over", at + 2);
		}
		return 2 + length;
	}

	/** Makes the entry at `at` the first one; `look` has checked that it is sound. */
	protected noteFirst(at: number): void {
		const type = this.bytes[at]!;
		if (type >= 0x80) {
			this.firstType = DestinationType.opaqueId;
			this.firstEntryLength = 2;
			this.firstOffset = at;
			this.firstLength = 2;
			return;
		}
		const hasInner = type === DestinationType.resource || type === DestinationType.opaqueId;
		const length = this.bytes[at + 1]!;
		this.firstType = type;
		this.firstEntryLength = 2 + length;
		this.firstOffset = at + (hasInner ? 3 : 2);
		this.firstLength = hasInner ? length - 1 : length;
	}

	#walkOptions(start: number, end: number): boolean {
		const bytes = this.bytes;
		let at = start;
		while (at < end) {
			if (end - at < 4) return this.#fail("ends too early", at);
			if (bytes[at] === ForwardingOptionType.invalid) return this.#fail("forwarding option type 0 is invalid", at);
			if ((bytes[at + 1]! & ForwardingFlag.forwardCritical) !== 0) this.hasForwardCritical = true;
			const length = read16(bytes, at + 2);
			if (end - at - 4 < length) return this.#fail("ends too early", at + 4);
			at += 4 + length;
		}
		return true;
	}

	/** True when this is not one piece of a larger message. */
	get isWhole(): boolean {
		return isWhole(this.fragment);
	}

	/** Offset of this fragment's slice in the original message, after its header. */
	get fragmentOffset(): number {
		return this.fragment & FRAGMENT_OFFSET_MASK;
	}

	/** True when the first destination is this Node-ID. */
	firstIsNode(nodeId: Uint8Array): boolean {
		if (this.firstType !== DestinationType.node || this.firstLength !== nodeId.length) return false;
		for (let i = 0; i < nodeId.length; i++) if (this.bytes[this.firstOffset + i] !== nodeId[i]) return false;
		return true;
	}

	/** RFC 6940 §6.1.1: true when the first destination is the wildcard Node-ID (all ones), which any node consumes. */
	firstIsWildcard(): boolean {
		if (this.firstType !== DestinationType.node) return false;
		for (let i = 0; i < this.firstLength; i++) if (this.bytes[this.firstOffset + i] !== 0xff) return false;
		return true;
	}

	/** The first destination's Node-ID, Resource-ID or opaque id: a view made for the occasion. */
	first(): Uint8Array {
		return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + this.firstOffset, this.firstLength);
	}

	/** What follows the header: a view made for the occasion. */
	payload(): Uint8Array {
		const length = this.bytes.length - this.payloadOffset;
		return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + this.payloadOffset, length);
	}

	/**
	 * Writes the message as it goes to the next hop into `out` at `at`: ttl less one, `previousHop` (when given) appended to the
	 * via list as a node, the first destination dropped when `dropFirst`, all lengths set, everything else untouched.
	 *
	 * Octets written; 0 when ttl is 0, nothing would be left of the destination list, a list would outgrow its length field, or
	 * `out` has no room. `out` must not overlap the message. `room` tells beforehand how much is needed.
	 */
	forwardInto(out: Uint8Array, at: number, previousHop: Uint8Array | undefined, dropFirst: boolean): number {
		const bytes = this.bytes;
		const appended = previousHop === undefined ? 0 : previousHop.length + 2;
		const dropped = dropFirst ? this.firstEntryLength : 0;
		const viaListLength = this.viaListLength + appended;
		const destinationListLength = this.destinationListLength - dropped;
		const length = bytes.length + appended - dropped;
		const needed = Math.max(length, bytes.length);
		if (this.ttl === 0 || destinationListLength === 0) return 0;
		if (viaListLength > MOST_LIST_OCTETS || out.length - at < needed) return 0;
		// One copy of the whole message, so placed that the larger part already lies where it belongs; then one short move.
		const viaEnd = FIXED_HEADER_OCTETS + this.viaListLength;
		const shift = appended - dropped;
		if (shift >= 0) {
			out.set(bytes, at + shift);
			for (let i = 0; i < viaEnd; i++) out[at + i] = bytes[i]!;
		} else {
			out.set(bytes, at);
			out.copyWithin(at + viaEnd + appended, at + viaEnd + dropped, at + bytes.length);
		}
		if (previousHop !== undefined) {
			out[at + viaEnd] = DestinationType.node;
			out[at + viaEnd + 1] = previousHop.length;
			for (let i = 0; i < previousHop.length; i++) out[at + viaEnd + 2 + i] = previousHop[i]!;
		}
		out[at + TTL_OFFSET] = this.ttl - 1;
		put32(out, at + 16, length);
		put16(out, at + 32, viaListLength);
		put16(out, at + 34, destinationListLength);
		return length;
	}

	/** Octets of `out` that `forwardInto` may need. */
	room(previousHop: Uint8Array | undefined): number {
		return this.bytes.length + (previousHop === undefined ? 0 : previousHop.length + 2);
	}
}

function read16(bytes: Uint8Array, at: number): number {
	return (bytes[at]! << 8) | bytes[at + 1]!;
}

function read32(bytes: Uint8Array, at: number): number {
	return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function put16(out: Uint8Array, at: number, value: number): void {
	out[at] = value >>> 8;
	out[at + 1] = value;
}

function put32(out: Uint8Array, at: number, value: number): void {
	out[at] = value >>> 24;
	out[at + 1] = value >>> 16;
	out[at + 2] = value >>> 8;
	out[at + 3] = value;
}
