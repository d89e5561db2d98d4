/**
 * Who may have what forwarded or registered: digest for phones, the certificate's AOR for overlay peers, dialogs let through before.
 * RFC 3261 §16.3 item 6, §22; RFC 7904 §3.5.
 */
import type { Authenticator } from "./auth.ts";
import { domainOf } from "./edge-parts.ts";
import type { SipEvent } from "./edge-types.ts";
import type { Hop } from "./flow.ts";
import type { FlowTable } from "./flows.ts";
import type { SipMessage } from "./message.ts";
import { type Refusal, refusal } from "./refusal.ts";
import type { RoutePlan } from "./route.ts";

/** Leave to go on. */
export interface Admission {
	/** The AOR that the digest proved. */
	readonly account: string | undefined;
	/** Line of the credentials that were used; -1 without. */
	readonly line: number;
}

const ADMITTED: Admission = Object.freeze({ account: undefined, line: -1 });

export interface GateOptions {
	readonly auth: Authenticator;
	readonly flows: FlowTable;
	readonly isAuthenticating: boolean;
	/** Where a digest username without domain lives when the request does not tell. */
	readonly domain: string;
	/** AOR of the certificates that the household's edges have for each other. */
	readonly houseAor: string | undefined;
	readonly tell: (event: SipEvent) => void;
}

export class Gate {
	readonly #options: GateOptions;

	constructor(options: GateOptions) {
		this.#options = options;
	}

	/** May this request be forwarded? */
	forForwarding(request: SipMessage, plan: RoutePlan, hop: Hop, now: number): Admission | Refusal {
		const isInDialog = request.toTag() !== "";
		// A Route value of ours that names the very hop a request comes from was handed out when its dialog was let through.
		if (isInDialog && plan.isProven) return ADMITTED;
		const from = this.#options.flows.aorOf(request.from()!.uri()!);
		const { peerAor, account: client } = hop.flow.options;
		if (peerAor !== undefined) return this.#maySay(peerAor, from) ? ADMITTED : refusal(403, "From Is Not The Peer");
		if (client !== undefined) {
			return from === client ? { account: client, line: -1 } : refusal(403, "From Is Not The Certificate's");
		}
		if (this.#isOpen(hop)) return ADMITTED;
		const account = this.#authenticate(request, from, hop, true, now);
		if ("status" in account) return account;
		// Inside a dialog the From may be a ring group's AOR, which is nobody's account.
		return account.account === from || isInDialog ? account : refusal(403, "From Is Not The Account");
	}

	/**
	 * RFC 7904 §3.5: From is the AOR that the peer's certificate proves. Choice (§3.5): an edge of the household may say any AOR of the
	 * domain: it has proved the caller itself, by digest or certificate, and holds an identity for each account anyway.
	 */
	#maySay(peerAor: string, from: string | undefined): boolean {
		const { houseAor, domain } = this.#options;
		return from === peerAor || (peerAor === houseAor && domainOf(from) === domain);
	}

	/** May this REGISTER of `aor` be carried out? */
	forRegistering(request: SipMessage, aor: string, hop: Hop, now: number): Admission | Refusal {
		const { peerAor, account: client } = hop.flow.options;
		// A device registers in the overlay (RFC 7904 §3), and the house is registered by its edges there: neither has contacts here.
		if (client !== undefined || (peerAor !== undefined && peerAor === this.#options.houseAor)) {
			return refusal(403, "Registered In The Overlay");
		}
		if (peerAor !== undefined) return peerAor === aor ? ADMITTED : refusal(403, "To Is Not The Peer");
		if (this.#isOpen(hop)) return ADMITTED;
		const account = this.#authenticate(request, aor, hop, false, now);
		if ("status" in account) return account;
		return account.account === aor ? account : refusal(403, "To Is Not The Account");
	}

	/** RFC 3261 §16.3: an ACK is not challenged; it goes where a dialog that was let through goes, or nowhere. */
	mayForwardAck(plan: RoutePlan, hop: Hop): boolean {
		return plan.isProven || (this.#isOpen(hop) && !hop.flow.isOverlay);
	}

	#isOpen(hop: Hop): boolean {
		return !this.#options.isAuthenticating || hop.flow.options.isTrusted === true;
	}

	#authenticate(
		request: SipMessage,
		aor: string | undefined,
		hop: Hop,
		isProxy: boolean,
		now: number,
	): Admission | Refusal {
		const { auth, domain, tell } = this.#options;
		const { address } = hop;
		const result = auth.check(request, domainOf(aor) ?? domain, address, isProxy, now);
		switch (result.type) {
			case "accepted":
				return { account: result.aor, line: result.line };
			case "blocked":
				tell({ type: "authenticationFailed", aor: aor ?? "", address, isBlocked: true });
				return refusal(403, "Too Many Failures");
			default:
				if (result.wrongAor !== "") {
					tell({ type: "authenticationFailed", aor: result.wrongAor, address, isBlocked: false });
				}
				return refusal(isProxy ? 407 : 401, "", result.headers);
		}
	}
}
