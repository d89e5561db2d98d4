/**
 * Route header preprocessing: RFC 3261 §16.4, with our own double Record-Route (one value for each side) taken off together.
 */
import type { HeadEdit } from "./edit.ts";
import type { Flow, Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import { AddressWalk, LINE, type SipMessage } from "./message.ts";
import { FlowTokens } from "./tokens.ts";
import { readUri, type Uri } from "./uri.ts";

/** What the element knows of itself. */
export interface OwnPlaces {
	/** True when host and port of the URI are this element (a domain it serves, or an address it listens on). */
	isOwn(uri: Uri): boolean;
	/** A flow whose `localRoute` this URI is: `from` when it is one of them (several peers may reach a user by one GRUU). */
	flowOfLocalRoute(uri: string, from: Flow): Flow | undefined;
	/** True for an overlay route of an identity of ours, whether a flow with it is open or not. */
	isOwnRoute(uri: string): boolean;
	/** The hop that a flow token names. */
	hopOfToken(token: string): Hop | undefined;
}

/** Where a request goes after its Route header has been looked at. */
export class RoutePlan {
	/** Request-URI to work with, as written. */
	uriText = "";
	/** The same, read; `undefined` when it is malformed. */
	uri: Uri | undefined = undefined;
	/** The last token of ours on the way: the hop it names. */
	tokenHop: Hop | undefined = undefined;
	/** The last overlay route of ours on the way ("" without): with what follows it names one of the user's connections. */
	localRoute = "";
	/** A token of ours named a flow that is gone. */
	isFlowGone = false;
	/** One of our own values names the hop the request came from: it belongs to a dialog that we let through. */
	isProven = false;
	/** The first Route value that is not ours, as written; "" when there is none. */
	next = "";
	nextUri: Uri | undefined = undefined;
	/** Some Route value is malformed. */
	isMalformed = false;
	/** The sender was a strict router: Request-URI came from the last Route value. */
	isStrictFixed = false;
	/** Position of the first Route value to keep, and its line; -1: none is kept. */
	#keepAt = -1;
	#keepLine = -1;
	#hasRoute = false;
	/** Own values taken off that name a hop. */
	#named = 0;

	/** Reads the plan of `request`, which came over `from`. */
	static of(request: SipMessage, from: Hop, own: OwnPlaces): RoutePlan {
		const plan = new RoutePlan();
		plan.uri = readUri(request, request.uriStart, request.uriEnd);
		plan.#hasRoute = request.find(Header.route) >= 0;
		if (!plan.#hasRoute) {
			plan.uriText = request.requestUri();
			return plan;
		}
		const last = plan.#fixStrictRouting(request, from, own);
		if (!plan.isStrictFixed) plan.uriText = request.requestUri();
		plan.#popOwn(request, from, own, last);
		// One value alone that names the sender's own hop is our near side; where to go on stands behind it.
		if (plan.#named === 1 && plan.tokenHop?.equals(from)) plan.tokenHop = undefined;
		return plan;
	}

	/** RFC 3261 §16.4: a Request-URI that we placed in a Record-Route is replaced by the last Route value. Answers that value's place. */
	#fixStrictRouting(request: SipMessage, from: Hop, own: OwnPlaces): number {
		const { uri } = this;
		if (uri === undefined) return -1;
		const isOurs =
			(uri.user !== undefined && own.isOwn(uri) && FlowTokens.isToken(uri.user) && uri.param("lr") !== undefined) ||
			own.flowOfLocalRoute(request.requestUri(), from.flow) !== undefined;
		if (!isOurs) return -1;
		const walk = new AddressWalk(request, Header.route);
		let place = -1;
		while (walk.next()) {
			const address = walk.address!;
			place = address.start;
			this.uriText = address.uriText();
			this.uri = address.uri();
		}
		this.isMalformed = walk.failed;
		this.isStrictFixed = place >= 0;
		return place;
	}

	#popOwn(request: SipMessage, from: Hop, own: OwnPlaces, last: number): void {
		const walk = new AddressWalk(request, Header.route);
		while (walk.next()) {
			const address = walk.address!;
			if (address.start === last) return;
			const uri = address.uri();
			if (uri === undefined) {
				this.isMalformed = true;
				return;
			}
			if (!this.#noteOwn(uri, address.uriText(), from, own)) {
				this.next = address.uriText();
				this.nextUri = uri;
				this.#keepAt = address.start;
				this.#keepLine = walk.line;
				return;
			}
		}
		this.isMalformed ||= walk.failed;
	}

	/** True when the value is ours and so is used up. */
	#noteOwn(uri: Uri, text: string, from: Hop, own: OwnPlaces): boolean {
		const overlay = own.flowOfLocalRoute(text, from.flow);
		if (overlay !== undefined) {
			if (overlay === from.flow) this.isProven = true;
			this.#named++;
			// What comes later decides: a token before it may name a connection of the sender's that has gone meanwhile.
			this.isFlowGone = false;
			this.tokenHop = overlay.hop;
			this.localRoute = overlay.options.localRoute!;
			return true;
		}
		if (!own.isOwn(uri)) return false;
		if (uri.user === undefined) return true;
		const hop = own.hopOfToken(uri.user);
		if (hop === undefined) {
			if (!FlowTokens.isToken(uri.user)) {
				// Choice (§16.4): a user part that is no token of ours names somebody here, not this proxy: an ordinary next hop.
				if (!own.isOwnRoute(text)) return false;
				// RFC 7904 §3.5: the overlay route of one of us whose connection has gone meanwhile; what follows says where to go on.
				this.tokenHop = undefined;
				return true;
			}
			this.isFlowGone = true;
			this.tokenHop = undefined;
			return true;
		}
		if (hop.equals(from)) this.isProven = true;
		this.#named++;
		this.isFlowGone = !hop.flow.isOpen;
		this.tokenHop = hop;
		this.localRoute = "";
		return true;
	}

	/**
	 * Writes the Route header field of the forwarded request: our values off, `path` in front. When the next hop is a strict router
	 * (no `lr`), its URI becomes the Request-URI and `uri` the last Route value (RFC 3261 §16.6 item 6). Answers the Request-URI to use.
	 */
	write(edit: HeadEdit, request: SipMessage, uri: string, path: readonly string[] | undefined): string {
		const isStrictNext = path === undefined && this.nextUri !== undefined && this.nextUri.param("lr") === undefined;
		if (path === undefined && !isStrictNext && !this.isStrictFixed) {
			if (this.#hasRoute) this.#cutFront(edit, request);
			return uri;
		}
		const values = this.#remaining(request);
		if (path !== undefined) for (let i = path.length - 1; i >= 0; i--) values.unshift(`<${path[i]!}>`);
		let requestUri = uri;
		if (isStrictNext) {
			requestUri = this.next;
			values.shift();
			values.push(`<${uri}>`);
		}
		edit.removeAll(Header.route);
		if (values.length > 0) edit.insert(request.headEnd, `Route: ${values.join(", ")}\r\n`);
		return requestUri;
	}

	/** Takes the values before the first kept one out. */
	#cutFront(edit: HeadEdit, request: SipMessage): void {
		for (let line = request.find(Header.route); line >= 0; line = request.find(Header.route, line + LINE)) {
			if (line === this.#keepLine) {
				const start = request.valueStart(line);
				if (this.#keepAt > start) edit.replace(start, this.#keepAt, "");
				return;
			}
			edit.removeLine(line);
		}
	}

	/** The values kept, as written; without the last one when it became the Request-URI. */
	#remaining(request: SipMessage): string[] {
		const values: string[] = [];
		const walk = new AddressWalk(request, Header.route);
		while (walk.next()) {
			const { start, end } = walk.address!;
			if (this.#keepAt >= 0 && start >= this.#keepAt) values.push(request.text.slice(start, end));
		}
		if (this.isStrictFixed && this.#keepAt >= 0) values.pop();
		return values;
	}
}
