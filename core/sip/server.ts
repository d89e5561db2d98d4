/** Requests to the edge itself: REGISTER (RFC 3261 §10.3) and OPTIONS (§11.2). */
import { EMPTY } from "../wire/bytes.ts";
import { type Binding, BindingTable } from "./bindings.ts";
import { bindingInfo, RETRY_AFTER, unsupportedOptions } from "./edge-parts.ts";
import type { BindingInfo, SipEvent } from "./edge-types.ts";
import type { Flow, Hop } from "./flow.ts";
import type { FlowTable } from "./flows.ts";
import type { Gate } from "./gate.ts";
import type { IdSource } from "./ids.ts";
import type { SipLimits } from "./limits.ts";
import type { SipMessage } from "./message.ts";
import { ALLOW } from "./methods.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { register, registerResponse } from "./registrar.ts";
import type { TimerHeap } from "./timers.ts";
import type { TransactionLayer } from "./transactions.ts";

/** Extensions a request may require of us. */
const SUPPORTED = "Supported: path, outbound\r\n";

export interface UserAgentServerOptions {
	readonly gate: Gate;
	readonly flows: FlowTable;
	readonly layer: TransactionLayer;
	readonly timers: TimerHeap;
	readonly limits: SipLimits;
	readonly ids: IdSource;
	readonly tell: (event: SipEvent) => void;
}

type Change = "registered" | "refreshed" | "unregistered" | "expired" | "flowClosed";

export class UserAgentServer {
	readonly #options: UserAgentServerOptions;
	readonly #bindings: BindingTable;

	constructor(options: UserAgentServerOptions) {
		this.#options = options;
		this.#bindings = new BindingTable(options.timers, options.limits, {
			bindingsGone: (change, aor, gone) => this.#tell(change, aor, gone),
		});
	}

	/** Bindings of all AORs. */
	get size(): number {
		return this.#bindings.size;
	}

	/** The contacts of an AOR, highest q first. */
	bindings(aor: string): BindingInfo[] {
		return this.#bindings
			.of(aor)
			.map(bindingInfo)
			.sort((a, b) => b.q - a.q);
	}

	registeredAors(): string[] {
		return [...this.#bindings.aors()];
	}

	flowClosed(flow: Flow, now: number): void {
		this.#bindings.flowClosed(flow, now);
	}

	/** Carries out a request; answers what is to be sent without a transaction, `undefined` when it has been answered in one. */
	serve(request: SipMessage, hop: Hop, now: number): Refusal | undefined {
		// RFC 3261 §8.2.2.3.
		const unsupported = unsupportedOptions(request);
		if (unsupported !== "") return refusal(420, "", unsupported);
		if (this.#options.layer.isMerged(request)) return refusal(482, "Merged Request");
		switch (request.method) {
			case "REGISTER":
				return this.#register(request, hop, now);
			case "OPTIONS":
				// RFC 3261 §11.2: answered as often as it is asked; phones keep their NAT open by it.
				return refusal(200, "", `Accept: application/sdp\r\nAllow: ${ALLOW}\r\n${SUPPORTED}`);
			default:
				return refusal(405, "", "Allow: OPTIONS, REGISTER\r\n");
		}
	}

	#register(request: SipMessage, hop: Hop, now: number): Refusal | undefined {
		const { flows, gate, layer, limits, ids } = this.#options;
		const to = request.to()!.uri()!;
		const aor = flows.aorOf(to);
		// RFC 3261 §10.3 item 5; RFC 4475 §3.3.4: the AOR is a SIP URI of a domain served here.
		if (aor === undefined) return refusal(400, "Bad To");
		if (!flows.isOwn(to)) return refusal(404);
		const admission = gate.forRegistering(request, aor, hop, now);
		if ("status" in admission) return admission;
		const server = layer.newFinalServer(request, hop);
		if (server === undefined) return refusal(503, "", RETRY_AFTER);
		const result = register(this.#bindings, request, aor, hop, limits, now);
		server.respond(result.status, registerResponse(request, result, ids.hex(5)), EMPTY, now);
		if (result.change === undefined) return undefined;
		const { registered, refreshed, unregistered } = result.change;
		if (registered.length > 0) this.#tell("registered", aor, registered);
		if (refreshed.length > 0) this.#tell("refreshed", aor, refreshed);
		if (unregistered.length > 0) this.#tell("unregistered", aor, unregistered);
		return undefined;
	}

	#tell(type: Change, aor: string, bindings: readonly Binding[]): void {
		const remaining = this.#bindings.of(aor).length;
		this.#options.tell({ type, aor, contacts: bindings.map(bindingInfo), remaining });
	}
}
