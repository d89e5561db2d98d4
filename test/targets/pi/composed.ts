/**
 * Peers in this process, put together as the daemon does it, but from a `Realm` instead of an enrolled household: real TLS on ephemeral
 * ports of the loopback, a store in memory, the machine's clock (which may be set wrong).
 */
import { onTestFinished, vi } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { Endpoint, NodeEvent } from "../../../core/overlay/node-types.ts";
import { ApplicationId } from "../../../core/wire/codes.ts";
import type { Clock, Log } from "../../../hal/hal.ts";
import { nodeClock } from "../../../hal/node/clock.ts";
import { AppConnections } from "../../../targets/pi/app-connections.ts";
import { EdgeHost } from "../../../targets/pi/edge-host.ts";
import { digestVerifiers } from "../../../targets/pi/household/passwords.ts";
import type { HouseholdAccount } from "../../../targets/pi/household/types.ts";
import { OverlayHost } from "../../../targets/pi/overlay-host.ts";
import { makePeerNode } from "../../../targets/pi/overlay-peer.ts";
import { OwnRecords } from "../../../targets/pi/own-records.ts";
import { Refusals } from "../../../targets/pi/refusals.ts";
import { ScriptedPhone } from "../../../tools/demo/phone.ts";
import { placeOf } from "../../../tools/demo/sip-text.ts";
import { crypto, DOMAIN, type Realm } from "./realm.ts";
import { MemoryStore } from "./support.ts";

/** The AOR that rings everybody. */
export const HOUSE = `house@${DOMAIN}`;

export interface Logged {
	readonly level: string;
	readonly event: string;
	readonly fields: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** Collects log lines. */
export class TestLog {
	readonly lines: Logged[] = [];
	readonly log: Log = (level, event, fields = {}) => {
		this.lines.push({ level, event, fields });
	};

	of(event: string): Logged[] {
		return this.lines.filter((line) => line.event === event);
	}

	/** Waits for a line. */
	async line(event: string): Promise<Logged> {
		await until(() => this.of(event).length > 0);
		return this.of(event)[0] as Logged;
	}
}

/** Waits until a condition holds; for things that happen over real sockets. */
export async function until(condition: () => boolean, withinMs = 20_000): Promise<void> {
	const check = (): void => {
		if (!condition()) throw new Error(`not so within ${withinMs} ms: ${condition.toString()}`);
	};
	await vi.waitFor(check, { timeout: withinMs, interval: 5 });
}

/** The machine's clock, off by `skewMs`. */
export function skewedClock(skewMs: number): Clock {
	const clock = nodeClock();
	return { monotonicMs: () => clock.monotonicMs(), wallMs: () => clock.wallMs() + skewMs };
}

export interface OverlayOptions {
	readonly identity?: LocalIdentity;
	readonly store?: MemoryStore;
	readonly skewMs?: number;
	/** Port of the link listener; any when absent. */
	readonly port?: number;
	readonly onEvent?: (event: NodeEvent, peer: OverlayPeer) => void;
}

/** A peer without an edge. */
export class OverlayPeer {
	readonly realm: Realm;
	readonly identity: LocalIdentity;
	readonly store: MemoryStore;
	readonly clock: Clock;
	readonly log = new TestLog();
	readonly events: NodeEvent[] = [];
	host!: OverlayHost;
	connections!: AppConnections;
	records!: OwnRecords;
	edge: EdgeHost | undefined;

	private constructor(realm: Realm, options: OverlayOptions) {
		this.realm = realm;
		this.identity = options.identity ?? realm.identity();
		this.store = options.store ?? new MemoryStore();
		this.clock = skewedClock(options.skewMs ?? 0);
	}

	static async open(realm: Realm, options: OverlayOptions = {}): Promise<OverlayPeer> {
		const peer = new OverlayPeer(realm, options);
		const { identity, clock, store } = peer;
		const { log } = peer.log;
		const refusals = new Refusals({ log, clock });
		peer.connections = await AppConnections.open({
			listen: { address: "127.0.0.1", port: 0 },
			identity,
			overlayName: DOMAIN,
			clock,
			log,
			trust: () => peer.host.node.settings.trust,
			onUp: (connection) => peer.edge?.connectionUp(connection),
			onBytes: (connection, bytes) => peer.edge?.connectionBytes(connection, bytes),
			onDown: (connection, reason) => peer.edge?.connectionDown(connection, reason),
		});
		const sip = [{ address: "127.0.0.1", port: peer.connections.port }];
		peer.host = await OverlayHost.open({
			identity,
			listen: { address: "127.0.0.1", port: options.port ?? 0 },
			store,
			clock,
			log,
			onEvent: (event) => {
				peer.events.push(event);
				peer.connections.handleEvent(event);
				if (event.type === "config") peer.connections.recheck();
				if (event.type === "refused") refusals.refused(event);
				peer.records?.event(event);
				options.onEvent?.(event, peer);
			},
			node: (more) =>
				makePeerNode({
					...more,
					identity,
					config: realm.config,
					configBytes: realm.document,
					crypto,
					store,
					log,
					applications: [{ application: ApplicationId.sip, listen: sip }],
				}),
		});
		peer.records = new OwnRecords({ host: peer.host, clock, log, crypto });
		onTestFinished(() => peer.close());
		return peer;
	}

