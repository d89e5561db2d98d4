/**
 * The way of messages made here: to a neighbour, to the next hop, or back to ourselves (RFC 6940 §6.1.1).
 *
 * 3. of §6.1.1 MUST: a first destination in the Connection Table is reached by its link; otherwise the topology plug-in says where to.
 */
import { DestinationType } from "../wire/codes.ts";
import { slotOf } from "./compression.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { HopView } from "./hop-view.ts";
import { sendPieces } from "./pieces.ts";
import type { Receiver } from "./receiver.ts";

export class Originator {
	readonly #context: NodeContext;
	readonly #receiver: Receiver;
	readonly #view: HopView;
	/** Messages of ours that are for us. */
	#home: Uint8Array[] = [];

	constructor(context: NodeContext, receiver: Receiver) {
		this.#context = context;
		this.#receiver = receiver;
		this.#view = new HopView(context.settings.config.nodeIdLength);
	}

	/** See `NodeContext.send`. */
	send(message: Uint8Array, now: number, only: Connection | undefined): Connection | undefined {
		const { counters, links, connections } = this.#context;
		if (only !== undefined) {
			if (connections.byLink(only.link) !== only) return undefined;
			links.touch(only);
			return sendPieces(message, only, this.#context, now) ? only : undefined;
		}
		const view = this.#view;
		if (!view.look(message)) throw new Error(`our own message is not sound: ${view.reason}`);
		const target = this.#target(view);
		if (target === "home") {
			this.#home.push(message);
			return undefined;
		}
		if (target === undefined) {
			counters.add(Counter.droppedNoRoute);
			return undefined;
		}
		links.touch(target);
		return sendPieces(message, target, this.#context, now) ? target : undefined;
	}

	#target(view: HopView): Connection | "home" | undefined {
		const { role, connections, identities } = this.#context;
		if (view.firstType === DestinationType.opaqueId) return this.#opaque(view);
		if (view.firstType !== DestinationType.node && view.firstType !== DestinationType.resource) return undefined;
		const id = view.first();
		if (view.firstType === DestinationType.resource) return role.isResponsible(id) ? "home" : role.nextHop(id);
		if (identities.find(id) !== undefined) return "home";
		if (view.firstIsWildcard()) return this.#anybody();
		return connections.find(id) ?? role.nextHop(id) ?? connections.findAny(id);
	}

	/** Whoever receives the wildcard consumes it: any neighbour will do. */
	#anybody(): Connection | undefined {
		for (const connection of this.#context.connections.all()) if (connection.state === "ok") return connection;
		return undefined;
	}

	#opaque(view: HopView): Connection | "home" | undefined {
		if (view.firstLength !== 2) return undefined;
		const { slot, generation } = slotOf(view.bytes[view.firstOffset]!, view.bytes[view.firstOffset + 1]!);
		return this.#context.connections.bySlot(slot, generation) === undefined ? undefined : "home";
	}

	/** Takes in what is for ourselves. False when there was nothing. */
	comeHome(now: number): boolean {
		if (this.#home.length === 0) return false;
		const home = this.#home;
		this.#home = [];
		for (let i = 0; i < home.length; i++) this.#receiver.receive(home[i]!, undefined, now);
		return true;
	}
}
