/**
 * Bench: N peers in one process on loopback, real TLS links, real signatures, real store on disk; 300-octet values. Joins, stores
 * (answered when owner and both replicas have it on disk), fetches from another peer. Prints one line of JSON.
 *
 * Usage: dht NODES OPERATIONS
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { utf8ToBytes } from "../../core/wire/bytes.ts";
import { KindId } from "../../core/wire/codes.ts";
import { nodeClock } from "../../hal/node/clock.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { NodeRecordStore } from "../../hal/node/record-store.ts";
import { OverlayHost } from "../../targets/pi/overlay-host.ts";
import { makePeerNode } from "../../targets/pi/overlay-peer.ts";
import { BenchHousehold } from "./household.ts";

const nodes = Number(process.argv[2] ?? 16);
const operations = Number(process.argv[3] ?? 100);
const crypto = nodeCrypto();
const clock = nodeClock();
const quantile = (values: readonly number[], q: number): number =>
	[...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
const cpuMs = (): number => {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
};
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rss = (): number => {
	globalThis.gc?.();
	return process.memoryUsage().rss;
};

const household = new BenchHousehold(crypto, "CHORD-RELOAD");
const folder = mkdtempSync(join(tmpdir(), "ringlet-bench-"));
const hosts: OverlayHost[] = [];
const joins: number[] = [];
const rssBase = rss();

async function addPeer(i: number): Promise<void> {
	const identity = household.userIdentity(`peer-${i}`);
	const store = new NodeRecordStore({ path: join(folder, String(i)) });
	const log = (level: string, event: string, fields?: object): void => {
		if (process.env.VERBOSE) console.error(i, level, event, fields);
	};
	await new Promise<void>((resolve, reject) => {
		const began = performance.now();
		OverlayHost.open({
			identity,
			listen: { address: "127.0.0.1", port: 0 },
			store,
			clock,
			log,
			node: (options) =>
				makePeerNode({
					...options,
					identity,
					config: household.config,
					configBytes: household.document,
					crypto,
					store,
					log,
				}),
			onEvent: (event) => {
				if (process.env.VERBOSE) console.error(i, "event", event.type);
				if (event.type !== "joined") return;
				if (i > 0) joins.push(performance.now() - began);
				resolve();
			},
		})
			.then((host) => {
				hosts.push(host);
				const bootstrap = i === 0 ? [] : [hosts[Math.floor((i - 1) / 2)]!.listen[0]!];
				host.start({ first: i === 0, bootstrap });
			})
			.catch(reject);
	});
}

for (let i = 0; i < nodes; i++) await addPeer(i);
await sleep(4000);
const rssPeers = (rss() - rssBase) / nodes / 1048576;
const idleFrom = cpuMs();
await sleep(4000);
const idle = (cpuMs() - idleFrom) / 4 / nodes;

const users: LocalIdentity[] = [];
for (let i = 0; i < operations; i++) users.push(household.userIdentity(`user-${i}`));
const stores: number[] = [];
const fetches: number[] = [];
let replicas = 0;
let found = 0;
let from = cpuMs();
for (let i = 0; i < operations; i++) {
	const host = hosts[i % nodes]!;
	const user = users[i]!;
	host.command((node) => node.addIdentity(user));
	const resource = host.node.resourceId(utf8ToBytes(user.userName));
	const began = performance.now();
	const answer = await host.store(
		resource,
		[
			{
				kind: KindId.certificateByUser,
				values: [{ index: 0, exists: true, value: new Uint8Array(300).fill(7), lifetimeS: 3600 }],
			},
		],
		{ as: user.nodeId },
	);
	stores.push(performance.now() - began);
	replicas += answer.body.kinds[0]?.replicas.length ?? 0;
}
const cpuStore = (cpuMs() - from) / operations;
from = cpuMs();
for (let i = 0; i < operations; i++) {
	const host = hosts[(i + Math.floor(nodes / 2) + 1) % nodes]!;
	const resource = host.node.resourceId(utf8ToBytes(users[i]!.userName));
	const began = performance.now();
	const answer = await host.fetch(resource, [{ kind: KindId.certificateByUser }]);
	fetches.push(performance.now() - began);
	if (answer.body.kinds[0]?.values[0]?.signer !== undefined) found++;
}
const cpuFetch = (cpuMs() - from) / operations;
console.log(
	JSON.stringify({
		system: "Ringlet",
		nodes,
		operations,
		found,
		replicas: replicas / operations,
		joinMs: { p50: quantile(joins, 0.5), p95: quantile(joins, 0.95) },
		storeMs: { p50: quantile(stores, 0.5), p95: quantile(stores, 0.95) },
		fetchMs: { p50: quantile(fetches, 0.5), p95: quantile(fetches, 0.95) },
		cpuStoreMs: cpuStore,
		cpuFetchMs: cpuFetch,
		idleCpuMsPerS: idle,
		rssPerPeerMiB: rssPeers,
	}),
);
for (const host of hosts) host.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
