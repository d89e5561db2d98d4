/**
 * A house that is called all day while its peers come and go: how many rings are missed? Virtual time; one seed, one story.
 *
 *   calls    two a second, from any peer that serves to any phone that is registered at another one, by the way a call takes:
 *            lookup (RFC 7904 §4; the last answer when the overlay is silent for 1.5 s, as targets/pi/resolver.ts does), then an
 *            AppAttach to every contact at once. No connection is kept warm, so each call needs the overlay twice.
 *   faults   about every minute a process is killed or a machine loses power, one or two at once, never more than two at a time;
 *            each starts again after a tenth of a second to two minutes, with its disk.
 *   phones   whose peer is gone register at another one after 5 to 60 s; their old registration stays listed for ten minutes.
 *
 * A ring counts as missed when the phone is registered, its peer lives, and it does not ring within RING_WITHIN_MS. When the caller's
 * own peer dies, the caller turns to another one: the time goes on.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { OverlayNode } from "../../core/overlay/node.ts";
import type { RequestResult } from "../../core/overlay/node-types.ts";
import { Refresher } from "../../core/overlay/refresh.ts";
import type { SipContact } from "../../core/usages/sip.ts";
import { type SipResolution, SipResolver } from "../../core/usages/sip-resolver.ts";
import { equalBytes, toHex, utf8ToBytes } from "../../core/wire/bytes.ts";
import { ApplicationId, KindId } from "../../core/wire/codes.ts";
import { nodeDestination } from "../../core/wire/destination.ts";
import { writeSipRegistration } from "../../core/wire/sip-registration.ts";
import { encode } from "../../core/wire/writer.ts";
import type { SeededRandom } from "../../hal/sim/random.ts";
import type { Member } from "../../targets/sim/member.ts";
import { World } from "../../targets/sim/world.ts";

/** The promise of docs/peer-protocol.md: the way of a ring heals within this time. */
export const RING_WITHIN_MS = 10_000;
/** As in targets/pi/resolver.ts. */
const PATIENCE_MS = 1_500;
/** As the edge's registrar grants it, about. */
const LIFETIME_S = 600;
const STEP_MS = 10;

export interface RingingOptions {
	readonly seed: number;
	readonly plugin: string;
	readonly calls: number;
	readonly peers?: number;
	readonly phones?: number;
	readonly callsPerS?: number;
	/** Milliseconds between two faults, on average. */
	readonly faultEveryMs?: number;
}

export interface RingingReport {
	/** Calls to a phone that could ring. */
	readonly calls: number;
	/** Among them: while fewer peers than all were there, or the ring was not right. */
	readonly inTrouble: number;
	readonly missed: readonly string[];
	/** Calls whose phone's peer died before it rang. */
	readonly excused: number;
	readonly p50Ms: number;
	readonly p99Ms: number;
	readonly worstMs: number;
	/** Peers that died, and how often two at once. */
	readonly deaths: number;
	readonly pairs: number;
	/** Registrations that could not be found once everything had come to rest. */
	readonly lost: readonly string[];
	readonly hours: number;
	readonly fingerprint: string;
}

interface Phone {
	readonly user: string;
	readonly aor: string;
	/** The identity under which each peer serves it. */
	readonly identities: Map<Member, LocalIdentity>;
	/** Where it is registered, and since when the overlay knows. */
	at: Post | undefined;
	known: boolean;
	moveAt: number;
}

type Answer = (result: RequestResult) => void;

/** One life of a peer's host: what targets/pi keeps stored and remembers for the phones. */
class Post {
	readonly member: Member;
	readonly node: OverlayNode;
	readonly refresher: Refresher;
	readonly waiting = new Map<number, Answer>();
	/** Last answers, by AOR. */
	readonly remembered = new Map<string, readonly SipContact[]>();
	#events = 0;

	constructor(member: Member, random: SeededRandom) {
		this.member = member;
		this.node = member.node;
		this.#events = member.events.length;
		this.refresher = new Refresher({
			node: member.node,
			random: () => random.below(1_000_000) / 1_000_000,
			limit: 256,
		});
	}

	get alive(): boolean {
		return this.member.running && this.member.node === this.node;
	}

	get serves(): boolean {
		return this.alive && this.member.joined;
	}

	ask(run: (node: OverlayNode, now: number) => number, answer: Answer): void {
		this.waiting.set(this.member.do(run), answer);
	}

