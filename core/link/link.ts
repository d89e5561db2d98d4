/**
 * One framed, acknowledged link over a reliable octet stream (TLS over TCP with framing header, no ICE).
 * Before editing read RFC 6940 §6.6 (max-message-size), §6.6.2 (framing), §6.6.5 (this link type) and RFC 6298 §2, §5.
 *
 *   transport octets -> Deframer -> messages (pulled by the owner) and acks -> SentFrames, RttEstimator
 *   sendMessage, reserve/commit, acks of what was received -> SendBuffer -> one `transmit` per drain
 *
 *        ack                    linkSuspectMs or RTO without an ack          linkDeadMs more
 *   ok <------ suspect   ok ------------------------------------> suspect ------------------> dead, close
 */
import { ACK_FRAME_OCTETS, DATA_FRAME_HEADER_OCTETS, putAckFrame, putDataFrameHeader } from "../wire/framing.ts";
import { Deframer, Frame, LEAST_MESSAGE_OCTETS } from "./deframer.ts";
import { HELD_ACKS, LINK_LIMITS, type LinkLimits } from "./limits.ts";
import {
	CloseReason,
	type LinkCounters,
	type LinkInput,
	type LinkMachine,
	type LinkOutput,
	type LinkTimers,
} from "./link-machine.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { RttEstimator } from "./rtt.ts";
import { SendBuffer } from "./send-buffer.ts";
import { SentFrames } from "./sent-frames.ts";

export interface LinkOptions {
	/** max-message-size of the configuration (RFC 6940 §11.1). */
	readonly maxMessageSize: number;
	readonly timers: LinkTimers;
	/** When the transport came up. */
	readonly now: number;
	readonly limits?: LinkLimits;
}

export class Link implements LinkMachine {
	readonly counters: LinkCounters = {
		dataIn: 0,
		dataOut: 0,
		acksIn: 0,
		acksOut: 0,
		octetsIn: 0,
		octetsOut: 0,
		acksDropped: 0,
		acksStray: 0,
		refused: 0,
		suspects: 0,
	};
	readonly #limits: LinkLimits;
	readonly #timers: LinkTimers;
	readonly #deframer: Deframer;
	readonly #window = new ReceiveWindow();
	readonly #sent = new SentFrames();
	readonly #rtt = new RttEstimator();
	readonly #buffer: SendBuffer;

	#now: number;
	/** The last octet from the neighbour, or the last `idle`. */
	#quietSince: number;
	/** The last ack of an outstanding frame. */
	#progressAt = 0;
	/** When the link became suspect; -1 while it is not. */
	#suspectAt = -1;
	/** What the owner was last told. */
	#toldSuspect = false;
	#idle = false;
	#dead = false;
	#head: Uint8Array | undefined;
	#closing: CloseReason | undefined;
	#closed = false;

	/** Octets handed out that the host has not reported as gone. */
	#handedOut = 0;
	/** Nothing but acks waits, and they wait for a message until then; Infinity: nothing is held. */
	#heldUntil = Infinity;

	/** Octets of the last `reserve`, not committed. */
	#reserved = 0;

	constructor(options: LinkOptions) {
		this.#limits = options.limits ?? LINK_LIMITS;
		this.#timers = options.timers;
		this.#deframer = new Deframer(options.maxMessageSize);
		this.#buffer = new SendBuffer(this.#limits.arenaOctets);
		this.#now = options.now;
		this.#quietSince = options.now;
	}

	get chunk(): Uint8Array {
		return this.#deframer.bytes;
	}

	get messageAt(): number {
		return this.#deframer.messageAt;
	}

	get messageLength(): number {
		return this.#deframer.messageLength;
	}

	get out(): Uint8Array {
		return this.#buffer.arena;
	}

	get queuedOctets(): number {
		return this.#handedOut + this.#buffer.waiting;
	}

	get rttMs(): number {
		return this.#rtt.smoothedMs;
	}

	get heldUntil(): number {
		return this.#heldUntil;
	}

	/** Retransmission timeout of RFC 6298; used as a limit of patience only. */
	get rtoMs(): number {
		return this.#rtt.rtoMs;
	}

	get isSuspect(): boolean {
		return this.#suspectAt >= 0;
	}

