/** Suites of the overlay: codec, forwarding, and store and fetch beside js-libp2p and OpenDHT. */
import { type Figure, median, type Section, short, type Table } from "./figures.ts";
import { compileOpendht, installLibp2p, libp2p, opendht, ours } from "./programs.ts";

/** What a suite is told. */
export interface SuiteOptions {
	/** Fewer rounds and sizes: minutes instead of half an hour. */
	readonly quick: boolean;
	/** How often each program runs; medians are taken. */
	readonly rounds: number;
	/** Tells what is being run. */
	readonly say: (text: string) => void;
}

/** Columns that are apart by two spaces or more. */
function cells(line: string): string[] {
	return line.trim().split(/ {2,}/);
}

export async function codec({ say }: SuiteOptions): Promise<Section> {
	say("codec");
	const [head = "", ...lines] = (await ours("codec", [])).trim().split("\n");
	const table: Table = {
		title: "RELOAD messages: read, forwarded, written (core/wire, one thread)",
		columns: cells(head),
		rows: lines.map(cells),
		note: "Per second of CPU time, medians of five. `B allocated`: what V8's heap grew by for each operation.",
	};
	return { tables: [table], figures: [], missing: [] };
}

export async function forward({ quick, say }: SuiteOptions): Promise<Section> {
	say("forward");
	const text = await ours("forward", quick ? [4, 500] : [11, 1_000]);
	const lines = text.slice(text.lastIndexOf("variant")).trim().split("\n").slice(1);
	const rows = lines.map((line) => line.trim().split(/\s+/));
	const rowOf = (variant: string): number[] => (rows.find(([name]) => name === variant) ?? []).slice(1).map(Number);
	const [relayRate = Number.NaN, relayCpu = Number.NaN] = rowOf("relay");
	const [rate = Number.NaN, cpu = Number.NaN, ratio = Number.NaN] = rowOf("router");
	const table: Table = {
		title: "Forwarding: 300-octet messages through one peer, from one TLS 1.3 link to another",
		columns: ["what stands in the middle", "messages/s", "CPU us/message", "rate / relay", "CPU rate / relay"],
		rows: rows.map(([name = "", ...rest]) => [FORWARDERS[name] ?? name, ...rest.map((cell) => short(Number(cell)))]),
		note:
			"Sender and receiver are another process; CPU is that of the middle alone. `rate` is what got through with all " +
			"three on this machine; `CPU rate` is messages per second of the middle's CPU.",
	};
	const atLeast = { required: 0.5, bound: "least" } as const;
	const figures: Figure[] = [
		{
			what: "forwarding, a whole peer / bare relay",
			ours: rate,
			theirs: relayRate,
			unit: "msg/s",
			value: ratio,
			...atLeast,
		},
		{
			what: "forwarding, per CPU second",
			ours: 1e6 / cpu,
			theirs: 1e6 / relayCpu,
			unit: "msg/s",
			value: relayCpu / cpu,
			...atLeast,
		},
	];
	return { tables: [table], figures, missing: [] };
}

const FORWARDERS: Readonly<Record<string, string>> = {
	relay: "bare node:tls relay",
	link: "core/link + ForwardingView",
	router: "a whole peer",
};

/** What each of the programs prints. */
interface DhtRun {
	readonly system: string;
	readonly operations: number;
	readonly found: number;
	readonly joinMs: { p50: number; p95: number };
	readonly storeMs: { p50: number; p95: number };
	/** The first store of a user whose certificate no peer has seen; ours only. */
	readonly firstStoreMs?: { p50: number; p95: number };
	readonly fetchMs: { p50: number; p95: number };
	readonly cpuStoreMs: number;
	readonly cpuFirstStoreMs?: number;
	readonly cpuFetchMs: number;
	readonly idleCpuMsPerS: number;
	readonly rssPerPeerMiB: number;
}

type System = (nodes: number) => Promise<string>;

export async function dht(options: SuiteOptions): Promise<Section> {
	const missing = [installLibp2p(), compileOpendht()];
	const [noLibp2p, noOpendht] = missing;
	const many = options.quick ? 150 : 400;
	const systems: (readonly [name: string, run: System])[] = [
		["disk", (nodes) => ours("dht", [nodes, many, "disk"])],
		["memory", (nodes) => ours("dht", [nodes, many, "memory"])],
	];
	if (noLibp2p === undefined) systems.push(["libp2p", (nodes) => libp2p([nodes, options.quick ? 12 : 30])]);
	if (noOpendht === undefined) systems.push(["opendht", (nodes) => opendht([nodes, many, 42_000])]);
	const tables: Table[] = [];
	const figures: Figure[] = [];
	for (const nodes of options.quick ? [16] : [16, 32]) {
		// The large ring takes long and is there to show how things grow.
		const rounds = nodes > 16 ? Math.max(1, options.rounds - 1) : options.rounds;
		const medians = await byTurns(systems, nodes, { ...options, rounds });
		tables.push(dhtTable(nodes, [...medians.values()], rounds));
		figures.push(...dhtFigures(nodes, medians));
	}
	return { tables, figures, missing: missing.filter((words) => words !== undefined) };
}

