/** A dialog: RFC 3261 §12. Its names, its route set, and requests inside it. */
import { requestHead } from "../build.ts";
import { Hop, isIpAddress } from "../flow.ts";
import { Header } from "../header-names.ts";
import { AddressWalk, type SipMessage } from "../message.ts";
import { asciiLower } from "../syntax.ts";
import { parseUri } from "../uri.ts";
import { MAX_ROUTE_SET_OCTETS } from "./limits.ts";

export class Dialog {
	readonly callId: string;
	readonly localTag: string;
	/** "" until the far end has given one. */
	remoteTag = "";
	/** From and To of our requests, without tags. */
	readonly local: string;
	readonly remote: string;
	/** Request-URI of our requests. */
	remoteTarget: string;
	/** Route values, nearest first. */
	routes: readonly string[] = NO_ROUTES;
	localCseq: number;
	/** -1: the far end has sent no request yet. */
	remoteCseq = -1;
	/** Where the far end's last message came from, or where we sent the first. */
	hop: Hop;

	constructor(callId: string, localTag: string, local: string, remote: string, remoteTarget: string, hop: Hop) {
		this.callId = callId;
		this.localTag = localTag;
		this.local = local;
		this.remote = remote;
		this.remoteTarget = remoteTarget;
		this.hop = hop;
		this.localCseq = 0;
	}

	/** The same names with the other end of a fork's branch. */
	withRemote(response: SipMessage): Dialog {
		const other = new Dialog(this.callId, this.localTag, this.local, this.remote, this.remoteTarget, this.hop);
		other.localCseq = this.localCseq;
		other.establish(response);
		return other;
	}

	/** UAC, RFC 3261 §12.1.2: tag, target and (in reverse) the route set of a response. False: they are too long to keep. */
	establish(response: SipMessage): boolean {
		this.remoteTag = response.toTag();
		const routes = readRoutes(response);
		if (routes === undefined) return false;
		this.routes = routes.reverse();
		return this.retarget(response);
	}

	/** UAS, RFC 3261 §12.1.1. False: 400. */
	accept(request: SipMessage): boolean {
		this.remoteTag = request.fromTag();
		this.remoteCseq = request.cseq;
		const routes = readRoutes(request);
		if (routes === undefined) return false;
		this.routes = routes;
		return this.retarget(request);
	}

	/** Target refresh (RFC 3261 §12.2): the Contact of INVITE, UPDATE and their 2xx. Without one the target stays. */
	retarget(message: SipMessage): boolean {
		const walk = new AddressWalk(message, Header.contact);
		if (!walk.next()) return !walk.failed;
		const { address } = walk;
		const target = address!.uriText();
		if (target.length > MAX_ROUTE_SET_OCTETS || address!.uri()?.isSip !== true) return false;
		this.remoteTarget = target;
		return true;
	}

	/** True when a request or response of this dialog says these names. */
	is(callId: string, localTag: string, remoteTag: string): boolean {
		return this.localTag === localTag && this.remoteTag === remoteTag && this.callId === callId;
	}

	/** Head of a request inside the dialog (RFC 3261 §12.2.1.1); `cseq` is the ACK's INVITE, or the next number. */
	head(method: string, cseq: number, branch: string, hop: Hop, headers: string, bodyOctets: number): string {
		const { routes } = this;
		let uri = this.remoteTarget;
		let lines = "";
		const isStrict = routes.length > 0 && !isLoose(routes[0]!);
		for (let i = isStrict ? 1 : 0; i < routes.length; i++) lines += `Route: ${routes[i]!}\r\n`;
		if (isStrict) {
			// RFC 2543 routers want themselves in the Request-URI and the target last.
			lines += `Route: <${uri}>\r\n`;
			uri = uriOf(routes[0]!);
		}
		return requestHead(
			{
				method,
				uri,
				from: `${this.local};tag=${this.localTag}`,
				to: this.remoteTag === "" ? this.remote : `${this.remote};tag=${this.remoteTag}`,
				callId: this.callId,
				cseq,
				headers: lines + headers,
				bodyOctets,
			},
			`${hop.flow.viaPrefix}${branch}\r\n`,
		);
	}

	/** Request-URI of our requests as sent. */
	requestUri(): string {
		const first = this.routes[0];
		return first === undefined || isLoose(first) ? this.remoteTarget : uriOf(first);
	}

	/** Where the next request goes: over the connection; by UDP to the first route or the target, when that is an IP address. */
	nextHop(): Hop {
		const { flow } = this.hop;
		if (!flow.hasManyRemotes) return this.hop;
		return hopOfUri(this.routes.length > 0 ? uriOf(this.routes[0]!) : this.remoteTarget, this.hop) ?? this.hop;
	}
}

const NO_ROUTES: readonly string[] = Object.freeze([]);

/** The hop of a URI whose host is an IP address, over the socket of `over`. */
export function hopOfUri(text: string, over: Hop): Hop | undefined {
	const uri = parseUri(text);
	if (uri === undefined || !uri.isSip || !isIpAddress(uri.host)) return undefined;
	const address = uri.host.startsWith("[") ? uri.host.slice(1, -1) : uri.host;
	return new Hop(over.flow, address, uri.portOrDefault());
}

/** The Record-Route values as they stand; `undefined` when malformed or too long. */
function readRoutes(message: SipMessage): string[] | undefined {
	const routes: string[] = [];
	const walk = new AddressWalk(message, Header.recordRoute);
	let octets = 0;
	while (walk.next()) {
		const { address } = walk;
		const route = message.text.slice(address!.start, address!.end);
		octets += route.length;
		if (octets > MAX_ROUTE_SET_OCTETS) return undefined;
		routes.push(route);
	}
	return walk.failed ? undefined : routes;
}

function uriOf(route: string): string {
	const open = route.indexOf("<");
	return open < 0 ? route : route.slice(open + 1, route.indexOf(">", open));
}

function isLoose(route: string): boolean {
	const uri = `${asciiLower(uriOf(route))};`;
	return uri.indexOf(";lr;") >= 0 || uri.indexOf(";lr=") >= 0;
}