	get isClosed(): boolean {
		return this.#closed;
	}

	get maxMessageSize(): number {
		return this.#deframer.maxMessageSize;
	}

	setMaxMessageSize(octets: number): void {
		this.#deframer.maxMessageSize = octets;
	}

	handle(input: LinkInput, now: number): void {
		if (this.#closed) return;
		this.#now = now;
		switch (input.type) {
			case "bytes":
				if (input.bytes.length === 0) return;
				this.#quietSince = now;
				this.counters.octetsIn += input.bytes.length;
				this.#deframer.feed(input.bytes);
				return;
			case "drained":
				this.#handedOut = input.buffered ?? 0;
				return;
			case "timeout":
				this.#expire(now);
				return;
			case "ended":
				this.#closed = true;
				this.#heldUntil = Infinity;
		}
	}

	next(): boolean {
		if (this.#closed) return false;
		const deframer = this.#deframer;
		for (;;) {
			switch (deframer.next()) {
				case Frame.data:
					this.counters.dataIn++;
					this.#acknowledge(deframer.sequence);
					return true;
				case Frame.ack:
					this.#acknowledged(deframer.sequence);
					break;
				case Frame.tooLarge:
					if (deframer.messageLength > 0) this.#head = this.#view();
					this.#closing ??= CloseReason.messageTooLarge;
					return false;
				case Frame.lost:
					this.#closing ??= CloseReason.framingLost;
					return false;
				default:
					return false;
			}
		}
	}

	nextMessage(): Uint8Array | undefined {
		return this.next() ? this.#view() : undefined;
	}

	#view(): Uint8Array {
		const { bytes, messageAt, messageLength } = this.#deframer;
		return bytes.subarray(messageAt, messageAt + messageLength);
	}

	poll(): LinkOutput | undefined {
		if (this.#closed) return undefined;
		if (this.next()) return { type: "message", bytes: this.#view() };
		if (this.#head !== undefined) {
			const head = this.#head;
			this.#head = undefined;
			return { type: "tooLarge", head };
		}
		return this.#pollState() ?? this.#pollTransport();
	}

	#pollState(): LinkOutput | undefined {
		if (this.#toldSuspect !== this.#suspectAt >= 0) {
			this.#toldSuspect = !this.#toldSuspect;
			if (!this.#toldSuspect) return { type: "ok" };
			return { type: "suspect", unacknowledgedMs: this.#suspectAt - this.#waitingSince() };
		}
		if (this.#idle) {
			this.#idle = false;
			return { type: "idle" };
		}
		if (this.#dead) {
			this.#dead = false;
			return { type: "dead" };
		}
		return undefined;
	}

	#pollTransport(): LinkOutput | undefined {
		if (this.#heldUntil > this.#now && this.#heldUntil !== Infinity && this.#closing === undefined) return undefined;
		this.#heldUntil = Infinity;
		const bytes = this.#buffer.take();
		if (bytes !== undefined) {
			this.#handedOut += bytes.length;
			this.counters.octetsOut += bytes.length;
			return { type: "transmit", bytes };
		}
		if (this.#closing === undefined) return undefined;
		this.#closed = true;
		return { type: "close", reason: this.#closing };
	}

	deadline(): number {
		return Math.min(this.watchDeadline(), this.heldUntil);
	}

	watchDeadline(): number {
		if (this.#closed) return Infinity;
		if (this.#closing !== undefined) return Infinity;
		if (this.#sent.count === 0) return this.#quietSince + this.#timers.linkIdleMs;
		if (this.#suspectAt >= 0) return this.#suspectAt + this.#timers.linkDeadMs;
		return this.#waitingSince() + this.#patienceMs();
	}

	// RFC 6298 §5.3: an ack of new data starts the timer again, so the wait is since the oldest outstanding frame was sent or
	// since the last ack, whichever is later. A slow link whose acks keep coming is not suspect.
	#waitingSince(): number {
		const sentAt = this.#sent.oldestSentAt;
		return Math.max(sentAt, this.#progressAt);
	}

	// RFC 6940 §6.6.5 MUST: the RTO of RFC 6298 is the timeout that takes the link out of the routing table.
	// Choice (§6.6.5): never sooner than linkSuspectMs. On a LAN the RTO is a few milliseconds, less than a neighbour's garbage
	// collection or a device's signature; on a slow path the RTO is longer and counts.
	#patienceMs(): number {
		const { linkSuspectMs } = this.#timers;
		const { rtoMs } = this.#rtt;
		return Math.max(rtoMs, linkSuspectMs);
	}

	#expire(now: number): void {
		if (now < this.watchDeadline()) return;
		if (this.#sent.count === 0) {
			this.#quietSince = now;
			this.#idle = true;
		} else if (this.#suspectAt < 0) {
			// Counted from now, not from when it was due: a host that slept must not find its links dead at once.
			this.#suspectAt = now;
			this.counters.suspects++;
		} else {
			this.#dead = true;
			this.#closing = CloseReason.unacknowledged;
		}
	}

	sendMessage(bytes: Uint8Array, now: number): boolean {
		const at = this.reserve(bytes.length);
		if (at < 0) return false;
		this.#buffer.arena.set(bytes, at);
		return this.commit(bytes.length, now);
	}

	reserve(count: number): number {
		const frame = DATA_FRAME_HEADER_OCTETS + count;
		if (
			this.#closed ||
			this.#sent.count >= this.#limits.unacknowledgedFrames ||
			this.#handedOut + this.#buffer.waiting + frame > this.#limits.queuedOctets
		) {
			this.counters.refused++;
			return -1;
		}
		this.#reserved = count;
		return this.#buffer.room(frame) + DATA_FRAME_HEADER_OCTETS;
	}

	commit(count: number, now: number): boolean {
		if (count > this.#reserved || count < LEAST_MESSAGE_OCTETS) {
			throw new RangeError(`a message of ${count} octets, ${this.#reserved} reserved`);
		}
		this.#reserved = 0;
		if (count > this.#deframer.maxMessageSize) {
			// The neighbour would close the link over it.
			this.counters.refused++;
			return false;
		}
		const at = this.#buffer.room(DATA_FRAME_HEADER_OCTETS + count);
		putDataFrameHeader(this.#buffer.arena, at, this.#sent.add(now), count);
		this.#buffer.advance(DATA_FRAME_HEADER_OCTETS + count);
		this.#heldUntil = Infinity;
		this.counters.dataOut++;
		return true;
	}

	// RFC 6940 §6.6.2 SHOULD: every data frame is acknowledged at once, whatever it contains.
	// Deviation (§6.6.2): an ack waits ackHoldMs at most for a message that goes the same way, because a request is most often answered
	// within that time, and a record of its own costs each end as much as a message; seen by the neighbour as a round trip that is longer
	// by at most that.
	#acknowledge(sequence: number): void {
		const received = this.#window.receive(sequence);
		const { ackOctets, queuedOctets } = this.#limits;
		if (this.#handedOut + this.#buffer.waiting + ACK_FRAME_OCTETS > queuedOctets + ackOctets) {
			// The neighbour sends and does not read. What it loses is its own measurement.
			this.counters.acksDropped++;
			return;
		}
		this.#hold();
		const at = this.#buffer.room(ACK_FRAME_OCTETS);
		putAckFrame(this.#buffer.arena, at, sequence, received);
		this.#buffer.advance(ACK_FRAME_OCTETS);
		this.counters.acksOut++;
	}

	#hold(): void {
		const { ackHoldMs } = this.#timers;
		const { waiting } = this.#buffer;
		if (ackHoldMs === undefined) return;
		if (waiting === 0) this.#heldUntil = this.#now + ackHoldMs;
		// Many frames and nothing to say: the neighbour may be waiting for room.
		else if (waiting >= HELD_ACKS * ACK_FRAME_OCTETS) this.#heldUntil = Infinity;
	}

	#acknowledged(sequence: number): void {
		this.counters.acksIn++;
		const sentAt = this.#sent.acknowledge(sequence);
		if (sentAt < 0) {
			this.counters.acksStray++;
			return;
		}
		this.#rtt.sample(this.#now - sentAt);
		this.#progressAt = this.#now;
		// RFC 6940 §6.6.3.1 MAY: the link returns to the routing table when acks resume before it was closed.
		if (!this.#dead) this.#suspectAt = -1;
	}
}
