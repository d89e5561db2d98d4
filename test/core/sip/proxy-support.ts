/** Requests of alice, and where they go, for the tests of the proxy. */
import type { Target } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
import type { SipMessage } from "../../../core/sip/message.ts";
import { lines, type Sent, World } from "./support.ts";

export const ALICE = "192.0.2.10:5060";
export const BOB = "192.0.2.20:5060";
export const CAROL = "192.0.2.30:5060";
export const BOB_URI = "sip:bob@192.0.2.20";
export const CAROL_URI = "sip:carol@192.0.2.30";
export const BOB_TARGET: Target = { uri: BOB_URI, flow: 1, address: "192.0.2.20", port: 5060 };
export const CAROL_TARGET: Target = { uri: CAROL_URI, flow: 1, address: "192.0.2.30", port: 5060 };

export function request(
	method: string,
	options: {
		uri?: string;
		branch?: string;
		toTag?: string;
		fromTag?: string;
		cseq?: number;
		extra?: string[];
		callId?: string;
		via?: string;
		from?: string;
		to?: string;
	} = {},
): string {
	const uri = options.uri ?? "sip:bob@home.example";
	return lines(
		`${method} ${uri} SIP/2.0`,
		`Via: SIP/2.0/UDP ${options.via ?? "192.0.2.10"};branch=z9hG4bK${options.branch ?? "a1"}`,
		`From: <${options.from ?? "sip:alice@home.example"}>;tag=${options.fromTag ?? "at"}`,
		`To: <${options.to ?? "sip:bob@home.example"}>${options.toTag === undefined ? "" : `;tag=${options.toTag}`}`,
		`Call-ID: ${options.callId ?? "call1"}`,
		`CSeq: ${options.cseq ?? 1} ${method === "ACK" || method === "CANCEL" ? method : method}`,
		"Contact: <sip:alice@192.0.2.10>",
		"Max-Forwards: 70",
		...(options.extra ?? []),
	);
}

export function world(targets: readonly Target[] = [BOB_TARGET], options = {}): World {
	const made = new World(options);
	made.locate = (output) => ({ type: "located", token: output.token, targets, status: 404 });
	return made;
}

/** What went to a place since it was last asked, the last one. */
export function to(sent: Sent[], place: string): SipMessage {
	const found = sent.filter((each) => `${each.address}:${each.port}` === place);
	if (found.length === 0) throw new Error(`nothing to ${place}`);
	return found.at(-1)!.message;
}

/** Our Record-Route values in a message, as URIs, top first. */
export function recordRoute(message: SipMessage): string[] {
	return message
		.value(Header.recordRoute)!
		.split(", ")
		.map((value) => value.slice(1, -1));
}