	/** Results, refreshes, and names of values that are stored now. */
	step(now: number, stored: (name: string) => void): void {
		for (const [token, result] of this.member.results) {
			this.member.results.delete(token);
			if (this.refresher.owns(token))
				this.member.do((_, at) => this.refresher.handle({ type: "result", token, result }, at));
			const answer = this.waiting.get(token);
			this.waiting.delete(token);
			answer?.(result);
		}
		if (this.#hasJoined()) this.member.do((_, at) => this.refresher.again(at));
		if (this.refresher.deadline() <= now) this.member.do((_, at) => this.refresher.handle({ type: "timeout" }, at));
		for (let output = this.refresher.poll(); output !== undefined; output = this.refresher.poll()) {
			if (output.type === "stored") stored(output.name);
		}
	}

	#hasJoined(): boolean {
		const { events } = this.member;
		const news = events.slice(Math.min(this.#events, events.length));
		this.#events = events.length;
		return news.some(({ type }) => type === "joined");
	}
}

interface Call {
	readonly phone: Phone;
	/** The post whose phone is to ring; when it dies, the call is excused. */
	readonly callee: Post;
	readonly beganAt: number;
	readonly inTrouble: boolean;
	caller: Post;
	/** When the last answer serves in place of an answer. */
	patienceAt: number;
	asked: boolean;
	/** Destinations tried by this caller. */
	tried: Set<string>;
	rungAt: number;
	story: string;
}

class Ringing {
	readonly #options: Required<RingingOptions>;
	readonly world: World;
	readonly #random: SeededRandom;
	#posts: Post[] = [];
	readonly #phones: Phone[] = [];
	#calls: Call[] = [];
	readonly #times: number[] = [];
	readonly missed: string[] = [];
	readonly #restarts: { member: Member; at: number }[] = [];
	made = 0;
	inTrouble = 0;
	excused = 0;
	deaths = 0;
	pairs = 0;
	#nextCallAt = 0;
	#nextFaultAt = 0;

	constructor(options: RingingOptions) {
		this.#options = { peers: 5, phones: 12, callsPerS: 2, faultEveryMs: 60_000, ...options };
		const { seed, plugin, peers } = this.#options;
		const listen = [{ address: "10.9.9.9", port: 5061 }];
		const node = { applications: [{ application: ApplicationId.sip, listen }] };
		this.world = new World({ seed, plugin, node, bootstrap: "all" });
		this.#random = this.world.random.fork();
		for (const member of this.world.found(peers)) this.#posts.push(new Post(member, this.#random));
		for (let i = 0; i < this.#options.phones; i++) this.#addPhone(`phone${i}`);
	}

	get #now(): number {
		return this.world.time.now;
	}

	#addPhone(user: string): void {
		const aor = `${user}@${this.world.household.overlayName}`;
		const identities = new Map<Member, LocalIdentity>();
		for (const { member } of this.#posts) {
			const identity = this.world.household.enroll(aor);
			identities.set(member, identity);
			member.do((node) => node.addIdentity(identity));
		}
		this.#phones.push({ user, aor, identities, at: undefined, known: false, moveAt: this.#now });
	}

	/** Calls and faults until enough calls were made, then rest, then everybody is looked for. */
	run(): RingingReport {
		this.#pass(() => this.#phones.every(({ known }) => known), 60_000);
		const began = this.#now;
		this.#nextCallAt = this.#now;
		this.#nextFaultAt = this.#now + this.#options.faultEveryMs;
		this.#pass(() => this.made >= this.#options.calls, Number.POSITIVE_INFINITY);
		const hours = (this.#now - began) / 3_600_000;
		this.#nextFaultAt = Number.POSITIVE_INFINITY;
		this.#nextCallAt = Number.POSITIVE_INFINITY;
		// The last ones start again, everybody registers somewhere, and the ring is right.
		this.#pass(
			() => this.#restarts.length === 0 && this.#phones.every(({ at, known }) => known && at?.serves),
			600_000,
		);
		this.#pass(() => this.world.fault() === "", 60_000);
		this.#pass(() => this.#calls.length === 0, RING_WITHIN_MS + 1_000);
		const sorted = this.#times.sort((a, b) => a - b);
		const share = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? -1;
		const { made: calls, inTrouble, missed, excused, deaths, pairs } = this;
		const figures = { p50Ms: share(0.5), p99Ms: share(0.99), worstMs: share(1) };
		const lost = this.#lost();
		return {
			calls,
			inTrouble,
			missed,
			excused,
			...figures,
			deaths,
			pairs,
			lost,
			hours,
			fingerprint: this.world.fingerprint(),
		};
	}

	/** Lets time pass until the condition holds. */
	#pass(isOver: () => boolean, withinMs: number): void {
		const end = this.#now + withinMs;
		while (!isOver()) {
			if (this.#now >= end)
				throw new Error(`seed ${this.#options.seed}: not within ${withinMs} ms: ${this.world.fault()}`);
			this.world.advance(STEP_MS);
			this.#step();
		}
	}

	#step(): void {
		const now = this.#now;
		for (const post of this.#posts) if (post.alive) post.step(now, (name) => this.#stored(post, name));
		this.#faults(now);
		this.#move(now);
		if (now >= this.#nextCallAt) {
			this.#nextCallAt = now + this.#about(1_000 / this.#options.callsPerS);
			this.#call();
		}
		if (this.#calls.length > 0) this.#calls = this.#calls.filter((call) => this.#goesOn(call, now));
	}

	/** A time of this length on average, at least a step. */
	#about(ms: number): number {
		return Math.max(STEP_MS, this.#random.below(Math.round(2 * ms)));
	}

	#pick<T>(list: readonly T[]): T | undefined {
		return list.length === 0 ? undefined : list[this.#random.below(list.length)];
	}

	// ---- peers

	#faults(now: number): void {
		for (const restart of this.#restarts.splice(0)) {
			if (restart.at > now) this.#restarts.push(restart);
			else this.#restart(restart.member);
		}
		if (now < this.#nextFaultAt) return;
		this.#nextFaultAt = now + this.#about(this.#options.faultEveryMs);
		const room = 2 - this.#restarts.length;
		const count = room === 2 && this.#random.below(3) === 0 ? 2 : Math.min(1, room);
		if (count === 2) this.pairs++;
		for (let i = 0; i < count; i++) this.#kill(now);
	}

	#kill(now: number): void {
		const post = this.#pick(this.#posts.filter(({ alive }) => alive));
		if (post === undefined) return;
		this.deaths++;
		if (this.#random.below(2) === 0) post.member.kill();
		else post.member.powerOff();
		const awayMs = this.#random.below(4) === 0 ? 100 + this.#random.below(5_000) : 5_000 + this.#random.below(115_000);
		this.#restarts.push({ member: post.member, at: now + awayMs });
		for (const phone of this.#phones) {
			if (phone.at !== post) continue;
			phone.at = undefined;
			phone.known = false;
			phone.moveAt = now + 5_000 + this.#random.below(55_000);
		}
	}

	#restart(member: Member): void {
		member.restart();
		for (const { identities } of this.#phones) {
			const identity = identities.get(member);
			if (identity !== undefined) member.do((node) => node.addIdentity(identity));
		}
		this.#posts = this.#posts.map((post) => (post.member === member ? new Post(member, this.#random) : post));
	}

	// ---- phones

	#move(now: number): void {
		for (const phone of this.#phones) {
			if (phone.at !== undefined || phone.moveAt > now) continue;
			const post = this.#pick(this.#posts.filter(({ serves }) => serves));
			const identity = post === undefined ? undefined : phone.identities.get(post.member);
			if (post === undefined || identity === undefined) continue;
			phone.at = post;
			const destinationList = [nodeDestination(post.member.id), nodeDestination(identity.nodeId)];
			const value = {
				resourceId: post.node.resourceId(utf8ToBytes(phone.aor)),
				kind: KindId.sipRegistration,
				as: identity.nodeId,
				key: identity.nodeId,
				value: encode(writeSipRegistration, { type: 2, contactPrefs: utf8ToBytes(""), destinationList }),
				lifetimeS: LIFETIME_S,
			};
			post.member.do((_, at) => post.refresher.keep(phone.user, value, at));
		}
	}

