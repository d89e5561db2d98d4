/**
 * Answering diagnostics: which values a node gives to whom. Before editing read RFC 7851 §4 to §7.
 *
 *   request -> expired?  -> asks for Kinds it may not list?  -> Kinds asked for x Kinds allowed -> values we have
 *
 * The default is deny (RFC 7851 §7 MUST): a Kind is given to the nodes that the configuration names for it, and to nobody else.
 */
import { includesBytes, utf8ToBytes } from "../wire/bytes.ts";
import { DiagnosticKindId, ErrorCode } from "../wire/codes.ts";
import {
	encodeDiagnosticNumber,
	encodeSoftwareVersion,
	writeInstancesStored,
	writeMessagesSentRcvd,
} from "../wire/diagnostic-values.ts";
import type { DiagnosticInfo, DiagnosticsRequest, DiagnosticsResponse } from "../wire/diagnostics.ts";
import { WireWriter } from "../wire/writer.ts";
import { MAX_DIAGNOSTIC_ENTRIES } from "./limits.ts";

/** RFC 7851 §5.1: expiration lies 1 to 600 seconds ahead. */
const MOST_AHEAD_MS = 600_000;
/** RFC 7851 §5.3: Kinds that have a flag; they MUST NOT be listed as extension. */
const LAST_FLAG_KIND = 0x3f;

/** What a node can tell about itself; what is absent is left out of answers. */
export interface DiagnosticSource {
	/** STATUS_INFO: congestion, 0..15. */
	readonly congestion?: number;
	readonly routingTableSize?: number;
	/** MIPS. */
	readonly processPower?: number;
	/** kbit/s. */
	readonly upstreamBandwidth?: number;
	readonly downstreamBandwidth?: number;
	readonly softwareVersion?: string;
	/** Seconds. */
	readonly machineUptime?: number;
	readonly appUptime?: number;
	/** KiB. */
	readonly memoryFootprint?: number;
	/** Octets. */
	readonly datasizeStored?: number;
	/** Kind-ID and number of values. */
	readonly instancesStored?: ReadonlyArray<readonly [kind: number, instances: number]>;
	readonly messages?: readonly { readonly messageCode: number; readonly sent: number; readonly received: number }[];
	/** Octets per second, `ByteRate`. */
	readonly ewmaBytesSent?: number;
	readonly ewmaBytesRcvd?: number;
	/** IP hops to the next hop peer. */
	readonly underlayHop?: number;
	/** True: on battery. */
	readonly onBattery?: boolean;
	/** Contents of Kinds without flag (0xf000..0xfffe). */
	local?(kind: number): Uint8Array | undefined;
}

/** diagnostic-kind of the configuration: who may ask for a Kind. */
export interface DiagnosticAccess {
	readonly kind: number;
	readonly nodes: readonly Uint8Array[];
}

export interface DiagnosticContext {
	/** Node-ID of the verified signer of the request. */
	readonly requester: Uint8Array;
	/** ttl of the request as received. */
	readonly ttl: number;
	/** Milliseconds since 1970. */
	readonly wallMs: number;
	readonly access: readonly DiagnosticAccess[];
	readonly source: DiagnosticSource;
}

export type DiagnosticsAnswer =
	| { readonly ok: true; readonly response: DiagnosticsResponse }
	| { readonly ok: false; readonly errorCode: number; readonly info: Uint8Array };

/** RFC 7851 §6.2 MUST: checked by every node that understands it, forwarding ones too. */
export function isDiagnosticExpired(request: DiagnosticsRequest, wallMs: number): boolean {
	return request.expiration <= wallMs;
}

/** Assembles the answer to a Diagnostic_Ping extension or to a PathTrack. */
export function answerDiagnostics(request: DiagnosticsRequest, context: DiagnosticContext): DiagnosticsAnswer {
	if (isDiagnosticExpired(request, context.wallMs))
		return refused(ErrorCode.messageExpired, "diagnostics request expired");
	if (request.expiration > context.wallMs + MOST_AHEAD_MS) {
		return refused(ErrorCode.invalidMessage, "expiration is more than 600 s ahead");
	}
	for (const { kind } of request.diagnosticExtensionsList) {
		if (kind <= LAST_FLAG_KIND) return refused(ErrorCode.invalidMessage, "a diagnostic Kind with a flag is listed");
	}
	const asked = askedKinds(request);
	const diagnosticInfoList: DiagnosticInfo[] = [];
	let allowed = 0;
	for (const kind of asked) {
		if (!isAllowed(context, kind)) continue;
		allowed++;
		const contents = contentsOf(context.source, kind);
		if (contents === undefined || diagnosticInfoList.length >= MAX_DIAGNOSTIC_ENTRIES) continue;
		diagnosticInfoList.push({ kind, diagnosticInfoContents: contents });
	}
	// Choice (RFC 7851 §7): who may know some of what it asks for gets that; who may know nothing of it is refused.
	if (asked.length > 0 && allowed === 0) return refused(ErrorCode.forbidden, "diagnostics are not permitted");
	return {
		ok: true,
		response: {
			expiration: request.expiration,
			timestampInitiated: request.timestampInitiated,
			timestampReceived: Math.floor(context.wallMs),
			hopCounter: context.ttl,
			diagnosticInfoList,
		},
	};
}

