/**
 * How fast one peer forwards: 300-octet messages from one neighbour to another over two real TLS links, against a bare node:tls
 * relay of the same octets. Variants, by turns in one process, each with the same two neighbours in another process:
 *
 *   relay    node:tls sockets, `data` -> `write`, nothing looked at
 *   link     core/link and ForwardingView: deframe, acknowledge, look at the header, write it changed into the next link
 *   router   a whole peer (OverlayNode in OverlayHost), as `ringlet start` runs it
 *
 *   npx esbuild tools/bench/forward.ts --bundle --platform=node --format=esm --packages=external \
 *     --outfile=dist/bench/forward.js && node dist/bench/forward.js [rounds] [milliseconds] [TLSv1.2|TLSv1.3] [variants]
 *
 * CPU time is that of the process in the middle alone; medians over the rounds. The ratio of CPU time is what says how much the
 * peer's own work adds to what TLS and the kernel cost anyhow.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createServer, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { Link } from "../../core/link/link.ts";
import type { LinkOutput } from "../../core/link/link-machine.ts";
import { RFC_PROFILE } from "../../core/overlay/profile.ts";
import { ForwardingView } from "../../core/wire/forwarding-view.ts";
import { nodeClock } from "../../hal/node/clock.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { MemoryStore } from "../../hal/node/memory-store.ts";
import { secureContextOptions, type TlsIdentity, type TlsVersions } from "../../hal/node/secure.ts";
import { SecureListener } from "../../hal/node/secure-listener.ts";
import { SecureStream } from "../../hal/node/secure-stream.ts";
import { OverlayHost } from "../../targets/pi/overlay-host.ts";
import { makePeerNode } from "../../targets/pi/overlay-peer.ts";
import { type EndsOptions, runEnds, SINK_NAME } from "./forward-ends.ts";
import { BenchHousehold } from "./household.ts";

const HOST = "127.0.0.1";
const MESSAGE_OCTETS = 300;
const WARM_UP_MS = 300;
const crypto = nodeCrypto();
const clock = nodeClock();

/** Something in the middle: its port, and how to end it. */
interface Middle {
	readonly port: number;
	readonly close: () => void;
}

const VARIANTS = ["relay", "link", "router"] as const;
type Variant = (typeof VARIANTS)[number];

async function openRelay(identity: TlsIdentity, versions: TlsVersions): Promise<Middle> {
	const open: TLSSocket[] = [];
	const options = { ...secureContextOptions(identity, versions), requestCert: true, rejectUnauthorized: false };
	const server = createServer(options, (socket) => {
		socket.setNoDelay(true);
		socket.on("error", () => undefined);
		open.push(socket);
		if (open.length !== 2) return;
		const [a, b] = open as [TLSSocket, TLSSocket];
		for (const [from, to] of [
			[a, b],
			[b, a],
		] as const) {
			from.on("data", (bytes) => {
				if (!to.write(bytes)) from.pause();
			});
			to.on("drain", () => from.resume());
		}
	});
	await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
	const close = (): void => {
		for (const socket of open) socket.destroy();
		server.close();
	};
	return { port: (server.address() as { port: number }).port, close };
}

/** Two links and nothing else: what core/link and core/wire cost. */
class LinkPair {
	readonly #ends = new Map<string, { stream: SecureStream; link: Link }>();
	readonly #view = new ForwardingView(16);
	readonly #sink: Uint8Array;
	readonly #source: Uint8Array;
	dropped = 0;

	constructor(source: Uint8Array, sink: Uint8Array) {
		this.#source = source;
		this.#sink = sink;
	}

	add(from: ReturnType<SecureListener["read"]>): void {
		if (from === undefined) return;
		const { serverName } = from;
		const link = new Link({ maxMessageSize: 5_000, timers: RFC_PROFILE, now: clock.monotonicMs() });
		const stream: SecureStream = new SecureStream({
			from,
			onReadable: () => this.#receive(serverName),
			onSent: (buffered) => link.handle({ type: "drained", buffered }, clock.monotonicMs()),
			onError: () => this.#ends.delete(serverName),
		});
		this.#ends.set(serverName, { stream, link });
	}

