/**
 * ConfigUpdate: how a new configuration document or Kind spreads. Before editing read RFC 6940 §6.5.4, §6.3.2.1, §11.1.
 *
 * Flooding needs no plan: a node with the new document meets the old sequence in requests, or its own is met as too new.
 */
import { readConfigDocument, unsupportedExtensions, verifyConfigSignature } from "../config/document.ts";
import { readKindBlock, verifyKindBlock } from "../config/kind-block.ts";
import { isNewerSequence } from "../config/sequence.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { bytesToUtf8, EMPTY, toHex } from "../wire/bytes.ts";
import { ConfigUpdateType, ErrorCode, MessageCode } from "../wire/codes.ts";
import { type ConfigUpdateReq, readConfigUpdateReq, writeConfigUpdateReq } from "../wire/config-update.ts";
import type { Destination } from "../wire/destination.ts";
import { readUnknownKinds } from "../wire/error.ts";
import { encode } from "../wire/writer.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";
import type { Outcome } from "./requests.ts";

export class ConfigUpdates {
	readonly #context: NodeContext;
	/** When a node was last sent an update, oldest first. */
	readonly #sent = new Map<string, number>();

	constructor(context: NodeContext) {
		this.#context = context;
	}

	/** RFC 6940 §6.5.4 MUST: who has old configuration gets ours. At most one per node and pause. */
	sendConfig(destination: readonly Destination[], nodeId: Uint8Array, now: number): void {
		const { settings, counters } = this.#context;
		if (settings.bytes.length === 0 || !this.#mayTell(`config ${toHex(nodeId)}`, now)) return;
		counters.add(Counter.configUpdatesSent);
		const done = (outcome: Outcome) => {
			// A document above max-message-size spreads by the enrollment server only; the people should know.
			if (outcome.ok || outcome.errorCode !== ErrorCode.messageTooLarge) return;
			this.#context.log("warn", "config.tooLarge", { octets: settings.bytes.length });
		};
		this.#open({ type: ConfigUpdateType.config, configData: settings.bytes }, destination, done, now);
	}

	/**
	 * RFC 6940 §6.3.3.1 MUST: who does not know a Kind gets its definition. Kinds of the document itself cannot be unknown to a node of
	 * the same sequence, so only those that came one by one are sent. `info`: error_info of Error_Unknown_Kind.
	 */
	sendKinds(destination: readonly Destination[], info: Uint8Array, now: number): void {
		const { settings, counters } = this.#context;
		const unknown = readUnknownKinds(info);
		if (isRefused(unknown)) return;
		const kinds: Uint8Array[] = [];
		for (const id of unknown) {
			const block = settings.kindBlock(id);
			if (block !== undefined) kinds.push(block);
		}
		const last = destination[destination.length - 1];
		const whom =
			last === undefined ? "" : toHex("nodeId" in last ? last.nodeId : "resourceId" in last ? last.resourceId : EMPTY);
		if (kinds.length === 0 || !this.#mayTell(`kind ${whom}`, now)) return;
		counters.add(Counter.configUpdatesSent);
		this.#open({ type: ConfigUpdateType.kind, kinds }, destination, () => {}, now);
	}

	#mayTell(whom: string, now: number): boolean {
		const last = this.#sent.get(whom);
		if (last !== undefined && now - last < Times.configUpdateGapMs) return false;
		this.#sent.delete(whom);
		if (this.#sent.size >= this.#context.limits.configUpdateTargets) {
			for (const oldest of this.#sent.keys()) {
				this.#sent.delete(oldest);
				break;
			}
		}
		this.#sent.set(whom, now);
		return true;
	}

	/** The command: sends our document; the result has `token`. */
	send(token: number, destination: readonly Destination[], now: number): void {
		const { settings } = this.#context;
		this.#open(
			{ type: ConfigUpdateType.config, configData: settings.bytes },
			destination,
			(outcome) => {
				if (outcome.ok) {
					const { from, hops, rttMs } = outcome;
					this.#context.result(token, { ok: true, body: { type: "configUpdate" }, from, hops, rttMs });
					return;
				}
				const { errorCode, info } = outcome;
				this.#context.result(token, { ok: false, errorCode, info: bytesToUtf8(info), infoBytes: info });
			},
			now,
		);
	}

