/**
 * Bench: N peers in one process on loopback, real TLS links, real signatures; 300-octet values. Joins, rest, stores (answered when
 * the responsible peer and both replicas have the value safe), fetches from another peer. Prints one line of JSON.
 *
 *   dht NODES OPERATIONS [disk|memory]
 *
 * Every value belongs to a user of its own. Each user stores twice: the first time its certificate is new to everybody, the dearest case,
 * since each of the three storing peers checks its chain and takes over its key; the second time it is known, as it is whenever somebody
 * stores again. The baselines know the keys of all nodes before they store. A reader is always one that has not seen the user. Each peer has its own keys, caches and store; nothing is
 * shared but the process. `disk`: lmdb, on disk when acknowledged; `memory`: a store as the baselines have it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { utf8ToBytes } from "../../core/wire/bytes.ts";
import { KindId } from "../../core/wire/codes.ts";
import { nodeClock } from "../../hal/node/clock.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { MemoryStore } from "../../hal/node/memory-store.ts";
import { NodeRecordStore } from "../../hal/node/record-store.ts";
import { OverlayHost } from "../../targets/pi/overlay-host.ts";
import { makePeerNode } from "../../targets/pi/overlay-peer.ts";
import { BenchHousehold } from "./household.ts";

const [nodes, operations] = [Number(process.argv[2] ?? 16), Number(process.argv[3] ?? 100)];
const onDisk = process.argv[4] !== "memory";
/** Operations go on this long before those that count: the compiler has seen the code, as in a peer that has run for a while. */
const WARM_UP_MS = 8_000;
/** After the last join, until handovers and finger searches are over. */
const SETTLE_MS = 6_000;
const IDLE_MS = 6_000;
const VALUE = new Uint8Array(300).fill(7);
const VERBOSE = process.env.VERBOSE !== undefined;

const household = new BenchHousehold(nodeCrypto(), "CHORD-RELOAD");
const clock = nodeClock();
const folder = mkdtempSync(join(tmpdir(), "ringlet-bench-"));
const hosts: OverlayHost[] = [];
const joins: number[] = [];
const rssBase = process.memoryUsage().rss;

function quantile(values: readonly number[], q: number): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
}

function cpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens peer number `i` and waits until it is in the overlay; it knows one peer that is in already. */
async function addPeer(i: number): Promise<void> {
	const identity = household.userIdentity(`peer-${i}`);
	const crypto = nodeCrypto();
	const store = onDisk ? new NodeRecordStore({ path: join(folder, String(i)) }) : new MemoryStore();
	const log = (level: string, event: string, fields?: object): void => {
		if (VERBOSE) console.error(i, level, event, fields);
	};
	const { config, document: configBytes } = household;
	let joined = (): void => undefined;
	const isJoined = new Promise<void>((resolve) => {
		joined = resolve;
	});
	const host = await OverlayHost.open({
		identity,
		listen: { address: "127.0.0.1", port: 0 },
		store,
		clock,
		log,
		node: (options) => makePeerNode({ ...options, identity, config, configBytes, crypto, store, log }),
		onEvent: (event) => {
			if (event.type === "joined") joined();
		},
	});
	const began = performance.now();
	host.start({ first: i === 0, bootstrap: i === 0 ? [] : [hosts[Math.floor((i - 1) / 2)]!.listen[0]!] });
	hosts.push(host);
	await isJoined;
	if (i > 0) joins.push(performance.now() - began);
}

interface Measured {
	readonly ms: number[];
	readonly cpuMs: number;
}

/** Runs the operation for each user in turn. */
async function measure(users: readonly LocalIdentity[], operation: (i: number, user: LocalIdentity) => Promise<void>) {
	const ms: number[] = [];
	const cpu = cpuMs();
	for (const [i, user] of users.entries()) {
		const began = performance.now();
		await operation(i, user);
		ms.push(performance.now() - began);
	}
	return { ms, cpuMs: (cpuMs() - cpu) / users.length } satisfies Measured;
}

let replicas = 0;
let found = 0;

async function store(i: number, user: LocalIdentity): Promise<void> {
	const host = hosts[i % nodes]!;
	const values = [{ index: 0, exists: true, value: VALUE, lifetimeS: 3600 }];
	host.node.addIdentity(user);
	const answer = await host.store(
		host.node.resourceId(utf8ToBytes(user.userName)),
		[{ kind: KindId.certificateByUser, values }],
		{ as: user.nodeId },
	);
	host.node.removeIdentity(user.nodeId);
	replicas += answer.body.kinds[0]?.replicas.length ?? 0;
}

async function fetch(i: number, user: LocalIdentity): Promise<void> {
	const host = hosts[(i + Math.floor(nodes / 2) + 1) % nodes]!;
	const resource = host.node.resourceId(utf8ToBytes(user.userName));
	const answer = await host.fetch(resource, [{ kind: KindId.certificateByUser }]);
	if (answer.body.kinds[0]?.values[0]?.signer !== undefined) found++;
}

for (let i = 0; i < nodes; i++) await addPeer(i);
await sleep(SETTLE_MS);
const idleFrom = cpuMs();
await sleep(IDLE_MS);
const idleCpuMsPerS = ((cpuMs() - idleFrom) * 1000) / IDLE_MS / nodes;
const rssPerPeerMiB = (process.memoryUsage().rss - rssBase) / nodes / 1_048_576;

const warm = performance.now();
for (let i = 0; performance.now() - warm < WARM_UP_MS; i++) {
	const user = household.userIdentity(`warm-${i}`);
	await store(i, user);
	await fetch(i, user);
}
replicas = 0;
found = 0;
const users: LocalIdentity[] = [];
for (let i = 0; i < operations; i++) users.push(household.userIdentity(`user-${i}`));
const firstStores = await measure(users, store);
const stores = await measure(users, store);
const fetches = await measure(users, fetch);

console.log(
	JSON.stringify({
		system: `Ringlet, store ${onDisk ? "on disk" : "in memory"}`,
		nodes,
		operations,
		found,
		replicas: replicas / operations / 2,
		joinMs: { p50: quantile(joins, 0.5), p95: quantile(joins, 0.95) },
		storeMs: { p50: quantile(stores.ms, 0.5), p95: quantile(stores.ms, 0.95) },
		firstStoreMs: { p50: quantile(firstStores.ms, 0.5), p95: quantile(firstStores.ms, 0.95) },
		fetchMs: { p50: quantile(fetches.ms, 0.5), p95: quantile(fetches.ms, 0.95) },
		cpuStoreMs: stores.cpuMs,
		cpuFirstStoreMs: firstStores.cpuMs,
		cpuFetchMs: fetches.cpuMs,
		idleCpuMsPerS,
		rssPerPeerMiB,
	}),
);
for (const host of hosts) host.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
