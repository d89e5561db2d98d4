/**
 * AppAttach connections as SIP flows, of three sorts:
 *
 *   between users     alice's identity here   -- bob's at another edge     calls between the two
 *   between edges     the house's here        -- the house's elsewhere     calls to the house, and to devices (house-edges.ts)
 *   of a device       the house's here        -- the device                opened by the device; treated as a phone's connection
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { FlowOptions } from "../../core/sip/edge-types.ts";
import { readAor } from "../../core/usages/aor.ts";
import { readGruu, writeGruu } from "../../core/usages/gruu.ts";
import { hostedDestinations } from "../../core/usages/sip.ts";
import { toHex } from "../../core/wire/bytes.ts";
import type { AppConnection } from "./app-connections.ts";
import { isPeerUserName } from "./household/names.ts";
import type { HouseholdAccount } from "./household/types.ts";

export interface EdgeConnectionsOptions {
	readonly domain: string;
	readonly houseAor: string;
	readonly peerNodeId: Uint8Array;
	/** An account by its name, without domain. */
	readonly account: (name: string) => HouseholdAccount | undefined;
}

export class EdgeConnections {
	readonly #options: EdgeConnectionsOptions;
	readonly #byFlow = new Map<number, AppConnection>();
	readonly #flows = new Map<number, number>();
	/** The newest connection of each device, by its AOR. */
	readonly #devices = new Map<string, number>();

	constructor(options: EdgeConnectionsOptions) {
		this.#options = options;
	}

	/** Takes a connection in as flow `flow`; gives what the edge has to know of it. */
	add(connection: AppConnection, flow: number): FlowOptions {
		const { local, remoteUser, remoteNodeId } = connection;
		this.#byFlow.set(flow, connection);
		this.#flows.set(connection.id, flow);
		const common = {
			flow,
			transport: "overlay",
			localAddress: this.#options.domain,
			localPort: 0,
			remoteAddress: connection.address,
			remotePort: connection.port,
			// RFC 7904 §5: Via carries the overlay, not an address.
			sentBy: `${toHex(local.nodeId)}.${this.#options.domain}`,
		} as const;
		if (!this.isDevice(connection)) {
			const localRoute = `sip:${this.#gruu(local.userName, local)}`;
			return { ...common, localRoute, peerAor: remoteUser, peerNode: toHex(remoteNodeId) };
		}
		this.#devices.set(remoteUser, flow);
		// Choice (RFC 7904 §6): a device's GRUU leads to the edge it is connected to; so calls survive when it connects there again.
		return { ...common, localRoute: `sip:${this.#gruu(remoteUser, local)}`, account: remoteUser };
	}

	/** Forgets a connection; gives its flow. */
	remove(connection: AppConnection): number | undefined {
		const flow = this.#flows.get(connection.id);
		if (flow === undefined) return undefined;
		this.#flows.delete(connection.id);
		this.#byFlow.delete(flow);
		if (this.#devices.get(connection.remoteUser) === flow) this.#devices.delete(connection.remoteUser);
		return flow;
	}

	/** The connection of a flow. */
	of(flow: number): AppConnection | undefined {
		return this.#byFlow.get(flow);
	}

	/** The flow of a connection, by its id. */
	flowOf(connection: number): number | undefined {
		return this.#flows.get(connection);
	}

	/** The flow of the connection that a device holds to this edge. */
	deviceFlow(aor: string): number | undefined {
		return this.#devices.get(aor);
	}

	/** AORs of the devices that are connected here. */
	devices(): string[] {
		return [...this.#devices.keys()];
	}

	/**
	 * True for a connection that a device has opened to the house. A name that is neither the house's nor an account's nor a peer's is a
	 * device's: also of one that was paired a moment ago, of which this peer has not heard yet.
	 */
	isDevice({ local, remoteUser }: Pick<AppConnection, "local" | "remoteUser">): boolean {
		const { houseAor, account, domain } = this.#options;
		if (local.userName !== houseAor || remoteUser === houseAor || isPeerUserName(remoteUser, domain)) return false;
		const aor = readAor(remoteUser);
		return aor !== undefined && account(aor.user) === undefined;
	}

	/** The Node-ID (hex) that an overlay route leads to; undefined for another URI. */
	nodeOfRoute(uri: string): string | undefined {
		const last = readGruu(uri, this.#options.peerNodeId.length)?.destinations?.at(-1);
		return last !== undefined && "nodeId" in last ? toHex(last.nodeId) : undefined;
	}

	/** GRUU of an AOR that is reached at this peer as `identity`. */
	#gruu(user: string, identity: LocalIdentity): string {
		const aor = readAor(user);
		return aor === undefined ? user : writeGruu(aor, hostedDestinations(this.#options.peerNodeId, identity.nodeId));
	}
}
