/** What the receiving element writes into the top Via of a request: RFC 3261 §18.2.1, RFC 3581 §4. */
import { Hop, hostText, isIpAddress } from "./flow.ts";
import type { SipMessage } from "./message.ts";

/**
 * Notes `received` (and `rport`, where it was asked for) of the hop a request came over; the note is written when the head is copied.
 * False when the top Via is malformed.
 *
 * A `received` that the sender wrote itself is replaced: responses go back over the hop, and the next element shall not be told lies.
 */
export function noteVia(request: SipMessage, hop: Hop): boolean {
	const via = request.via();
	if (via === undefined) return false;
	const { address, port } = hop;
	// Nothing to note where the far end has no address (an overlay connection through others).
	if (address === "") return true;
	const hasRport = via.rportEnd >= 0;
	const isElsewhere = via.host !== address && via.host !== hostText(address);
	if (!hasRport && !isElsewhere && via.receivedStart < 0) return true;
	const received = isElsewhere || hasRport ? `;received=${address}` : "";
	if (via.receivedStart >= 0) return replaceReceived(request, hop, received);
	request.viaNoteAt = hasRport ? via.rportEnd : via.end;
	request.viaNoteEnd = request.viaNoteAt;
	// RFC 3581 §4 MUST: with rport, received is written even when it says nothing new.
	request.viaNote = hasRport ? `=${port}${received}` : received;
	return true;
}

/**
 * Where answers to a request go, and requests of its dialog. RFC 3261 §18.2.2: over the connection; by UDP to the address it came from,
 * at the port its Via names, or with rport at the port it came from (RFC 3581 §4). `maddr` is not followed.
 *
 * Deviation (§18.2.2): a Via with another IP address than the request's shows a NAT, behind which the port named there reaches nobody;
 * answers go to the port it came from, as if rport had been asked for. Seen by phones as calls that work.
 */
export function replyHop(request: SipMessage, from: Hop): Hop {
	const via = request.via();
	if (via === undefined || via.rport >= 0 || !from.flow.hasManyRemotes) return from;
	if (isIpAddress(via.host) && via.host !== hostText(from.address)) return from;
	const port = via.port === 0 ? 5060 : via.port;
	return port === from.port ? from : new Hop(from.flow, from.address, port);
}

/** The sender's own `received` goes; `rport` may stand before or behind it. */
function replaceReceived(request: SipMessage, hop: Hop, received: string): boolean {
	const via = request.via()!;
	const { text } = request;
	const hasRport = via.rportEnd >= 0;
	const first = hasRport && via.rportEnd < via.receivedStart ? via.rportEnd : via.receivedStart;
	const last = hasRport && via.rportEnd > via.receivedEnd ? via.rportEnd : via.receivedEnd;
	request.viaNoteAt = first;
	request.viaNoteEnd = last;
	if (!hasRport) request.viaNote = received;
	else if (via.rportEnd <= via.receivedStart) {
		request.viaNote = `=${hop.port}${received}${text.slice(via.rportEnd, via.receivedStart)}`;
	} else request.viaNote = `${text.slice(via.receivedEnd, via.rportEnd)}=${hop.port}${received}`;
	return true;
}
