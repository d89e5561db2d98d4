/**
 * The SIP connections of a device to the edges of its house: binds Edges (which ones, when) and their requests to the overlay's node and
 * to TLS. What runs over them is SipPart's.
 */

import { isIpv4 } from "../../../core/device/pairing-code.ts";
import type { Certificate } from "../../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import type { OverlayNode } from "../../../core/overlay/node.ts";
import type { RequestResult } from "../../../core/overlay/node-types.ts";
import { type Aor, readAor } from "../../../core/usages/aor.ts";
import { Edges, type EdgesInput, type EdgesOutput } from "../../../core/usages/edges.ts";
import { writeGruu } from "../../../core/usages/gruu.ts";
import { HOUSE_NAME, houseAor } from "../../../core/usages/house.ts";
import type { SipContact } from "../../../core/usages/sip.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { ApplicationId } from "../../../core/wire/codes.ts";
import type { SecureConnection } from "../../../hal/device.ts";
import type { UnitContext } from "./types.ts";

/** What the edges' part tells. */
export interface EdgesListener {
	/** A SIP connection is up: `contact` is our Contact over it. */
	edgeUp(flow: number, contact: string, connection: SecureConnection): void;
	edgeDown(flow: number): void;
	/** Plaintext of a SIP connection; valid during the call only. */
	edgeOctets(flow: number, bytes: Uint8Array): void;
}

/** The overlay as the edges need it. */
export interface EdgesOverlay {
	readonly node: OverlayNode;
	/** Ours now. */
	readonly identity: LocalIdentity;
	/** A certificate of this overlay, or why not. */
	check(chain: readonly Uint8Array[]): Certificate | Refused;
	/** Callers are to find us at this edge. */
	register(contact: SipContact, now: number): void;
}

const PING = Uint8Array.of(13, 10, 13, 10);

/** The connections as who speaks SIP over them needs them. */
export interface SipEdges {
	/** Ours. */
	readonly own: Aor;
	/** The connection to call over; with `not`, the one to try instead of that. */
	best(not?: number): number | undefined;
	/** Nothing was answered over it in time. */
	doubt(flow: number, now: number): void;
	/** Octets for a connection; false when it cannot take them. */
	send(flow: number, bytes: Uint8Array): boolean;
	/** Ends a connection whose octets make no sense. */
	drop(flow: number, now: number): void;
}

export class EdgesPart implements SipEdges {
	readonly own: Aor;
	/** Rings all phones. */
	readonly house: Aor;
	readonly #context: UnitContext;
	readonly #listener: EdgesListener;
	readonly #overlay: EdgesOverlay;
	readonly #edges: Edges;
	/** By number of the SIP connection. */
	readonly #flows = new Map<number, SecureConnection>();
	/** Tokens of the node -> tokens of the edges. */
	readonly #tokens = new Map<number, number>();

