/**
 * A message's header as one hop walks through it: the current destination, and what of the destination list is behind us already
 * (RFC 6940 §6.1.1: our own Node-ID in front of other entries is taken off and the next one looked at).
 */
import { MessageCode } from "../wire/codes.ts";
import { FIXED_HEADER_OCTETS } from "../wire/forwarding.ts";
import { ForwardingView } from "../wire/forwarding-view.ts";

export class HopView extends ForwardingView {
	/** Octets of the destination list that are dropped when the message goes on. */
	#dropped = 0;
	/** Entries left, the current one included. */
	left = 0;

	override look(bytes: Uint8Array): boolean {
		this.#dropped = 0;
		const sound = super.look(bytes);
		this.left = this.destinationCount;
		return sound;
	}

	/** Takes the current destination off and makes the next one current. False when it was the last. */
	skip(): boolean {
		if (this.left <= 1) return false;
		this.left--;
		this.#dropped += this.firstEntryLength;
		this.noteFirst(FIXED_HEADER_OCTETS + this.viaListLength + this.#dropped);
		return true;
	}

	/** `forwardInto` without what was skipped. */
	goOn(out: Uint8Array, at: number, previousHop: Uint8Array | undefined): number {
		const entry = this.firstEntryLength;
		this.firstEntryLength = this.#dropped;
		const length = this.forwardInto(out, at, previousHop, this.#dropped > 0);
		this.firstEntryLength = entry;
		return length;
	}

	/**
	 * RFC 6940 §6.1.2: only for requests the way back is recorded. A piece that does not begin the message does not show its code; it
	 * counts as a request, since a via list too many does no harm.
	 */
	get isRequest(): boolean {
		const code = this.messageCode;
		return code < 0 || (code % 2 === 1 && code !== MessageCode.error);
	}

	/** message_code; -1 where this piece does not show it. */
	get messageCode(): number {
		const at = this.payloadOffset;
		if (this.fragmentOffset !== 0 || this.bytes.length - at < 2) return -1;
		return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
	}

	/** Copies the current Node-ID or Resource-ID into `into`. False when it has another length. */
	copyFirst(into: Uint8Array): boolean {
		if (this.firstLength !== into.length) return false;
		for (let i = 0; i < into.length; i++) into[i] = this.bytes[this.firstOffset + i]!;
		return true;
	}

	/** RFC 6940 §13.6.5 SHOULD: two equal entries in a destination list make a loop. */
	get hasDuplicates(): boolean {
		const start = FIXED_HEADER_OCTETS + this.viaListLength;
		const end = start + this.destinationListLength;
		for (let a = start; a < end; a += this.#lengthAt(a)) {
			const length = this.#lengthAt(a);
			for (let b = a + length; b < end; b += this.#lengthAt(b)) {
				if (this.#lengthAt(b) === length && this.#equal(a, b, length)) return true;
			}
		}
		return false;
	}

	#lengthAt(at: number): number {
		return this.bytes[at]! >= 0x80 ? 2 : 2 + this.bytes[at + 1]!;
	}

	#equal(a: number, b: number, length: number): boolean {
		for (let i = 0; i < length; i++) if (this.bytes[a + i] !== this.bytes[b + i]) return false;
		return true;
	}
}
