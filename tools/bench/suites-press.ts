/** The suite of a press: from the click of the doorbell to every phone ringing, beside the bare chain of the same hops. */
import { type Section, short } from "./figures.ts";
import { ours } from "./programs.ts";
import type { SuiteOptions } from "./suites-overlay.ts";

interface Quantiles {
	readonly p50: number;
	readonly p95: number;
}

interface PressRun {
	readonly presses: number;
	readonly ring: Quantiles;
	readonly back: Quantiles;
	readonly chain: Quantiles;
	readonly deviceSignatures: number;
	readonly deviceHandshakes: number;
	readonly peerSignatures: { readonly p50: number; readonly mean: number };
}

/** Milliseconds; docs: "How a press travels". */
const REQUIRED_P95_MS = 10;

export async function press({ quick, say }: SuiteOptions): Promise<Section> {
	say("press");
	const text = await ours("press", [quick ? 20 : 100]);
	const run = JSON.parse(text.slice(text.indexOf("{"))) as PressRun;
	const row = (name: string, { p50, p95 }: Quantiles): string[] => [
		name,
		short(p50),
		short(p95),
		short(p50 / run.chain.p50),
	];
	const count = (what: string, ours: number) =>
		({ what, ours, unit: "", value: ours, required: 0, bound: "most" }) as const;
	return {
		tables: [
			{
				title: `Press to ring: a doorbell, three peers, a phone at each; ${run.presses} presses on loopback`,
				columns: ["from the click to", "p50 ms", "p95 ms", "p50 / chain"],
				rows: [
					row("every phone rings", run.ring),
					row("the door knows (180)", run.back),
					row("bare chain: two TLS hops and UDP, there and back", run.chain),
				],
				note:
					`Between click and ring the device signed and verified ${run.deviceSignatures} times and began ${run.deviceHandshakes} handshakes; ` +
					`the peers, whose keep-alives go on meanwhile, signed or verified ${short(run.peerSignatures.mean)} times on average, ` +
					`${run.peerSignatures.p50} in the median. Debouncing (30 ms) comes before the click.`,
			},
		],
		figures: [
			{
				what: "press: click to every phone ringing, p95",
				ours: run.ring.p95,
				unit: "ms",
				value: run.ring.p95,
				required: REQUIRED_P95_MS,
				bound: "most",
			},
			count("press: signatures and verifications of the device on that path", run.deviceSignatures),
			count("press: handshakes of the device on that path", run.deviceHandshakes),
			count("press: signatures and verifications of the peers on that path, median", run.peerSignatures.p50),
		],
		missing: [],
	};
}
