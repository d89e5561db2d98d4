/** A household with its enrollment server on an ephemeral port of the loopback. */
import { expect, onTestFinished } from "vitest";
import type { Log } from "../../../../hal/hal.ts";
import { EnrollmentClient } from "../../../../targets/pi/enrollment/client.ts";
import { type Answer, type HttpsCall, HttpsClient } from "../../../../targets/pi/enrollment/https-client.ts";
import { joinHousehold } from "../../../../targets/pi/enrollment/join.ts";
import { RemoteSource } from "../../../../targets/pi/enrollment/remote-source.ts";
import { EnrollmentServer } from "../../../../targets/pi/enrollment/server.ts";
import type { Founding } from "../../../../targets/pi/household/found.ts";
import { openMembership } from "../../../../targets/pi/household/membership.ts";
import { HouseholdSync, type HouseholdUpdate } from "../../../../targets/pi/household/sync.ts";
import type { Address, HouseholdSource } from "../../../../targets/pi/household/types.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { crypto, foundHouse, HOME, ManualTimers, MemoryStore, scratch, type TestHouse } from "../support.ts";

export interface ServedHouse extends TestHouse {
	readonly server: EnrollmentServer;
	readonly address: Address;
	readonly client: EnrollmentClient;
	/** Events logged by the server. */
	readonly events: string[];
	call(call: HttpsCall): Promise<Answer>;
}

export async function serveHouse(founding: Partial<Founding> = {}): Promise<ServedHouse> {
	// TLS libraries look at the system's clock, so the household's begins there; it stands still all the same.
	const house = await foundHouse(founding, Date.now());
	const { household, issuing, timers, clock } = house;
	const events: string[] = [];
	const log: Log = (_level, event) => events.push(event);
	const server = new EnrollmentServer({ household, issuing, timers, log });
	const port = await server.listen({ port: 0, host: "127.0.0.1", hosts: ["127.0.0.1"] });
	const address = { address: "127.0.0.1", port };
	void household.announce(household.founder, { link: [{ address: "127.0.0.1", port: 6084 }], enrollment: [address] });
	await household.addresses.flush();
	const https = new HttpsClient({
		address,
		overlayName: founding.overlayName ?? HOME,
		roots: [household.authority.root.der],
	});
	onTestFinished(async () => {
		https.close();
		await server.close();
	});
	const client = new EnrollmentClient({ crypto, clock });
	return { ...house, server, address, client, events, call: (call) => https.call(call) };
}

/** A peer that joined and follows the household. `updates` collects what it was told to take over. */
export interface Follower {
	readonly state: PiState;
	readonly store: MemoryStore;
	readonly sync: HouseholdSync;
	readonly timers: ManualTimers;
	readonly updates: HouseholdUpdate[];
	readonly events: string[];
	/** Everything the follower has of an account in use: its verifiers and its hosted identity. */
	serves(name: string): boolean;
}

export interface FollowOptions {
	/** A state that joined before. */
	readonly state?: PiState;
	readonly store?: MemoryStore;
	readonly onApply?: (update: HouseholdUpdate) => Promise<void> | void;
	/** Puts itself between the follower and its source. */
	readonly wrap?: (source: HouseholdSource) => HouseholdSource;
}

export async function follow(house: ServedHouse, options: FollowOptions = {}): Promise<Follower> {
	const store = options.store ?? new MemoryStore();
	const state = options.state ?? PiState.open({ path: scratch(), openStore: () => store });
	const membership =
		openMembership(state, crypto) ??
		(await joinHousehold(state, house.client, crypto, (await house.admin.invite({ role: "peer" })).url));
	const timers = new ManualTimers();
	const updates: HouseholdUpdate[] = [];
	const events: string[] = [];
	const remote = new RemoteSource({ membership, config: () => sync.config, identity: () => sync.identity });
	const sync: HouseholdSync = new HouseholdSync({
		state,
		crypto,
		clock: house.clock,
		timers,
		membership,
		source: options.wrap?.(remote) ?? remote,
		log: (_level, event) => events.push(event),
		onApply: async (update) => {
			updates.push(update);
			await options.onApply?.(update);
		},
	});
	onTestFinished(async () => {
		await sync.close();
		remote.close();
		await state.close();
	});
	const serves = (name: string): boolean =>
		sync.account(name) !== undefined && sync.hosted(`${name}@${house.household.overlayName}`) !== undefined;
	return { state, store, sync, timers, updates, events, serves };
}

/** Waits until a condition holds; for things that happen over real sockets. */
export async function until(condition: () => boolean): Promise<void> {
	await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
}
