/**
 * REGISTER: RFC 3261 §10.3, RFC 3327 (Path), RFC 5626 §6 (outbound, the basics). Whoever calls has authenticated the request.
 *
 * Either the whole request is carried out or nothing is changed.
 */
import type { NameAddr } from "./address.ts";
import { Binding, type BindingTable, type ContactClaim, readContactUri } from "./bindings.ts";
import { responseHead } from "./build.ts";
import type { Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import { EXPIRES, RETRY_AFTER_S, type SipLimits } from "./limits.ts";
import { AddressWalk, LINE, type SipMessage } from "./message.ts";
import { asciiLower, quote, readNumber, textToOctets } from "./syntax.ts";
import type { Uri } from "./uri.ts";

/** What a REGISTER changed. */
export interface RegistrationChange {
	readonly registered: readonly Binding[];
	readonly refreshed: readonly Binding[];
	readonly unregistered: readonly Binding[];
}

/** The answer to a REGISTER, and what it changed (`undefined`: nothing). */
export interface RegisterResult {
	readonly status: number;
	readonly reason: string;
	/** Header lines for the response. */
	readonly headers: string;
	readonly change: RegistrationChange | undefined;
}

interface Step {
	readonly claim: ContactClaim;
	readonly parsed: Uri;
	readonly binding: Binding | undefined;
}

/** Carries out the REGISTER of `aor` that came over `hop`. */
export function register(
	table: BindingTable,
	request: SipMessage,
	aor: string,
	hop: Hop,
	limits: SipLimits,
	now: number,
): RegisterResult {
	const header = request.number(Header.expires);
	if (isStar(request)) return removeAll(table, request, aor, header, now);
	const path = readPath(request, limits);
	if (path === undefined) return refusal(400, "Bad Path");
	const steps: Step[] = [];
	const walk = new AddressWalk(request, Header.contact);
	while (walk.next()) {
		if (steps.length > limits.bindingsPerAor) return refusal(403, "Too Many Contacts");
		const step = readStep(table, aor, walk.address!, header, limits);
		if ("status" in step) return step;
		// RFC 3261 §10.3 item 7: an older request than the one that made the binding changes nothing.
		if (step.binding !== undefined && isOutOfOrder(step.binding, request)) return refusal(500, "Out Of Order");
		steps.push(step);
	}
	if (walk.failed) return refusal(400, "Bad Contact");
	if (steps.length === 0) return accepted(table, request, aor, undefined, now);
	return checkRoom(table, aor, steps) ?? carryOut(table, request, aor, steps, { hop, path }, now);
}

function readStep(
	table: BindingTable,
	aor: string,
	address: NameAddr,
	headerExpires: number,
	limits: SipLimits,
): Step | RegisterResult {
	const uri = address.uriText();
	const parsed = readContactUri(uri);
	// Choice (§10.3): only contacts that a SIP request can be sent to are bound.
	if (parsed === undefined || address.end - address.start > limits.contactOctets) return refusal(400, "Bad Contact");
	const expiresS = lifetime(address, headerExpires);
	if (expiresS > 0 && expiresS < EXPIRES.min) {
		return { status: 423, reason: "", headers: `Min-Expires: ${EXPIRES.min}\r\n`, change: undefined };
	}
	const claim: ContactClaim = {
		uri,
		expiresS: Math.min(expiresS, EXPIRES.max),
		q: readQ(address.param("q")),
		instance: address.param("+sip.instance") ?? "",
		regId: numberOf(address.param("reg-id"), 0),
	};
	return { claim, parsed, binding: table.find(aor, claim, parsed) };
}

/** Limits are checked against what the whole request would leave. */
function checkRoom(table: BindingTable, aor: string, steps: readonly Step[]): RegisterResult | undefined {
	let more = 0;
	for (let i = 0; i < steps.length; i++) {
		const { binding, claim } = steps[i]!;
		if (binding === undefined && claim.expiresS > 0) more++;
		if (binding !== undefined && claim.expiresS === 0) more--;
	}
	const room = table.roomFor(aor);
	if (more > room.ofAor) return refusal(403, "Too Many Contacts");
	if (more <= room.inTotal) return undefined;
	return { status: 503, reason: "", headers: `Retry-After: ${RETRY_AFTER_S}\r\n`, change: undefined };
}

function carryOut(
	table: BindingTable,
	request: SipMessage,
	aor: string,
	steps: readonly Step[],
	way: { readonly hop: Hop; readonly path: readonly string[] },
	now: number,
): RegisterResult {
	const registered: Binding[] = [];
	const refreshed: Binding[] = [];
	const unregistered: Binding[] = [];
	for (let i = 0; i < steps.length; i++) {
		const { claim, parsed } = steps[i]!;
		// Two contacts of one request may be about one binding: the later sees what the earlier did.
		const binding = table.find(aor, claim, parsed);
		if (claim.expiresS === 0) {
			if (binding === undefined) continue;
			table.remove(binding);
			unregistered.push(binding);
			continue;
		}
		const kept = binding ?? new Binding(table, aor, claim, parsed, way.hop, way.path);
		if (binding === undefined) {
			table.add(kept);
			registered.push(kept);
		} else {
			refresh(table, kept, claim, parsed, way);
			refreshed.push(kept);
		}
		kept.callId = request.callId();
		kept.cseq = request.cseq;
		table.keepUntil(kept, now + claim.expiresS * 1000);
	}
	return accepted(table, request, aor, { registered, refreshed, unregistered }, now);
}

function refresh(
	table: BindingTable,
	binding: Binding,
	claim: ContactClaim,
	parsed: Uri,
	way: { readonly hop: Hop; readonly path: readonly string[] },
): void {
	binding.uri = claim.uri;
	binding.parsed = parsed;
	binding.q = claim.q;
	binding.instance = claim.instance;
	binding.regId = claim.regId;
	binding.path = way.path;
	table.move(binding, way.hop);
}

/** RFC 3261 §10.3 item 6: `Contact: *` stands alone and with Expires 0. */
function removeAll(
	table: BindingTable,
	request: SipMessage,
	aor: string,
	expires: number,
	now: number,
): RegisterResult {
	const first = request.find(Header.contact);
	if (expires !== 0 || request.find(Header.contact, first + LINE) >= 0) return refusal(400, "Bad Contact");
	const bindings = table.of(aor);
	for (let i = 0; i < bindings.length; i++) {
		if (isOutOfOrder(bindings[i]!, request)) return refusal(500, "Out Of Order");
	}
	const unregistered = [...bindings];
	for (const binding of unregistered) table.remove(binding);
	return accepted(table, request, aor, { registered: [], refreshed: [], unregistered }, now);
}

function isStar(request: SipMessage): boolean {
	for (let line = request.find(Header.contact); line >= 0; line = request.find(Header.contact, line + LINE)) {
		if (request.valueEnd(line) - request.valueStart(line) === 1 && request.octets[request.valueStart(line)] === 0x2a) {
			return true;
		}
	}
	return false;
}

function isOutOfOrder(binding: Binding, request: SipMessage): boolean {
	return binding.callId === request.callId() && binding.cseq >= request.cseq;
}

/** RFC 3261 §10.3 item 8: all bindings as they are now. RFC 3327 §5.3: the Path is told back. RFC 5626 §6: so is outbound. */
function accepted(
	table: BindingTable,
	request: SipMessage,
	aor: string,
	change: RegistrationChange | undefined,
	now: number,
): RegisterResult {
	const bindings = table.of(aor);
	let headers = "";
	let isOutbound = false;
	for (let i = 0; i < bindings.length; i++) {
		const binding = bindings[i]!;
		headers += `Contact: ${contactValue(binding, now)}\r\n`;
		isOutbound ||= binding.regId > 0 && binding.instance !== "";
	}
	for (let line = request.find(Header.path); line >= 0; line = request.find(Header.path, line + LINE)) {
		headers += request.text.slice(request.lineStart(line), request.lineEnd(line));
	}
	if (isOutbound && hasOption(request, Header.supported, "outbound")) headers += "Require: outbound\r\n";
	return { status: 200, reason: "", headers, change };
}

function contactValue(binding: Binding, now: number): string {
	const left = Math.ceil((binding.expiresAt - now) / 1000);
	let value = `<${binding.uri}>;expires=${left}`;
	if (binding.q !== 1000) value += `;q=${qText(binding.q)}`;
	if (binding.instance !== "") value += `;+sip.instance=${quote(binding.instance)}`;
	if (binding.regId > 0) value += `;reg-id=${binding.regId}`;
	return value;
}

/** RFC 3261 §10.2.1.1: the contact's own expires, else the header field, else the registrar's default. */
function lifetime(address: NameAddr, header: number): number {
	const own = address.param("expires");
	// RFC 4475 §3.1.2.4: a value out of range counts as the default.
	if (own !== undefined) return numberOf(own, EXPIRES.default);
	return header < 0 ? EXPIRES.default : header;
}

function numberOf(text: string | undefined, otherwise: number): number {
	if (text === undefined || text.length > 32) return otherwise;
	const value = readNumber(textToOctets(text), 0, text.length, 0xffff_ffff);
	return value < 0 ? otherwise : value;
}

/** qvalue in thousandths: "0" to "1", up to three decimals (RFC 3261 §25.1); 1000 when absent or malformed. */
function readQ(text: string | undefined): number {
	if (text === undefined || text.length === 0 || text.length > 5) return 1000;
	const whole = text.charCodeAt(0) - 0x30;
	if (whole !== 0 && whole !== 1) return 1000;
	if (text.length > 1 && text.charCodeAt(1) !== 0x2e) return 1000;
	let value = whole * 1000;
	for (let i = 2, weight = 100; i < text.length; i++, weight /= 10) {
		const digit = text.charCodeAt(i) - 0x30;
		if (digit < 0 || digit > 9) return 1000;
		value += digit * weight;
	}
	return Math.min(value, 1000);
}

function qText(q: number): string {
	const digits = `00${q}`.slice(-3);
	return q >= 1000 ? "1" : `0.${digits}`;
}

/** URIs of the Path header field; `undefined` when it is malformed or too long. */
function readPath(request: SipMessage, limits: SipLimits): readonly string[] | undefined {
	const path: string[] = [];
	let octets = 0;
	const walk = new AddressWalk(request, Header.path);
	while (walk.next()) {
		const uri = walk.address!.uriText();
		octets += uri.length;
		if (octets > limits.contactOctets || walk.address!.uri() === undefined) return undefined;
		path.push(uri);
	}
	return walk.failed ? undefined : path;
}

/** True when an option tag stands in a header field of them (Supported, Require). */
export function hasOption(message: SipMessage, header: number, option: string): boolean {
	for (let line = message.find(header); line >= 0; line = message.find(header, line + LINE)) {
		const tags = message.text.slice(message.valueStart(line), message.valueEnd(line)).split(",");
		for (let i = 0; i < tags.length; i++) if (asciiLower(tags[i]!.trim()) === option) return true;
	}
	return false;
}

/** The answer to a REGISTER that changes nothing. */
function refusal(status: number, reason: string): RegisterResult {
	return { status, reason, headers: "", change: undefined };
}

/** Head of the response that says a result. */
export function registerResponse(request: SipMessage, result: RegisterResult, toTag: string): string {
	return responseHead(request, result.status, result.reason, toTag, result.headers);
}
