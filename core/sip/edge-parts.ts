/** Small parts of the edge that need nothing of its state. */
import type { Binding } from "./bindings.ts";
import type { Credentials } from "./digest.ts";
import type { BindingInfo, Origin, SipOutput } from "./edge-types.ts";
import type { Flow, Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import { RETRY_AFTER_S } from "./limits.ts";
import { LINE, type SipMessage } from "./message.ts";
import { asciiLower } from "./syntax.ts";
import type { TimerOwner } from "./timers.ts";

export { statelessTag } from "./ids.ts";

/** With a 503. */
export const RETRY_AFTER = `Retry-After: ${RETRY_AFTER_S}\r\n`;

/** Closes a stream in which a message stands still. */
export class Stall implements TimerOwner {
	readonly #flow: Flow;
	readonly #put: (output: SipOutput) => void;

	constructor(flow: Flow, put: (output: SipOutput) => void) {
		this.#flow = flow;
		this.#put = put;
	}

	expire(): void {
		this.#put({ type: "close", flow: this.#flow.number, reason: "unfinished message" });
	}
}

/** The verifier of an edge without accounts. */
export function noAccounts(): Credentials | undefined {
	return undefined;
}

/** Via lines; each holds a value at least. */
export function viaCount(request: SipMessage): number {
	let count = 0;
	for (let line = request.find(Header.via); line >= 0; line = request.find(Header.via, line + LINE)) count++;
	return count;
}

/** The domain of an AOR. */
export function domainOf(aor: string | undefined): string | undefined {
	return aor === undefined ? undefined : aor.slice(aor.lastIndexOf("@") + 1);
}

/** Unsupported line for the extensions that a request requires and the edge lacks; "" when there are none (RFC 3261 §8.2.2.3). */
export function unsupportedOptions(request: SipMessage): string {
	let missing = "";
	for (let line = request.find(Header.require); line >= 0; line = request.find(Header.require, line + LINE)) {
		const tags = request.text.slice(request.valueStart(line), request.valueEnd(line)).split(",");
		for (let i = 0; i < tags.length; i++) {
			const tag = tags[i]!.trim();
			const lower = asciiLower(tag);
			if (lower === "path" || lower === "outbound") continue;
			missing += missing === "" ? tag : `, ${tag}`;
		}
	}
	return missing === "" ? "" : `Unsupported: ${missing}\r\n`;
}

export function originOf(from: Hop, account: string | undefined): Origin {
	const { peerAor } = from.flow.options;
	return { flow: from.flow.number, peerAor, account, address: from.address, port: from.port };
}

/** A binding as the host sees it. */
export function bindingInfo(binding: Binding): BindingInfo {
	const { hop } = binding;
	const path = binding.path.length > 0 ? binding.path : undefined;
	const target = hop.flow.hasManyRemotes
		? { uri: binding.uri, flow: hop.flow.number, address: hop.address, port: hop.port, path }
		: { uri: binding.uri, flow: hop.flow.number, path };
	return { aor: binding.aor, target, q: binding.q, expiresAt: binding.expiresAt, instance: binding.instance };
}
