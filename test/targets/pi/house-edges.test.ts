/** The list of other edges, with virtual time: looked at after changes, again within the freshness limit, dead ones tried again. */
import { expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { SipContact } from "../../../core/usages/sip.ts";
import { equalBytes } from "../../../core/wire/bytes.ts";
import { type Destination, nodeDestination } from "../../../core/wire/destination.ts";
import type { AppConnection } from "../../../targets/pi/app-connections.ts";
import { EDGES_FRESH_MS, HouseEdges } from "../../../targets/pi/house-edges.ts";
import { HOUSE } from "./composed.ts";
import { Realm } from "./realm.ts";
import { ManualClock, ManualTimers } from "./support.ts";

const realm = new Realm();

class Story {
	readonly own = realm.identity({ userName: HOUSE });
	readonly timers = new ManualTimers();
	readonly clock = new ManualClock();
	readonly up = new Map<string, AppConnection>();
	contacts: SipContact[] = [];
	identity: LocalIdentity | undefined = this.own;
	/** Node-IDs nobody answers for. */
	readonly dead = new Set<Uint8Array>();
	asked = 0;
	tried = 0;
	readonly edges = new HouseEdges({
		houseAor: HOUSE,
		resolver: {
			resolve: () => {
				this.asked++;
				const { contacts } = this;
				return Promise.resolve({
					contacts,
					external: [],
					lookups: [],
					ignored: 0,
					truncated: false,
					unreadable: false,
				});
			},
		},
		connections: {
			find: (_local, remote) => this.up.get(String(remote)),
			connection: (_host, local, destination) => this.#connect(local, destination),
		},
		host: { appAttach: () => Promise.reject(new Error("not used")) },
		identity: () => this.identity,
		isHere: (contact) => equalBytes(contact.nodeId, this.own.nodeId),
		clock: this.clock,
		timers: this.timers,
	});

	async #connect(local: LocalIdentity, destination: readonly Destination[]): Promise<AppConnection> {
		this.tried++;
		const last = destination.at(-1);
		if (last === undefined || !("nodeId" in last) || this.dead.has(last.nodeId)) throw new Error("nobody there");
		const known = this.up.get(String(last.nodeId));
		const connection = known ?? this.connection(last.nodeId, local);
		this.up.set(String(last.nodeId), connection);
		return connection;
	}

	connection(remoteNodeId: Uint8Array, local: LocalIdentity = this.own, remoteUser = HOUSE): AppConnection {
		return { id: 1, local, remoteNodeId, remoteUser, address: "", port: 0, send: () => true, close: () => undefined };
	}

	/** One more edge is registered. */
	add(lastsMs = 600_000): Uint8Array {
		const { nodeId } = realm.identity({ userName: HOUSE });
		const destinations = [nodeDestination(new Uint8Array(16).fill(7)), nodeDestination(nodeId)];
		const expiresMs = this.clock.wallMs() + lastsMs;
		this.contacts.push({ aor: HOUSE, nodeId, destinations, contactPrefs: "", storageTimeMs: 0, expiresMs });
		return nodeId;
	}

	async pass(ms: number): Promise<void> {
		for (let passed = 0; passed < ms; passed += 100) {
			this.clock.advance(100);
			this.timers.advance(100);
			for (let i = 0; i < 8; i++) await Promise.resolve();
		}
	}

	get reached(): number {
		return this.edges.others().filter(({ connection }) => connection !== undefined).length;
	}
}

test("after a change it looks at 0.2 s and then 1, 2, 4, ... s later; never later than the freshness limit", async () => {
	const story = new Story();
	await story.pass(5_000);
	expect(story.asked).toBe(0);
	story.edges.lookSoon();
	await story.pass(300);
	expect(story.asked).toBe(1);
	// Another edge registers a moment after that.
	story.add();
	await story.pass(1_200);
	expect(story.reached).toBe(1);
	await story.pass(120_000);
	const before = story.asked;
	await story.pass(10 * EDGES_FRESH_MS);
	expect(story.asked - before).toBeGreaterThanOrEqual(9);
	expect(story.asked - before).toBeLessThanOrEqual(11);
});

test("a connection that goes is opened again at once; one of somebody else is none of its business", async () => {
	const story = new Story();
	const nodeId = story.add();
	story.edges.lookSoon();
	await story.pass(200_000);
	const { tried } = story;
	const connection = story.up.get(String(nodeId)) as AppConnection;
	story.edges.connectionDown(story.connection(nodeId, realm.identity({ userName: "anna@home.example" })));
	await story.pass(300);
	expect(story.tried).toBe(tried);
	story.up.clear();
	story.edges.connectionDown(connection);
	await story.pass(300);
	expect(story.reached).toBe(1);
});

test("an edge that finds us first is looked for; a dead one is tried again, and missed by nobody", async () => {
	const story = new Story();
	story.edges.lookSoon();
	await story.pass(100_000);
	const [alive, dead] = [story.add(), story.add()];
	story.dead.add(dead);
	story.edges.connectionUp(story.connection(alive));
	await story.pass(300);
	expect([story.edges.others().length, story.reached]).toEqual([2, 1]);
	story.dead.clear();
	await story.pass(EDGES_FRESH_MS + 1_000);
	expect(story.reached).toBe(2);
});

test("what has run out is not rung; without an identity of its own nothing is asked; closed, it is still", async () => {
	const story = new Story();
	story.add(5_000);
	story.edges.lookSoon();
	await story.pass(300);
	expect(story.edges.others()).toHaveLength(1);
	await story.pass(5_000);
	expect(story.edges.others()).toHaveLength(0);
	const { asked } = story;
	story.identity = undefined;
	await story.pass(EDGES_FRESH_MS * 3);
	expect([story.asked, story.edges.others().length]).toEqual([asked, 0]);
	story.edges.close();
	const last = story.asked;
	story.identity = story.own;
	await story.pass(EDGES_FRESH_MS * 3);
	expect(story.asked).toBe(last);
});