/** Each system once a round, every other round in reverse, so that none always runs on a warmer machine; the median of each figure. */
async function byTurns(
	systems: readonly (readonly [name: string, run: System])[],
	nodes: number,
	{ rounds, say }: SuiteOptions,
): Promise<Map<string, DhtRun>> {
	const runs = new Map<string, DhtRun[]>(systems.map(([name]) => [name, []]));
	for (let round = 1; round <= rounds; round++) {
		for (const [name, run] of round % 2 === 1 ? systems : [...systems].reverse()) {
			say(`dht, ${nodes} peers, round ${round} of ${rounds}: ${name}`);
			const line = (await run(nodes)).trim().split("\n").at(-1) ?? "";
			runs.get(name)!.push(JSON.parse(line) as DhtRun);
		}
	}
	return new Map([...runs].map(([name, list]) => [name, medianRun(list)]));
}

function medianRun(runs: readonly DhtRun[]): DhtRun {
	const of = (field: (run: DhtRun) => number): number => median(runs.map(field));
	return {
		system: runs[0]!.system,
		operations: runs[0]!.operations,
		found: of((run) => run.found),
		joinMs: { p50: of((run) => run.joinMs.p50), p95: of((run) => run.joinMs.p95) },
		storeMs: { p50: of((run) => run.storeMs.p50), p95: of((run) => run.storeMs.p95) },
		fetchMs: { p50: of((run) => run.fetchMs.p50), p95: of((run) => run.fetchMs.p95) },
		...(runs[0]!.firstStoreMs === undefined
			? {}
			: {
					firstStoreMs: {
						p50: of((run) => run.firstStoreMs?.p50 ?? Number.NaN),
						p95: of((run) => run.firstStoreMs?.p95 ?? Number.NaN),
					},
					cpuFirstStoreMs: of((run) => run.cpuFirstStoreMs ?? Number.NaN),
				}),
		cpuStoreMs: of((run) => run.cpuStoreMs),
		cpuFetchMs: of((run) => run.cpuFetchMs),
		idleCpuMsPerS: of((run) => run.idleCpuMsPerS),
		rssPerPeerMiB: of((run) => run.rssPerPeerMiB),
	};
}

function dhtTable(nodes: number, runs: readonly DhtRun[], rounds: number): Table {
	const pair = ({ p50, p95 }: { p50: number; p95: number }): string => `${short(p50)} / ${short(p95)}`;
	return {
		title: `Store and fetch: ${nodes} peers in one process on loopback, 300-octet values`,
		columns: [
			...["system", "join ms p50/p95", "store ms p50/p95", "user new: store ms", "fetch ms p50/p95", "CPU ms/store"],
			...["user new: CPU ms/store", "CPU ms/fetch", "idle CPU ms/s", "RSS MiB/peer", "found"],
		],
		rows: runs.map((run) => [
			run.system,
			pair(run.joinMs),
			pair(run.storeMs),
			run.firstStoreMs === undefined ? "" : pair(run.firstStoreMs),
			pair(run.fetchMs),
			short(run.cpuStoreMs),
			run.cpuFirstStoreMs === undefined ? "" : short(run.cpuFirstStoreMs),
			short(run.cpuFetchMs),
			short(run.idleCpuMsPerS),
			short(run.rssPerPeerMiB),
			`${run.found}/${run.operations}`,
		]),
		note:
			`Medians of ${rounds} runs of each system, by turns. CPU per operation is that of all peers together; idle CPU is per peer. ` +
			"User new: the first store of a user, whose certificate each storing peer has to check first; else the peers know it, as the " +
			"baselines know their nodes' keys. A reader has never seen the user.",
	};
}

/** The required ratios, for the store on disk and for the one in memory. */
function dhtFigures(nodes: number, runs: ReadonlyMap<string, DhtRun>): Figure[] {
	const figures: Figure[] = [];
	for (const where of ["disk", "memory"]) {
		const own = runs.get(where)!;
		const label = `${nodes} peers, store ${where === "disk" ? "on disk" : "in memory"}`;
		const times = (what: string, field: (run: DhtRun) => number, unit: string, required: number): void => {
			const other = runs.get("libp2p");
			if (other === undefined) return;
			const [mine, theirs] = [field(own), field(other)];
			const name = `${label}: ${what}, js-libp2p / ours`;
			figures.push({ what: name, ours: mine, theirs, unit, value: theirs / mine, required, bound: "least" });
		};
		const within = (what: string, field: (run: DhtRun) => number): void => {
			const other = runs.get("opendht");
			if (other === undefined) return;
			const [mine, theirs] = [field(own), field(other)];
			const name = `${label}: ${what}, ours / OpenDHT`;
			figures.push({ what: name, ours: mine, theirs, unit: "ms", value: mine / theirs, required: 10, bound: "most" });
		};
		times("store p50", (run) => run.storeMs.p50, "ms", 50);
		times("fetch p50", (run) => run.fetchMs.p50, "ms", 50);
		times("CPU of a store", (run) => run.cpuStoreMs, "ms", 20);
		times("CPU of a fetch", (run) => run.cpuFetchMs, "ms", 20);
		within("store p50", (run) => run.storeMs.p50);
		within("fetch p50", (run) => run.fetchMs.p50);
		const rss = own.rssPerPeerMiB;
		figures.push({ what: `${label}: RSS of a peer`, ours: rss, unit: "MiB", value: rss, required: 3, bound: "most" });
	}
	return figures;
}