	#open(
		body: ConfigUpdateReq,
		destination: readonly Destination[],
		done: (outcome: Outcome) => void,
		now: number,
	): void {
		this.#context.requests.open(
			{ code: MessageCode.configUpdateReq, body: encode(writeConfigUpdateReq, body), destination, done },
			now,
		);
	}

	/** A ConfigUpdate request for us. */
	serve(request: IncomingRequest, now: number): void {
		const { answers } = this.#context;
		const body = readConfigUpdateReq(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		switch (body.type) {
			case ConfigUpdateType.config:
				this.#serveConfig(request, body.configData, now);
				return;
			case ConfigUpdateType.kind:
				this.#serveKinds(request, body.kinds, now);
				return;
			default:
				answers.refuse(request, ErrorCode.invalidMessage, `ConfigUpdate type ${body.code}`, now);
		}
	}

	/** RFC 6940 §6.5.4, [D-10]: newer, and signed by a configuration-signer of the document in force. */
	#serveConfig(request: IncomingRequest, bytes: Uint8Array, now: number): void {
		const { answers, settings, crypto } = this.#context;
		const document = readConfigDocument(bytes, crypto);
		if (isRefused(document)) {
			answers.refuse(request, ErrorCode.invalidMessage, document.refused, now);
			return;
		}
		if (!isNewerSequence(document.config.sequence, settings.config.sequence)) {
			answers.refuse(request, ErrorCode.configTooOld, `sequence here is ${settings.config.sequence}`, now);
			return;
		}
		if (document.config.nodeIdLength !== settings.config.nodeIdLength) {
			// Choice (§6.5.4): every table and link has ids of the old length.
			answers.refuse(request, ErrorCode.incompatibleWithOverlay, "node-id-length cannot change while running", now);
			return;
		}
		const fault = verifyConfigSignature(document, settings.config, settings.verifier, this.#context.wallMs(now));
		if (fault !== undefined) {
			answers.refuse(request, ErrorCode.forbidden, fault.refused, now);
			return;
		}
		answers.answer(request, EMPTY, now);
		this.adopt(bytes, now);
	}

	/**
	 * Puts a document in force that the host vouches for (enrollment server over TLS, file), or whose signature was checked. Refused: not
	 * readable, of another overlay, not newer, or with another Node-ID length (such a change needs a new start).
	 */
	adopt(bytes: Uint8Array, now: number): undefined | Refused {
		const { settings, crypto, counters, links, requests, role } = this.#context;
		const copy = bytes.slice();
		const document = readConfigDocument(copy, crypto, settings.config.instanceName);
		if (isRefused(document)) return document;
		const previous = settings.config;
		const { config } = document;
		if (config.nodeIdLength !== previous.nodeIdLength) return refuse("node-id-length cannot change while running");
		if (!isNewerSequence(config.sequence, previous.sequence)) return refuse("not newer than the document in force");
		settings.adopt(config, copy);
		counters.add(Counter.configAdopted);
		links.configChanged(now);
		requests.configChanged(now);
		role.configChanged(previous, now);
		this.#context.event({ type: "config", config, bytes: copy });
		const lacking = unsupportedExtensions(config);
		// RFC 6940 §11.1: a node that cannot comply leaves.
		if (lacking.length > 0) {
			this.#context.event({ type: "refused", what: "config", reason: `needs ${lacking.join(" ")}`, address: "" });
			role.leave(now);
		}
		return undefined;
	}

	/** RFC 6940 §6.5.4: each Kind signed by a kind-signer; one bad Kind refuses them all. */
	#serveKinds(request: IncomingRequest, blocks: readonly Uint8Array[], now: number): void {
		const { answers, settings, limits } = this.#context;
		if (blocks.length > limits.addedKinds) {
			answers.refuse(request, ErrorCode.invalidMessage, "too many Kinds", now);
			return;
		}
		const accepted: { kind: Parameters<typeof settings.addKind>[0]; block: Uint8Array }[] = [];
		for (const bytes of blocks) {
			const block = readKindBlock(bytes);
			if (isRefused(block)) {
				answers.refuse(request, ErrorCode.invalidMessage, block.refused, now);
				return;
			}
			const wallMs = this.#context.wallMs(now);
			const kind = verifyKindBlock(block, settings.config, settings.kinds(), settings.verifier, wallMs);
			if (isRefused(kind)) {
				answers.refuse(request, ErrorCode.forbidden, kind.refused, now);
				return;
			}
			accepted.push({ kind, block: bytes.slice() });
		}
		if (!settings.hasRoomFor(accepted.length, limits.addedKinds)) {
			answers.refuse(request, ErrorCode.invalidMessage, "too many Kinds", now);
			return;
		}
		for (const { kind, block } of accepted) settings.addKind(kind, block);
		answers.answer(request, EMPTY, now);
	}
}