	#stored(post: Post, name: string): void {
		for (const phone of this.#phones) if (phone.user === name && phone.at === post) phone.known = true;
	}

	// ---- calls

	#call(): void {
		const phone = this.#pick(this.#phones.filter(({ at, known }) => known && at?.serves));
		const callee = phone?.at;
		const caller = this.#pick(this.#posts.filter((post) => post.serves && post !== callee));
		if (phone === undefined || callee === undefined || caller === undefined) return;
		const now = this.#now;
		const inTrouble = this.#restarts.length > 0 || this.world.fault() !== "";
		const call: Call = {
			...{ phone, callee, caller, inTrouble, beganAt: now },
			...{ patienceAt: now + PATIENCE_MS, asked: false, tried: new Set(), rungAt: -1, story: "" },
		};
		this.made++;
		if (inTrouble) this.inTrouble++;
		this.#calls.push(call);
		this.#lookUp(call);
	}

	#lookUp(call: Call): void {
		const { caller, phone } = call;
		call.asked = false;
		call.tried = new Set();
		call.patienceAt = this.#now + PATIENCE_MS;
		resolve(this.world, caller, phone.aor, (resolution) => {
			call.story += ` lookup ${this.#now - call.beganAt}:${resolution?.contacts.length ?? "failed"}`;
			if (resolution !== undefined) caller.remembered.set(phone.aor, resolution.contacts);
			// What is remembered may be old: what the overlay says in the end rings too.
			this.#attach(call, resolution?.contacts ?? (call.asked ? [] : this.#remembered(call)));
		});
	}

	#remembered({ caller, phone }: Call): readonly SipContact[] {
		const wallMs = this.world.time.wallMs();
		return (caller.remembered.get(phone.aor) ?? []).filter(({ expiresMs }) => expiresMs > wallMs);
	}

	#attach(call: Call, contacts: readonly SipContact[]): void {
		const { caller, phone, callee } = call;
		const own = phone.identities.get(caller.member);
		const wanted = phone.identities.get(callee.member);
		call.asked = true;
		if (own === undefined || wanted === undefined) return;
		for (const { destinations } of contacts) {
			const last = destinations[destinations.length - 1];
			if (last === undefined || !("nodeId" in last) || equalBytes(last.nodeId, own.nodeId)) continue;
			if (call.tried.has(toHex(last.nodeId))) continue;
			call.tried.add(toHex(last.nodeId));
			const isWanted = equalBytes(last.nodeId, wanted.nodeId);
			const run = (node: OverlayNode, now: number): number =>
				node.appAttach(destinations, ApplicationId.sip, now, { as: own.nodeId });
			caller.ask(run, (result) => {
				if (isWanted) call.story += ` attach ${this.#now - call.beganAt}:${result.ok ? "ok" : result.info}`;
				if (isWanted && result.ok && call.rungAt < 0) call.rungAt = this.#now;
			});
		}
	}

	/** False when the call is over, one way or another. */
	#goesOn(call: Call, now: number): boolean {
		const { beganAt, phone } = call;
		if (call.rungAt >= 0) {
			this.#times.push(call.rungAt - beganAt);
			return false;
		}
		if (!call.callee.alive || phone.at !== call.callee) {
			this.excused++;
			return false;
		}
		if (now - beganAt > RING_WITHIN_MS) {
			this.missed.push(
				`${Math.round(beganAt)} ${phone.user}: ${call.caller.member} to ${call.callee.member}:${call.story}`,
			);
			return false;
		}
		if (!call.caller.alive) {
			const other = this.#pick(this.#posts.filter((post) => post.serves && post !== call.callee));
			if (other === undefined) return true;
			call.caller = other;
			call.story += ` turns to ${other.member}`;
			this.#lookUp(call);
		} else if (!call.asked && now >= call.patienceAt) {
			const known = this.#remembered(call);
			if (known.length > 0) this.#attach(call, known);
		}
		return true;
	}

	#lost(): string[] {
		const lost: string[] = [];
		for (const post of this.#posts) {
			for (const { aor, at } of this.#phones) {
				let found = false;
				resolve(this.world, post, aor, (resolution) => {
					found = resolution?.contacts.some(({ destinations }) => isAt(destinations, at?.member.id)) === true;
				});
				const end = this.#now + 30_000;
				while (post.waiting.size > 0 && this.#now < end) {
					this.world.advance(STEP_MS);
					this.#step();
				}
				if (!found) lost.push(`${aor} by ${post.member}`);
			}
		}
		return lost;
	}
}

