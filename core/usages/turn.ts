/**
 * TURN-SERVICE: peers that offer TURN, and finding one. Before editing read RFC 6940 §9.
 *
 *   offer   for d in 1..turn-density (at most 20): store TurnServer {d, address} at H(Node-ID || d)
 *   find    random Resource-ID --Find--> closest --Fetch--> TurnServer         (again with another one when there is nothing)
 */
import { isRefused, type Machine } from "../machine.ts";
import type { FetchedKind, StoreKind } from "../overlay/node-types.ts";
import { type IpAddress, type IpAddressPort, ipAddressPort } from "../wire/address.ts";
import { concatBytes, equalBytes, toHex } from "../wire/bytes.ts";
import { AddressType, KindId } from "../wire/codes.ts";
import { readTurnServer, writeTurnServer } from "../wire/turn.ts";
import { encode } from "../wire/writer.ts";
import { MAX_TURN_SERVERS, MAX_TURN_TRIES } from "./limits.ts";
import { fetchedKind, type UsageInput, type UsageOutput } from "./requests.ts";

/** RFC 6940 §9.2: NODE-MULTIPLE of TURN-SERVICE goes to 20. */
export const MAX_TURN_DENSITY = 20;

/** One store of a TURN server. */
export interface TurnStore {
	readonly resourceId: Uint8Array;
	readonly kinds: readonly StoreKind[];
}

/** Resource-ID of the d-th entry of a node. D-3: d is one octet. */
export function turnResourceId(
	nodeId: Uint8Array,
	iteration: number,
	resourceHash: (name: Uint8Array) => Uint8Array,
): Uint8Array {
	return resourceHash(concatBytes(nodeId, Uint8Array.of(iteration)));
}

/** The stores with which `nodeId` offers its TURN server. `addr`: 4 or 16 octets. `turnDensity`: of the configuration. */
export function turnStores(
	server: { readonly nodeId: Uint8Array; readonly addr: Uint8Array; readonly port: number; readonly lifetimeS: number },
	turnDensity: number,
	resourceHash: (name: Uint8Array) => Uint8Array,
): TurnStore[] {
	const serverAddress = ipAddressPort(server.addr, server.port);
	const stores: TurnStore[] = [];
	for (let iteration = 1; iteration <= turnDensity && iteration <= MAX_TURN_DENSITY; iteration++) {
		const value = encode(writeTurnServer, { iteration, serverAddress });
		stores.push({
			resourceId: turnResourceId(server.nodeId, iteration, resourceHash),
			kinds: [{ kind: KindId.turnService, values: [{ exists: true, value, lifetimeS: server.lifetimeS }] }],
		});
	}
	return stores;
}

/**
 * RFC 6940 §9: a peer may be a TURN server unless it is behind a NAT (a reflexive address differs from its own) or its address is
 * private (RFC 1918; Choice: also link-local, unique local and loopback ones).
 */
export function isTurnCandidate(own: IpAddressPort, reflexive: IpAddressPort | undefined): boolean {
	if (own.type === AddressType.invalid || isPrivateAddress(own.addr)) return false;
	if (reflexive === undefined) return true;
	return reflexive.type === own.type && equalBytes(reflexive.addr, own.addr);
}

/** True for addresses that only neighbours reach. */
export function isPrivateAddress(addr: Uint8Array): boolean {
	const [a = 0, b = 0] = addr;
	if (addr.length === 4) {
		return a === 10 || a === 127 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168) || (a === 169 && b === 254);
	}
	// fc00::/7, fe80::/10, ::1
	if ((a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80)) return true;
	for (let i = 0; i < 15; i++) if (addr[i] !== 0) return false;
	return addr[15] === 1;
}

/** One TURN server that somebody offers. */
export interface OfferedTurnServer {
	/** Who runs it. */
	readonly nodeId: Uint8Array;
	readonly address: IpAddress;
}

