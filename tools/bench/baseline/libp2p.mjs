// Baseline: js-libp2p with kad-dht, N nodes in one process on loopback (TCP, noise, yamux). Prints one line of JSON.
// Usage: node libp2p.mjs NODES OPERATIONS
if (!Promise.withResolvers) {
	// libp2p 3 wants Node 22; this is all that Node 20 lacks.
	Promise.withResolvers = () => {
		const out = {};
		out.promise = new Promise((resolve, reject) => Object.assign(out, { resolve, reject }));
		return out;
	};
}
const { createLibp2p } = await import("libp2p");
const { noise } = await import("@chainsafe/libp2p-noise");
const { yamux } = await import("@chainsafe/libp2p-yamux");
const { identify } = await import("@libp2p/identify");
const { kadDHT, passthroughMapper } = await import("@libp2p/kad-dht");
const { ping } = await import("@libp2p/ping");
const { tcp } = await import("@libp2p/tcp");

const nodes = Number(process.argv[2] ?? 16);
const operations = Number(process.argv[3] ?? 30);
/** Operations go on this long before those that count: the compiler has seen the code. */
const WARM_UP_MS = 8_000;
const prefix = "/ringlet-bench/";
const text = (value) => new TextEncoder().encode(value);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values, q) =>
	[...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
const cpuMs = () => {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
};

const rssBase = process.memoryUsage().rss;
const swarm = [];
const joins = [];
for (let i = 0; i < nodes; i++) {
	const node = await createLibp2p({
		addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
		transports: [tcp()],
		connectionEncrypters: [noise()],
		streamMuxers: [yamux()],
		services: {
			identify: identify(),
			ping: ping(),
			dht: kadDHT({
				clientMode: false,
				peerInfoMapper: passthroughMapper,
				protocol: "/ringlet-bench/kad/1.0.0",
				validators: { "ringlet-bench": async () => {} },
				selectors: { "ringlet-bench": () => 0 },
			}),
		},
	});
	const began = performance.now();
	if (swarm.length > 0) {
		await node.dial(swarm[Math.floor((i - 1) / 2)].getMultiaddrs()[0]);
		while (node.services.dht.routingTable.size === 0 && performance.now() - began < 10_000) await sleep(5);
		joins.push(performance.now() - began);
	}
	swarm.push(node);
}
await sleep(3000);
const idleFrom = cpuMs();
await sleep(4000);
const idle = (cpuMs() - idleFrom) / 4 / nodes;
const rss = (process.memoryUsage().rss - rssBase) / nodes;

const value = new Uint8Array(300).fill(7);
const drain = async (events) => {
	for await (const _ of events);
};
const put = (i, name) => drain(swarm[i % nodes].services.dht.put(text(`${prefix}${name}`), value)).catch(() => {});
const get = async (i, name) => {
	for await (const event of swarm[((i + nodes / 2 + 1) % nodes) | 0].services.dht.get(text(`${prefix}${name}`))) {
		if (event.name === "VALUE") return true;
	}
	return false;
};
const warm = performance.now();
for (let i = 0; performance.now() - warm < WARM_UP_MS; i++) {
	await put(i, `warm-${i}`);
	await get(i, `warm-${i}`);
}
const puts = [];
const gets = [];
let from = cpuMs();
for (let i = 0; i < operations; i++) {
	const began = performance.now();
	await put(i, i);
	puts.push(performance.now() - began);
}
const cpuPut = (cpuMs() - from) / operations;
from = cpuMs();
let found = 0;
for (let i = 0; i < operations; i++) {
	const began = performance.now();
	if (await get(i, i)) found++;
	gets.push(performance.now() - began);
}
const cpuGet = (cpuMs() - from) / operations;
console.log(
	JSON.stringify({
		system: "js-libp2p kad-dht",
		nodes,
		operations,
		found,
		joinMs: { p50: quantile(joins, 0.5), p95: quantile(joins, 0.95) },
		storeMs: { p50: quantile(puts, 0.5), p95: quantile(puts, 0.95) },
		fetchMs: { p50: quantile(gets, 0.5), p95: quantile(gets, 0.95) },
		cpuStoreMs: cpuPut,
		cpuFetchMs: cpuGet,
		idleCpuMsPerS: idle,
		rssPerPeerMiB: rss / 1048576,
	}),
);
process.exit(0);