function refused(errorCode: number, text: string): DiagnosticsAnswer {
	return { ok: false, errorCode, info: utf8ToBytes(text) };
}

/** Kinds of the flags (bit n = Kind n; bits 0 and 63 are reserved), then those listed; each once. */
function askedKinds(request: DiagnosticsRequest): number[] {
	const kinds: number[] = [];
	for (let kind = 1; kind < LAST_FLAG_KIND; kind++) {
		const word = kind < 32 ? request.dMFlagsLow : request.dMFlagsHigh;
		if (((word >>> (kind % 32)) & 1) === 1) kinds.push(kind);
	}
	for (const { kind } of request.diagnosticExtensionsList) {
		if (kinds.length < 2 * MAX_DIAGNOSTIC_ENTRIES && !kinds.includes(kind)) kinds.push(kind);
	}
	return kinds;
}

function isAllowed(context: DiagnosticContext, kind: number): boolean {
	for (const entry of context.access) {
		if (entry.kind === kind && includesBytes(entry.nodes, context.requester)) return true;
	}
	return false;
}

/** RFC 7851 §5.3: the value of one Kind; `undefined` when this node does not have it. */
function contentsOf(source: DiagnosticSource, kind: number): Uint8Array | undefined {
	const number = numberOf(source, kind);
	if (number !== undefined) return encodeDiagnosticNumber(kind, Math.max(0, Math.floor(number)));
	switch (kind) {
		case DiagnosticKindId.softwareVersion:
			return source.softwareVersion === undefined ? undefined : encodeSoftwareVersion(source.softwareVersion);
		case DiagnosticKindId.instancesStored: {
			if (source.instancesStored === undefined) return undefined;
			const list: { kind: number; instances: number }[] = [];
			for (const [kindId, instances] of source.instancesStored) list.push({ kind: kindId, instances });
			const writer = new WireWriter(64);
			writeInstancesStored(writer, list);
			return writer.take();
		}
		case DiagnosticKindId.messagesSentRcvd: {
			if (source.messages === undefined) return undefined;
			const writer = new WireWriter(64);
			writeMessagesSentRcvd(writer, source.messages);
			return writer.take();
		}
		default:
			return kind > LAST_FLAG_KIND ? source.local?.(kind) : undefined;
	}
}

const UINT32 = 0xffffffff;

function numberOf(source: DiagnosticSource, kind: number): number | undefined {
	switch (kind) {
		case DiagnosticKindId.statusInfo:
			return atMost(source.congestion, 15);
		case DiagnosticKindId.routingTableSize:
			return atMost(source.routingTableSize, UINT32);
		case DiagnosticKindId.processPower:
			return source.processPower;
		case DiagnosticKindId.upstreamBandwidth:
			return source.upstreamBandwidth;
		case DiagnosticKindId.downstreamBandwidth:
			return source.downstreamBandwidth;
		case DiagnosticKindId.machineUptime:
			return source.machineUptime;
		case DiagnosticKindId.appUptime:
			return source.appUptime;
		case DiagnosticKindId.memoryFootprint:
			return source.memoryFootprint;
		case DiagnosticKindId.datasizeStored:
			return source.datasizeStored;
		case DiagnosticKindId.ewmaBytesSent:
			return atMost(source.ewmaBytesSent, UINT32);
		case DiagnosticKindId.ewmaBytesRcvd:
			return atMost(source.ewmaBytesRcvd, UINT32);
		case DiagnosticKindId.underlayHop:
			return atMost(source.underlayHop, 255);
		case DiagnosticKindId.batteryStatus:
			// RFC 7851 §5.3: top bit 0 = on battery.
			return source.onBattery === undefined ? undefined : source.onBattery ? 0 : 0x80;
		default:
			return undefined;
	}
}

function atMost(value: number | undefined, most: number): number | undefined {
	return value === undefined ? undefined : Math.min(value, most);
}

const EWMA_PERIOD_MS = 5_000;
const EWMA_ALPHA = 0.8;

/** RFC 7851 §5.3 EWMA_BYTES_SENT, EWMA_BYTES_RCVD: octets per second, alpha 0.8, every five seconds. */
export class ByteRate {
	#startedMs: number;
	#octets = 0;
	#rate = 0;

	constructor(now: number) {
		this.#startedMs = now;
	}

	/** Counts octets that were sent or received at `now`. */
	add(octets: number, now: number): void {
		this.#roll(now);
		this.#octets += octets;
	}

	/** Octets per second. */
	rate(now: number): number {
		this.#roll(now);
		return Math.round(this.#rate);
	}

	#roll(now: number): void {
		const periods = Math.floor((now - this.#startedMs) / EWMA_PERIOD_MS);
		if (periods <= 0) return;
		const present = this.#octets / (EWMA_PERIOD_MS / 1000);
		this.#rate = EWMA_ALPHA * present + (1 - EWMA_ALPHA) * this.#rate;
		// The periods after it were silent.
		this.#rate *= (1 - EWMA_ALPHA) ** (periods - 1);
		this.#octets = 0;
		this.#startedMs += periods * EWMA_PERIOD_MS;
	}
}
