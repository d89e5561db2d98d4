/** What is wrong with a request before anybody looks at what it wants: RFC 3261 §8.2.1 to §8.2.3. */
import { Header } from "../header-names.ts";
import { LINE, type SipMessage } from "../message.ts";
import { type Refusal, refusal } from "../refusal.ts";
import { asciiLower } from "../syntax.ts";
import { readUri } from "../uri.ts";
import { sdpOf } from "./call-base.ts";
import { AGENT_ALLOW } from "./core.ts";
import { valueNamed } from "./headers.ts";
import { MAX_BODY_OCTETS } from "./limits.ts";

const ACCEPT = "Accept: application/sdp\r\n";

/** Why this request is refused; `undefined`: it may be looked into. ACK and CANCEL are for others. */
export function faultOf(request: SipMessage): Refusal | undefined {
	const { fault } = request;
	if (fault !== undefined) return refusal(fault.status, fault.reason);
	if (request.maxForwards() === -2) return refusal(400, "Bad Max-Forwards");
	// RFC 3261 §8.2.1: unknown methods.
	if (!isTaken(request.method)) return refusal(405, "", AGENT_ALLOW);
	const uri = readUri(request, request.uriStart, request.uriEnd);
	if (uri === undefined) return refusal(400, "Bad Request-URI");
	if (!uri.isSip) return refusal(416);
	if (request.from()?.uri() === undefined) return refusal(400, "Bad From");
	if (request.to()?.uri() === undefined) return refusal(400, "Bad To");
	const unsupported = unsupportedLine(request);
	if (unsupported !== "") return refusal(420, "", unsupported);
	return bodyFault(request);
}

function isTaken(method: string): boolean {
	switch (method) {
		case "INVITE":
		case "BYE":
		case "OPTIONS":
		case "MESSAGE":
		case "INFO":
		case "UPDATE":
			return true;
		default:
			return false;
	}
}

/** RFC 3261 §8.2.2.3: extensions that are required and not there. */
function unsupportedLine(request: SipMessage): string {
	let missing = "";
	for (let line = request.find(Header.require); line >= 0; line = request.find(Header.require, line + LINE)) {
		const tags = request.text.slice(request.valueStart(line), request.valueEnd(line)).split(",");
		for (let i = 0; i < tags.length; i++) {
			const tag = tags[i]!.trim();
			if (tag !== "" && asciiLower(tag) !== "timer") missing += missing === "" ? tag : `, ${tag}`;
		}
	}
	return missing === "" ? "" : `Unsupported: ${missing}\r\n`;
}

/** RFC 3261 §8.2.3. */
function bodyFault(request: SipMessage): Refusal | undefined {
	const { length } = request.body;
	if (length === 0) return undefined;
	const encoding = asciiLower(valueNamed(request, "content-encoding", "e") ?? "identity");
	if (encoding !== "identity") return refusal(415, "", "Accept-Encoding: identity\r\n");
	switch (request.method) {
		case "INVITE":
		case "UPDATE":
			return sdpOf(request) === "" ? refusal(415, "", ACCEPT) : undefined;
		case "MESSAGE":
		case "INFO":
			return length > MAX_BODY_OCTETS ? refusal(413) : undefined;
		default:
			return undefined;
	}
}