function isAt(destinations: SipContact["destinations"], id: Uint8Array | undefined): boolean {
	const [first] = destinations;
	return id !== undefined && first !== undefined && "nodeId" in first && equalBytes(first.nodeId, id);
}

/** Looks an AOR up through the overlay node of `post`; undefined when nobody answered. */
function resolve(world: World, post: Post, aor: string, done: (resolution: SipResolution | undefined) => void): void {
	const { overlayName, config } = world.household;
	const resolver = new SipResolver({
		target: aor,
		nodeIdLength: config.nodeIdLength,
		resourceHash: (name) => post.node.resourceId(name),
		isHosted: (domain) => domain === overlayName,
	});
	let failed = false;
	const drain = (): void => {
		for (let output = resolver.poll(); output !== undefined; output = resolver.poll()) {
			if (output.type === "done") done(failed ? undefined : output.result);
			if (output.type !== "fetch") continue;
			const { token, resourceId, kinds } = output;
			post.ask(
				(node, now) => node.fetch(resourceId, kinds, now),
				(result) => {
					failed ||= !result.ok;
					resolver.handle({ type: "result", token, result, wallMs: world.time.wallMs() }, world.time.now);
					drain();
				},
			);
		}
	};
	drain();
}

/** Plays the scenario. */
export function ringing(options: RingingOptions): RingingReport {
	return new Ringing(options).run();
}