	close(): void {
		for (const { stream } of this.#ends.values()) stream.close();
	}

	#receive(name: string): void {
		const from = this.#ends.get(name);
		const to = this.#ends.get(SINK_NAME);
		if (from === undefined) return;
		const now = clock.monotonicMs();
		for (let bytes = from.stream.read(); bytes !== undefined; bytes = from.stream.read()) {
			from.link.handle({ type: "bytes", bytes }, now);
			for (let m = from.link.nextMessage(); m !== undefined; m = from.link.nextMessage())
				this.#forward(m, to?.link, now);
		}
		this.#drain(from);
		if (to !== undefined && to !== from) this.#drain(to);
	}

	#forward(message: Uint8Array, to: Link | undefined, now: number): void {
		const view = this.#view;
		if (to === undefined || !view.look(message) || !view.firstIsNode(this.#sink)) return;
		const at = to.reserve(view.room(this.#source));
		if (at < 0) this.dropped++;
		else to.commit(view.forwardInto(to.out, at, this.#source, false), now);
	}

	#drain({ stream, link }: { stream: SecureStream; link: Link }): void {
		for (let output: LinkOutput | undefined = link.poll(); output !== undefined; output = link.poll()) {
			if (output.type === "transmit") stream.write(output.bytes);
		}
	}
}

async function openLinks(
	identity: TlsIdentity,
	versions: TlsVersions,
	source: Uint8Array,
	sink: Uint8Array,
): Promise<Middle> {
	const pair = new LinkPair(source, sink);
	const listener = await new Promise<SecureListener>((resolve, reject) => {
		new SecureListener({
			...versions,
			address: HOST,
			identity,
			onListening() {
				resolve(this);
			},
			onReadable() {
				pair.add(this.read());
			},
			onError: reject,
		});
	});
	const close = (): void => {
		if (pair.dropped > 0) console.log(`link: ${pair.dropped} messages dropped`);
		pair.close();
		listener.close();
	};
	return { port: listener.port, close };
}

async function openRouter(household: BenchHousehold): Promise<Middle> {
	const identity = household.userIdentity("middle");
	const store = new MemoryStore();
	const log = (): void => undefined;
	const { config, document: configBytes } = household;
	const host = await OverlayHost.open({
		identity,
		listen: { address: HOST, port: 0 },
		store,
		clock,
		log,
		node: (options) => makePeerNode({ ...options, identity, config, configBytes, crypto, store, log }),
	});
	host.start({ first: true, bootstrap: [] });
	const close = (): void => {
		const { counters } = host.node.status(clock.monotonicMs());
		for (const [name, count] of Object.entries(counters)) {
			if (count > 0 && name.startsWith("dropped")) console.log(`router: ${name} ${count}`);
		}
		host.close();
	};
	return { port: host.listen[0]!.port, close };
}

/** The neighbours, in their own process. */
class Ends {
	readonly #child: ChildProcess;
	readonly #options: Omit<EndsOptions, "port">;

	constructor(options: Omit<EndsOptions, "port">) {
		this.#options = options;
		this.#child = fork(fileURLToPath(import.meta.url), ["ends"], { serialization: "advanced", execArgv: [] });
		this.#child.once("exit", () => process.exit(1));
	}

	#ask(message: unknown): Promise<number> {
		return new Promise((resolve) => {
			this.#child.once("message", (answer) => resolve(Number(answer)));
			this.#child.send(message as object);
		});
	}

	/** Resolves when both are connected and messages flow. */
	start(port: number): Promise<number> {
		return this.#ask({ type: "start", options: { ...this.#options, port } });
	}

	/** Messages received at the far end so far. */
	count(): Promise<number> {
		return this.#ask({ type: "count" });
	}

	stop(): Promise<number> {
		return this.#ask({ type: "stop" });
	}

	close(): void {
		this.#child.removeAllListeners("exit");
		this.#child.disconnect();
	}
}

interface Sample {
	readonly perSecond: number;
	readonly cpuUs: number;
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function measure(middle: Middle, ends: Ends, milliseconds: number): Promise<Sample> {
	await ends.start(middle.port);
	await wait(WARM_UP_MS);
	const count = await ends.count();
	const cpu = process.cpuUsage();
	const began = performance.now();
	await wait(milliseconds);
	const messages = (await ends.count()) - count;
	const seconds = (performance.now() - began) / 1_000;
	const { user, system } = process.cpuUsage(cpu);
	await ends.stop();
	middle.close();
	return { perSecond: messages / seconds, cpuUs: (user + system) / messages };
}

function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[sorted.length >> 1] ?? Number.NaN;
}

function report(samples: ReadonlyMap<Variant, readonly Sample[]>): void {
	const of = (variant: Variant, field: keyof Sample): number =>
		median((samples.get(variant) ?? []).map((s) => s[field]));
	console.log("\nvariant    messages/s   CPU us/message   rate/relay   CPU rate/relay");
	for (const variant of VARIANTS.filter((each) => (samples.get(each) ?? []).length > 0)) {
		const [rate, cpu] = [of(variant, "perSecond"), of(variant, "cpuUs")];
		const [rateRatio, cpuRatio] = [rate / of("relay", "perSecond"), of("relay", "cpuUs") / cpu];
		const columns = [rate.toFixed(0).padStart(12), cpu.toFixed(2).padStart(16), rateRatio.toFixed(2).padStart(12)];
		console.log(`${variant.padEnd(8)} ${columns.join(" ")} ${cpuRatio.toFixed(2).padStart(16)}`);
	}
}

async function main(
	rounds: number,
	milliseconds: number,
	maxVersion: "TLSv1.2" | "TLSv1.3",
	variants: readonly Variant[],
): Promise<void> {
	const household = new BenchHousehold(crypto, "CHORD-RELOAD");
	const [middle, source, sink] = ["middle", "source", "sink"].map((name) => household.userIdentity(name)) as [
		ReturnType<BenchHousehold["identity"]>,
		ReturnType<BenchHousehold["identity"]>,
		ReturnType<BenchHousehold["identity"]>,
	];
	const versions = { maxVersion };
	const plain = (identity: typeof source): EndsOptions["source"] => ({
		chain: [...identity.chain],
		pkcs8: identity.key.exportPkcs8(),
		nodeId: identity.nodeId,
	});
	const { overlay } = household.config;
	const ends = new Ends({ source: plain(source), sink: plain(sink), overlay, octets: MESSAGE_OCTETS, maxVersion });
	const open: Record<Variant, () => Promise<Middle>> = {
		relay: () => openRelay(middle, versions),
		link: () => openLinks(middle, versions, source.nodeId, sink.nodeId),
		router: () => openRouter(household),
	};
	const samples = new Map<Variant, Sample[]>(VARIANTS.map((variant) => [variant, []]));
	for (let round = 0; round < rounds; round++) {
		for (const variant of variants) {
			const sample = await measure(await open[variant](), ends, milliseconds);
			// The first round warms the code up.
			if (round > 0 || rounds === 1) samples.get(variant)!.push(sample);
			console.log(`${variant.padEnd(8)} ${sample.perSecond.toFixed(0)}/s ${sample.cpuUs.toFixed(2)} us`);
		}
	}
	ends.close();
	console.log(
		`\n${MESSAGE_OCTETS} octets a message, ${maxVersion}, Node ${process.version}, medians of ${Math.max(1, rounds - 1)}`,
	);
	report(samples);
}

if (process.argv[2] === "ends") runEnds();
else {
	const [rounds = "6", milliseconds = "700", version = "TLSv1.3", only = ""] = process.argv.slice(2);
	const variants = VARIANTS.filter((variant) => only === "" || only.split(",").includes(variant));
	await main(Number(rounds), Number(milliseconds), version === "TLSv1.2" ? "TLSv1.2" : "TLSv1.3", variants);
	process.exit();
}