	/** `connections`: how many are kept warm. */
	constructor(context: UnitContext, listener: EdgesListener, overlay: EdgesOverlay, connections: 1 | 2) {
		const { userName } = overlay.identity;
		this.#context = context;
		this.#listener = listener;
		this.#overlay = overlay;
		this.own = readAor(userName) ?? { user: "", domain: "", text: userName };
		const { domain } = this.own;
		this.house = { user: HOUSE_NAME, domain, text: houseAor(domain) };
		this.#edges = new Edges({
			house: this.house,
			connections,
			random: () => context.hal.crypto.random(1)[0]! / 256,
			resourceHash: (name) => overlay.node.resourceId(name),
		});
	}

	/** Connections that are up. */
	get count(): number {
		return this.#edges.count;
	}

	best(not?: number): number | undefined {
		return this.#edges.best(not);
	}

	doubt(flow: number, now: number): void {
		this.#edges.handle({ type: "doubt", flow }, now);
	}

	handle(input: EdgesInput, now: number): void {
		this.#edges.handle(input, now);
	}

	/** The configuration changed: nobody talks to nodes that are out. */
	exclude(isBad: (nodeId: Uint8Array) => boolean, now: number): void {
		this.#edges.exclude(isBad, now);
	}

	/** The result of a request of the edges; false when it is somebody else's. */
	result(token: number, result: RequestResult, now: number): boolean {
		const own = this.#tokens.get(token);
		if (own === undefined) return false;
		this.#tokens.delete(token);
		this.#edges.handle({ type: "result", token: own, result, wallMs: this.#overlay.node.wallMs(now) }, now);
		return true;
	}

	send(flow: number, bytes: Uint8Array): boolean {
		return this.#flows.get(flow)?.write(bytes) ?? false;
	}

	drop(flow: number, now: number): void {
		this.#close(flow);
		this.#edges.handle({ type: "down", flow }, now);
	}

	/** Our Contact over the connection to this edge (RFC 7904 §6: a GRUU is a destination list in an AOR). */
	contactUri({ destinations }: SipContact): string {
		return `sip:${writeGruu(this.own, destinations)}`;
	}

	close(): void {
		for (const connection of this.#flows.values()) connection.close();
		this.#flows.clear();
	}

	deadline(): number {
		return this.#edges.deadline();
	}

	timeout(now: number): void {
		if (this.#edges.deadline() <= now) this.#edges.handle({ type: "timeout" }, now);
	}

	/** Carries out one thing that the edges want; false when there is none. */
	step(now: number): boolean {
		const output = this.#edges.poll();
		if (output === undefined) return false;
		this.#output(output, now);
		return true;
	}

	#output(output: EdgesOutput, now: number): void {
		const { node } = this.#overlay;
		switch (output.type) {
			case "fetch":
				this.#tokens.set(node.fetch(output.resourceId, output.kinds, now), output.token);
				return;
			case "appAttach": {
				const token = node.appAttach(output.destination, ApplicationId.sip, now, { role: "active" });
				this.#tokens.set(token, output.token);
				return;
			}
			case "connect":
				this.#connect(output, now);
				return;
			case "close":
				this.#close(output.flow);
				return;
			case "ping":
				this.#flows.get(output.flow)?.write(PING);
				return;
			case "edge":
				this.#edge(output.flow, output.isUp, output.contact);
				return;
			case "preferred":
				this.#overlay.register(output.contact, now);
		}
	}

	#connect({ flow, address, port, serverName }: Extract<EdgesOutput, { type: "connect" }>, now: number): void {
		const { hal } = this.#context;
		if (!isIpv4(address) || hal.network.address === undefined) {
			this.#edges.handle({ type: "down", flow }, now);
			return;
		}
		const connection = hal.connectSecure({
			address,
			port,
			serverName,
			identity: this.#overlay.identity,
			verify: (chain) => this.#isEdge(flow, chain),
			onUp: () => {
				this.#edges.handle({ type: "up", flow }, this.#context.now());
				this.#context.wake();
			},
			onBytes: (bytes) => {
				// The answer to a ping is no SIP; two of them would look like a ping (RFC 5626 §4.4.1).
				const isPong = bytes.length === 2 && bytes[0] === 13 && bytes[1] === 10 && this.#edges.isPinged(flow);
				this.#edges.handle({ type: "heard", flow }, this.#context.now());
				if (!isPong) this.#listener.edgeOctets(flow, bytes);
				this.#context.wake();
			},
			onDrained: () => undefined,
			onClosed: (reason) => {
				if (!this.#flows.delete(flow)) return;
				hal.log("debug", "unit.edgeClosed", { address, port, reason });
				this.#edges.handle({ type: "down", flow }, this.#context.now());
				this.#context.wake();
			},
		});
		this.#flows.set(flow, connection);
	}

	#isEdge(flow: number, chain: readonly Uint8Array[]): boolean {
		const certificate = this.#overlay.check(chain);
		if (!isRefused(certificate) && this.#edges.accepts(flow, certificate.userName, certificate.nodeIds)) return true;
		const reason = isRefused(certificate) ? certificate.refused : "it is not the house's";
		this.#context.hal.log("warn", "unit.edgeRefused", { reason });
		return false;
	}

	#edge(flow: number, isUp: boolean, contact: SipContact): void {
		const connection = this.#flows.get(flow);
		const first = contact.destinations[0];
		const peer = first !== undefined && "nodeId" in first ? toHex(first.nodeId) : "";
		if (isUp && connection !== undefined) this.#listener.edgeUp(flow, this.contactUri(contact), connection);
		else this.#listener.edgeDown(flow);
		this.#context.event({ type: "edge", flow, isUp, peer });
	}

	#close(flow: number): void {
		const connection = this.#flows.get(flow);
		this.#flows.delete(flow);
		connection?.close();
	}
}