/** The TURN server of a fetched value whose record belongs to where it stands; address types that no RFC defines are passed over. */
export function readTurnOffers(
	fetched: FetchedKind,
	resourceId: Uint8Array,
	resourceHash: (name: Uint8Array) => Uint8Array,
): OfferedTurnServer[] {
	const offers: OfferedTurnServer[] = [];
	for (const { stored, signer } of fetched.values) {
		if (signer === undefined || !stored.value.value.exists) continue;
		const server = readTurnServer(stored.value.value.value.slice());
		if (isRefused(server) || server.serverAddress.type === AddressType.invalid) continue;
		if (!equalBytes(turnResourceId(signer.nodeId, server.iteration, resourceHash), resourceId)) continue;
		offers.push({ nodeId: signer.nodeId, address: server.serverAddress });
	}
	return offers;
}

export interface TurnFinderOptions {
	/** Octets, 16..20. */
	readonly nodeIdLength: number;
	/** How many servers are enough. */
	readonly wanted: number;
	random(count: number): Uint8Array;
	/** Resource Name -> Resource-ID. */
	resourceHash(name: Uint8Array): Uint8Array;
}

/** Finds TURN servers (RFC 6940 §9): at most MAX_TURN_TRIES times Find and Fetch, one after the other. */
export class TurnFinder implements Machine<UsageInput, UsageOutput<readonly OfferedTurnServer[]>> {
	readonly #options: TurnFinderOptions;
	readonly #outputs: UsageOutput<readonly OfferedTurnServer[]>[] = [];
	readonly #found: OfferedTurnServer[] = [];
	readonly #nodes = new Set<string>();
	#tries = 0;
	#token = 0;
	/** What is being fetched; `undefined` while a Find is out. */
	#fetching: Uint8Array | undefined;
	#isDone = false;

	constructor(options: TurnFinderOptions) {
		this.#options = options;
		this.#try();
	}

	poll(): UsageOutput<readonly OfferedTurnServer[]> | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	handle(input: UsageInput, _now: number): void {
		if (this.#isDone || input.token !== this.#token) return;
		const closest = this.#closest(input);
		if (closest !== undefined) {
			this.#fetching = closest;
			const token = ++this.#token;
			this.#outputs.push({ type: "fetch", token, resourceId: closest, kinds: [{ kind: KindId.turnService }] });
			return;
		}
		const fetched = fetchedKind(input.result, KindId.turnService);
		if (this.#fetching !== undefined && fetched !== undefined) this.#take(fetched, this.#fetching);
		this.#fetching = undefined;
		this.#try();
	}

	/** What a Find found; `undefined` when it found nothing, and for the result of a Fetch. */
	#closest(input: UsageInput): Uint8Array | undefined {
		if (this.#fetching !== undefined || !input.result.ok || input.result.body.type !== "find") return undefined;
		for (const { kind, closest } of input.result.body.results) {
			if (kind !== KindId.turnService || closest.length !== this.#options.nodeIdLength) continue;
			// D-21: zero = nothing known of this Kind.
			for (let i = 0; i < closest.length; i++) if (closest[i] !== 0) return closest.slice();
		}
		return undefined;
	}

	#take(fetched: FetchedKind, resourceId: Uint8Array): void {
		for (const offer of readTurnOffers(fetched, resourceId, (name) => this.#options.resourceHash(name))) {
			const node = toHex(offer.nodeId);
			if (this.#nodes.has(node) || this.#found.length >= MAX_TURN_SERVERS) continue;
			this.#nodes.add(node);
			this.#found.push(offer);
		}
	}

	#try(): void {
		const { wanted, nodeIdLength } = this.#options;
		if (this.#tries >= MAX_TURN_TRIES || this.#found.length >= wanted) {
			this.#isDone = true;
			this.#outputs.push({ type: "done", result: this.#found });
			return;
		}
		this.#tries++;
		const token = ++this.#token;
		const resourceId = this.#options.random(nodeIdLength);
		this.#outputs.push({ type: "find", token, resourceId, kinds: [KindId.turnService] });
	}
}
