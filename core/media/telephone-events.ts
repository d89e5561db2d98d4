/**
 * RFC 4733: keys pressed during a call, as RTP payloads.
 *
 *   |     event     |E|R| volume    |          duration             |
 *
 * All packets of one event carry the timestamp at which it began; the duration grows; the last packet has the E bit and comes three
 * times. So the timestamp tells events apart, whatever is lost, repeated or out of order.
 */
import { SAMPLES_PER_MS } from "./frame.ts";
import { MAX_DIGITS } from "./limits.ts";
import { writeUint16 } from "./rtp.ts";

/** Octets of one event. */
export const EVENT_OCTETS = 4;

/** RFC 4733 §3.2: events 0 to 15. */
const DIGITS = "0123456789*#ABCD";
const MOST_DURATION = 0xffff;
/** Without an update for so long the event is over (RFC 4733 §2.5.2.2: three update intervals; ours allow for 50 ms and some jitter). */
const TIMEOUT_MS = 250;
/** Choice (RFC 4733): some phones give each update a new timestamp. Without a marker and an end between, so near is the same event. */
const SAME_EVENT_SAMPLES = 800;

/** Code of a digit; -1 when it is none. */
export function eventCode(digit: string): number {
	return digit.length === 1 ? DIGITS.indexOf(digit) : -1;
}

/** Digit of a code; "" for events that are no digits. */
export function eventDigit(code: number): string {
	return code >= 0 && code < 16 ? DIGITS.charAt(code) : "";
}

/** What a packet has told. */
export const EventNews = Object.freeze({ none: 0, began: 1, ended: 2, beganAndEnded: 3 } as const);

/** Follows the events of one stream. */
export class EventReceiver {
	/** The event that began or ended last, 0..255; and how long it has been, in samples. */
	code = -1;
	duration = 0;
	/** Timestamp of the event or its newest segment, and by how much that is behind the event's beginning. */
	#timestamp = 0;
	#offset = 0;
	#hasOne = false;
	#isOpen = false;
	#heardAt = 0;

	/** Takes a payload; an `EventNews`. Only the first of the events in it (RFC 4733 §2.3.2 allows more, nobody sends them). */
	note(bytes: Uint8Array, at: number, timestamp: number, isMarked: boolean, now: number): number {
		const code = bytes[at]!;
		const isEnd = bytes[at + 1]! >= 0x80;
		const duration = (bytes[at + 2]! << 8) | bytes[at + 3]!;
		if (this.#hasOne && timestamp === this.#timestamp) return this.#update(duration, isEnd, now);
		// Older than the newest event: its packets come late or again. What they tell was told.
		const ahead = (timestamp - this.#timestamp) | 0;
		if (this.#hasOne && ahead < 0) return EventNews.none;
		if (this.#isContinued(code, ahead, isMarked)) return this.#extend(timestamp, ahead, duration, isEnd, now);
		this.#hasOne = true;
		this.#offset = 0;
		this.#timestamp = timestamp;
		this.code = code;
		this.duration = duration;
		this.#heardAt = now;
		this.#isOpen = !isEnd;
		// When the end of the one before was lost, nobody is told of it: its length is not worth a second piece of news.
		return isEnd ? EventNews.beganAndEnded : EventNews.began;
	}

	#update(duration: number, isEnd: boolean, now: number): number {
		if (!this.#isOpen) return EventNews.none;
		this.#heardAt = now;
		this.duration = Math.max(this.duration, this.#offset + duration);
		if (!isEnd) return EventNews.none;
		this.#isOpen = false;
		return EventNews.ended;
	}

	/** RFC 4733 §2.5.1.3: an event longer than 0xffff samples goes on in a further segment; and the choice above. */
	#isContinued(code: number, ahead: number, isMarked: boolean): boolean {
		if (!this.#isOpen || code !== this.code || isMarked) return false;
		return ahead <= this.duration + SAME_EVENT_SAMPLES;
	}

	#extend(timestamp: number, ahead: number, duration: number, isEnd: boolean, now: number): number {
		this.#timestamp = timestamp;
		this.#heardAt = now;
		this.#offset += ahead;
		this.duration = Math.max(this.duration, this.#offset + duration);
		if (!isEnd) return EventNews.none;
		this.#isOpen = false;
		return EventNews.ended;
	}

	/** True once when an event has ended without saying so. */
	expire(now: number): boolean {
		if (!this.#isOpen || now - this.#heardAt < TIMEOUT_MS) return false;
		this.#isOpen = false;
		return true;
	}

	/** Another sender: its timestamps have nothing to do with those before. */
	reset(): void {
		this.#hasOne = false;
		this.#isOpen = false;
	}
}

/** A digit sounds for 100 ms, its end is sent three times (RFC 4733 §2.5.1.4), and 60 ms of voice come before the next. */
const SOUND_SAMPLES = 100 * SAMPLES_PER_MS;
const END_PACKETS = 3;
const PAUSE_FRAMES = 3;
/** -10 dBm0, as RFC 4733 §2.3.4 counts: without the sign. */
const VOLUME = 10;

/** Sends digits, one packet in place of each voice frame. */
export class EventSender {
	/** True on the first packet of an event. */
	isFirst = false;
	/** The timestamp of the event. */
	timestamp = 0;
	readonly #queue = new Uint8Array(MAX_DIGITS);
	#first = 0;
	#count = 0;
	#duration = 0;
	#ends = 0;
	#pause = 0;

	/** Queues a code; false: the queue is full. */
	add(code: number): boolean {
		if (this.#count === MAX_DIGITS) return false;
		this.#queue[(this.#first + this.#count++) % MAX_DIGITS] = code;
		return true;
	}

	get isBusy(): boolean {
		return this.#count > 0;
	}

	/** Forgets what has not been sent. */
	clear(): void {
		this.#count = 0;
		this.#duration = 0;
		this.#ends = 0;
		this.#pause = 0;
	}

	/** Writes the event of this frame (its voice would have `timestamp`) to `out`; false: it is voice's turn. */
	writeInto(out: Uint8Array, at: number, timestamp: number, frameSamples: number): boolean {
		if (this.#count === 0) return false;
		if (this.#pause > 0) {
			this.#pause--;
			return false;
		}
		this.isFirst = this.#duration === 0;
		if (this.isFirst) this.timestamp = timestamp;
		if (this.#ends === 0) this.#duration = Math.min(MOST_DURATION, this.#duration + frameSamples);
		const isEnd = this.#duration >= SOUND_SAMPLES;
		out[at] = this.#queue[this.#first]!;
		out[at + 1] = isEnd ? 0x80 | VOLUME : VOLUME;
		writeUint16(out, at + 2, this.#duration);
		if (isEnd && ++this.#ends === END_PACKETS) this.#next();
		return true;
	}

	#next(): void {
		this.#first = (this.#first + 1) % MAX_DIGITS;
		this.#count--;
		this.#duration = 0;
		this.#ends = 0;
		this.#pause = PAUSE_FRAMES;
	}
}
