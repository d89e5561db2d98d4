/**
 * Cost of a call's audio: time and octets allocated for a frame (captured, sent, received, played), on Node and in the XS engine.
 *
 *   npx esbuild tools/bench/media.ts --bundle --platform=node --packages=external --format=esm --outfile=dist/bench/media.js
 *   node --expose-gc dist/bench/media.js
 *
 * `allocated`: what the heap grew by for a packet while no garbage was collected (Node), or slots of 16 octets on a device (XS). The first
 * two rows use ciphers that allocate nothing; node:crypto makes objects for each packet, as the third row shows. Exit code 1 when our own
 * share is more than numbers that V8 boxes, or anything at all in XS.
 */
import { build } from "esbuild";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { NO_ENGINE, workerProgram, XsWorker } from "../xs-host/worker.ts";
import { MediaRounds, STAND_IN } from "./media-rounds.ts";

const WARM_UP = 20_000;
/** Few enough that V8 does not collect in between. */
const FRAMES = 1_000;
/** V8 makes an object of 12 or 16 octets of a number above 2^30 (an SSRC, a time in samples) now and then; XS does not. */
const ALLOWED_OCTETS = 48;

interface Row {
	readonly name: string;
	readonly microseconds: number;
	readonly octets: number;
}

function measure(name: string, rounds: MediaRounds): Row {
	rounds.run(WARM_UP);
	const growths: number[] = [];
	const times: number[] = [];
	for (let run = 0; run < 9; run++) {
		globalThis.gc?.();
		const before = process.memoryUsage().heapUsed;
		const start = process.cpuUsage();
		rounds.run(FRAMES);
		const { user, system } = process.cpuUsage(start);
		times.push((user + system) / FRAMES / 2);
		growths.push((process.memoryUsage().heapUsed - before) / FRAMES / 2);
	}
	const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
	const [sent, received] = rounds.packets;
	if (sent !== received) throw new Error(`${name}: ${sent} packets sent, ${received} received`);
	return { name, microseconds: median(times), octets: median(growths) };
}

/** Slots for a packet, in XS: live ones of two ends of a call, and garbage while nothing is collected. */
async function inXs(
	isSecure: boolean,
): Promise<{ live: number; garbage: number; milliseconds: number; steps: number }> {
	const source = `import { MediaRounds, STAND_IN } from "./tools/bench/media-rounds.ts";
		globalThis.make = () => { globalThis.rounds = new MediaRounds(STAND_IN, ${isSecure}); };`;
	const stdin = { contents: source, resolveDir: process.cwd(), loader: "ts" } as const;
	// As on the device, private members stay what they are; lowered to WeakMaps they would cost slots.
	const members = [
		"field",
		"private-field",
		"private-method",
		"private-accessor",
		"private-brand-check",
		"static-field",
	];
	const supported = Object.fromEntries(members.map((member) => [`class-${member}`, true]));
	const output = { bundle: true, write: false, format: "iife", target: "es2020", logLevel: "error" } as const;
	const bundle = await build({ stdin, supported, ...output });
	const worker = new XsWorker();
	await worker.evaluate(`${bundle.outputFiles[0]?.text ?? ""};0`);
	const before = (await worker.heap()).slots;
	await worker.evaluate("make();0");
	await worker.evaluate("rounds.run(100);0");
	const live = (await worker.heap()).slots - before;
	const [first, second] = [await worker.evaluate("rounds.run(1);0"), await worker.evaluate("rounds.run(1);0")];
	const start = process.hrtime.bigint();
	const third = await worker.evaluate("rounds.run(401);0");
	const milliseconds = Number(process.hrtime.bigint() - start) / 1e6 / 401 / 2;
	await worker.close();
	// What an evaluation itself costs is in both differences.
	const garbage = (third.slots - second.slots - (second.slots - first.slots)) / 800;
	const steps = (third.steps - second.steps) / 800;
	return { live: live / 2, garbage, milliseconds, steps };
}

const rows = [
	measure("RTP both ways", new MediaRounds(STAND_IN, false)),
	measure("SRTP both ways, cipher of the bench", new MediaRounds(STAND_IN, true)),
	measure("SRTP both ways, node:crypto", new MediaRounds(nodeMediaCrypto(), true)),
];
console.log("Node                                        us a frame   B allocated");
for (const { name, microseconds, octets } of rows)
	console.log(`${name.padEnd(40)} ${microseconds.toFixed(1).padStart(13)} ${octets.toFixed(1).padStart(13)}`);
if (workerProgram() === undefined) console.log(NO_ENGINE);
else {
	console.log(
		"\nXS                                          ms a frame   steps a frame   slots live   slots of garbage a frame",
	);
	for (const isSecure of [false, true]) {
		const { live, garbage, milliseconds, steps } = await inXs(isSecure);
		const name = isSecure ? "SRTP, cipher of the bench in script" : "RTP";
		console.log(
			`${name.padEnd(40)} ${milliseconds.toFixed(2).padStart(13)} ${steps.toFixed(0).padStart(15)} ${live.toFixed(0).padStart(12)} ${garbage.toFixed(2).padStart(26)}`,
		);
		if (garbage > 0.05) process.exitCode = 1;
	}
}
if (rows.slice(0, 2).some(({ octets }) => octets > ALLOWED_OCTETS)) process.exitCode = 1;
