/** Two edges and strangers over real TLS, for the tests of the connections between edges. */
import { onTestFinished } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { Endpoint } from "../../../core/overlay/node-types.ts";
import { equalBytes, toHex } from "../../../core/wire/bytes.ts";
import { ApplicationId } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { SecureStream } from "../../../hal/node/secure-stream.ts";
import {
	type AppAttacher,
	type AppConnection,
	AppConnections,
	type AppConnectionsOptions,
} from "../../../targets/pi/app-connections.ts";
import { Happenings } from "../../hal/node/waiting.ts";
import { DOMAIN, Realm } from "./realm.ts";
import { ManualClock, ManualTimers } from "./support.ts";

export const realm = new Realm();
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
export const octets = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));

/** One host with its connections, and everything it was told. */
export class Side {
	readonly identities: LocalIdentity[];
	readonly clock = new ManualClock(Date.now());
	readonly timers = new ManualTimers();
	readonly happenings = new Happenings();
	readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
	readonly up: AppConnection[] = [];
	received = "";
	trust = realm.trust();
	connections!: AppConnections;

	constructor(identities: LocalIdentity[]) {
		this.identities = identities;
	}

	static async open(count = 1, more: Partial<AppConnectionsOptions> = {}): Promise<Side> {
		const side = new Side(Array.from({ length: count }, () => realm.identity()));
		side.connections = await AppConnections.open({
			listen: { address: "127.0.0.1", port: 0 },
			identity: side.identity,
			overlayName: DOMAIN,
			trust: () => side.trust,
			clock: side.clock,
			timers: side.timers,
			log: (_level, event, fields = {}) => {
				side.logged.push({ event, fields });
				side.happenings.add(event);
			},
			onUp: (connection) => {
				side.up.push(connection);
				side.happenings.add("up");
			},
			onBytes: (_connection, bytes) => {
				side.received += text(bytes);
				side.happenings.add("bytes");
			},
			onDown: (_connection, reason) => side.happenings.add(`down: ${reason}`),
			...more,
		});
		side.connections.setIdentities(side.identities);
		onTestFinished(() => side.connections.close());
		return side;
	}

	get identity(): LocalIdentity {
		return this.identities[0] as LocalIdentity;
	}

	get endpoint(): Endpoint {
		return { address: "127.0.0.1", port: this.connections.port };
	}

	/** Time passes: what falls due happens. */
	advance(ms: number): void {
		for (let left = ms; left > 0; left -= 1000) {
			const step = Math.min(left, 1000);
			this.clock.advance(step);
			this.timers.advance(step);
		}
	}

	ask(other: Side, options: { as?: LocalIdentity; to?: LocalIdentity } = {}): Promise<AppConnection> {
		const to = options.to ?? other.identity;
		return this.connections.connection(attach(this, other), options.as ?? this.identity, [nodeDestination(to.nodeId)]);
	}

	/** What an AppAttach that `from` has sent for `to` makes this side do. */
	connectOut(
		from: Side,
		to: LocalIdentity,
		as: LocalIdentity,
		candidates: readonly Endpoint[] = [from.endpoint],
	): void {
		this.connections.handleEvent({
			type: "appConnect",
			identity: to,
			address: candidates[0]?.address ?? "",
			port: candidates[0]?.port ?? 0,
			candidates,
			expect: as.nodeId,
			application: ApplicationId.sip,
			serverName: `${toHex(as.nodeId)}.${DOMAIN}`,
		});
	}
}

/** The overlay between two sides: an AppAttach reaches the other one at once. */
export function attach(from: Side, to: Side): AppAttacher {
	return {
		appAttach: async (destination, _application, options) => {
			const last = destination[destination.length - 1];
			const as = from.identities.find(({ nodeId }) => options?.as !== undefined && equalBytes(nodeId, options.as));
			const asked = to.identities.find(
				({ nodeId }) => last !== undefined && "nodeId" in last && equalBytes(nodeId, last.nodeId),
			);
			if (as === undefined || asked === undefined) throw new Error("Error_Not_Found");
			to.connectOut(from, asked, as);
			return { ok: true } as never;
		},
	};
}

export async function pair(): Promise<{ a: Side; b: Side; ab: AppConnection; ba: AppConnection }> {
	const [a, b] = [await Side.open(), await Side.open()];
	const ab = await a.ask(b);
	await b.happenings.seen("up");
	return { a, b, ab, ba: b.up[0] as AppConnection };
}

export interface Stranger {
	readonly stream: SecureStream;
	/** What it heard; "up" and "end". */
	readonly heard: Happenings;
}

/** Connects as anybody, to say or hear things that no AppConnections would. */
export async function stranger(to: Side, as: LocalIdentity, named = to.identity): Promise<Stranger> {
	const heard = new Happenings();
	const stream = new SecureStream({
		identity: as,
		...to.endpoint,
		serverName: `${toHex(named.nodeId)}.${DOMAIN}`,
		onWritable: () => heard.list.length === 0 && heard.add("up"),
		onReadable() {
			heard.add(text(this.read() ?? new Uint8Array(0)));
		},
		onError: () => heard.add("end"),
	});
	onTestFinished(() => stream.close());
	await heard.until(() => heard.list.length > 0);
	return { stream, heard };
}

/** A side with one connection, whose other end is a stranger. */
export async function announced(): Promise<{ side: Side; other: SecureStream; heard: Happenings }> {
	const side = await Side.open();
	const as = realm.identity();
	const expected = { identity: side.identity, expect: as.nodeId, application: ApplicationId.sip };
	side.connections.handleEvent({ type: "appExpect", ...expected });
	const { stream, heard } = await stranger(side, as);
	await side.happenings.seen("up");
	return { side, other: stream, heard };
}