	get endpoint(): Endpoint {
		return this.host.listen[0] as Endpoint;
	}

	/** Begins the overlay, or joins it by these peers; resolves when it is in. */
	async start(...bootstrap: readonly OverlayPeer[]): Promise<void> {
		this.host.start({ first: bootstrap.length === 0, bootstrap: bootstrap.map(({ endpoint }) => endpoint) });
		await until(() => this.isIn);
	}

	get isIn(): boolean {
		return this.status().inOverlay;
	}

	status(): ReturnType<OverlayHost["node"]["status"]> {
		return this.host.command((node, now) => node.status(now));
	}

	count(counter: string): number {
		return this.status().counters[counter] ?? 0;
	}

	event<T extends NodeEvent["type"]>(type: T): Extract<NodeEvent, { type: T }>[] {
		return this.events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
	}

	/** As a kill does: nobody is told. */
	close(): void {
		this.records.close();
		this.host.close();
		this.connections.close();
		void this.edge?.stop();
	}
}

/** A peer with an edge, and the household's accounts. */
export class EdgePeer {
	readonly overlay: OverlayPeer;
	readonly accounts: Map<string, HouseholdAccount>;
	readonly hosted = new Map<string, LocalIdentity>();
	/** AORs of the household's devices, as far as this peer knows. */
	readonly devices = new Set<string>();
	readonly edge: EdgeHost;

	private constructor(overlay: OverlayPeer, accounts: Map<string, HouseholdAccount>, edge: EdgeHost) {
		this.overlay = overlay;
		this.accounts = accounts;
		this.edge = edge;
	}

	static async open(realm: Realm, accounts: Map<string, HouseholdAccount>): Promise<EdgePeer> {
		const overlay = await OverlayPeer.open(realm);
		const { host, connections, records, clock, identity } = overlay;
		const listen = (["udp", "tcp"] as const).map((transport) => ({ transport, address: "127.0.0.1", port: 0 }));
		const edge = await EdgeHost.open({
			domain: DOMAIN,
			listen,
			digest: ["SHA-256", "MD5"],
			host,
			connections,
			records,
			account: (name) => accounts.get(name),
			isDevice: (aor) => peer.devices.has(aor),
			hosted: (aor) => peer.hosted.get(aor),
			peerNodeId: identity.nodeId,
			crypto,
			clock,
			log: overlay.log.log,
		});
		overlay.edge = edge;
		const peer: EdgePeer = new EdgePeer(overlay, accounts, edge);
		peer.refresh();
		return peer;
	}

	/** Gives every account a hosted identity here, as enrollment does. */
	refresh(): void {
		const { realm, host, connections, records, identity } = this.overlay;
		for (const aor of [HOUSE, ...[...this.accounts.values()].map((account) => account.aor)]) {
			if (this.hosted.has(aor)) continue;
			const hosted = realm.identity({ userName: aor });
			this.hosted.set(aor, hosted);
			host.command((node) => node.addIdentity(hosted));
			records.keepCertificate(hosted);
		}
		connections.setIdentities([identity, ...this.hosted.values()]);
		this.edge.accountsChanged();
	}

	/** The account is gone, as `Peer` does it. */
	remove(name: string): void {
		const { host, connections, records, identity } = this.overlay;
		const aor = `${name}@${DOMAIN}`;
		const hosted = this.hosted.get(aor);
		if (hosted === undefined) return;
		this.hosted.delete(aor);
		this.edge.forget(aor);
		records.forget(hosted);
		host.command((node) => node.removeIdentity(hosted.nodeId));
		connections.setIdentities([identity, ...this.hosted.values()]);
	}

	/** "127.0.0.1:40123" */
	place(transport: "udp" | "tcp"): { address: string; port: number } {
		const uri = this.edge.listening().find((one) => one.endsWith(`transport=${transport}`)) ?? "";
		return placeOf(uri) as { address: string; port: number };
	}

	async phone(user: string, password = `${user}'s password`): Promise<ScriptedPhone> {
		const edge = this.place("udp");
		const phone = await ScriptedPhone.start({ user, password, domain: DOMAIN, edge, address: "127.0.0.1" });
		onTestFinished(() => phone.close());
		return phone;
	}

	async registered(name: string): Promise<void> {
		await until(() => this.overlay.log.of("record.stored").some(({ fields }) => fields.name === this.#recordOf(name)));
	}

	#recordOf(name: string): string {
		const nodeId = this.hosted.get(`${name}@${DOMAIN}`)?.nodeId ?? new Uint8Array(0);
		return `registration/${Buffer.from(nodeId).toString("hex")}`;
	}
}

export function accountsOf(...names: string[]): Map<string, HouseholdAccount> {
	return new Map(names.map((name) => [name, accountOf(name)]));
}

export function accountOf(name: string): HouseholdAccount {
	const verifiers = digestVerifiers(name, DOMAIN, `${name}'s password`);
	return { name, aor: `${name}@${DOMAIN}`, kind: "user", members: [], ...verifiers };
}
