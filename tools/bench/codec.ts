/**
 * Speed of core/wire, as a table: messages per second decoded and encoded, forwarded, framed, cut and put together.
 *
 *   npx esbuild tools/bench/codec.ts --bundle --platform=node --format=esm --outfile=dist/bench/codec.js && node dist/bench/codec.js
 *
 * Each row is the median of five runs of about 150 ms of CPU time (garbage collection included) after a warm-up. `allocated` is what V8's heap grew per operation.
 */
import { readFileSync } from "node:fs";
import { registeredKind } from "../../core/config/kinds.ts";
import { isRefused, type Refused } from "../../core/machine.ts";
import * as wire from "../../core/wire/index.ts";

const VECTORS = new URL("../../test/vectors/", import.meta.url);
const NODE_ID_LENGTH = 16;
const RUNS = 5;
const RUN_MS = 150;

const modelOf: wire.ModelOf = (kind) => registeredKind(kind)?.dataModel;

function vector(name: string): Uint8Array {
	const { hex } = JSON.parse(readFileSync(new URL(`${name}.json`, VECTORS), "utf8")) as { hex: string };
	return wire.fromHex(hex)!;
}

function must<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(result.refused);
	return result;
}

interface Row {
	readonly name: string;
	readonly octets: number;
	readonly perSecond: number;
	readonly allocated: number;
}

/** Kept so that nothing measured can be optimised away. */
let sink = 0;

/** CPU time of this process: other programs on the machine hardly disturb it. */
function cpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

/** Operations in about RUN_MS. */
function calibrate(operation: () => number): number {
	let count = 1000;
	for (;;) {
		const start = performance.now();
		for (let i = 0; i < count; i++) sink += operation();
		const took = performance.now() - start;
		if (took > 30) return Math.ceil((count * RUN_MS) / took);
		count *= 4;
	}
}

function measure(name: string, octets: number, operation: () => number): Row {
	const count = calibrate(operation);
	const rates: number[] = [];
	let allocated = 0;
	for (let run = 0; run < RUNS; run++) {
		const start = cpuMs();
		for (let i = 0; i < count; i++) sink += operation();
		rates.push((count * 1000) / (cpuMs() - start));
	}
	const before = process.memoryUsage().heapUsed;
	const few = Math.min(count, 200);
	for (let i = 0; i < few; i++) sink += operation();
	allocated = Math.max(0, (process.memoryUsage().heapUsed - before) / few);
	rates.sort((a, b) => a - b);
	return { name, octets, perSecond: rates[RUNS >> 1]!, allocated };
}

function decodeRows(): Row[] {
	const names = [
		"01-ping-req",
		"09-update-req-neighbors",
		"07-attach-req",
		"03-store-req-sip-registration",
		"06-fetch-ans",
	];
	return names.map((name) => {
		const bytes = vector(name);
		return measure(`readMessage ${name.slice(3)}`, bytes.length, () => {
			const message = wire.readMessage(bytes, NODE_ID_LENGTH);
			return isRefused(message) ? 0 : message.header.ttl;
		});
	});
}

function bodyRows(): Row[] {
	const store = must(wire.readMessage(vector("03-store-req-sip-registration"), NODE_ID_LENGTH)).contents.messageBody;
	const attach = must(wire.readMessage(vector("07-attach-req"), NODE_ID_LENGTH)).contents.messageBody;
	const request = must(wire.readStoreReq(store, modelOf));
	const candidates = must(wire.readAttachReqAns(attach));
	return [
		measure("readStoreReq", store.length, () => must(wire.readStoreReq(store, modelOf)).kindData.length),
		measure("writeStoreReq", store.length, () => wire.encode(wire.writeStoreReq, request).length),
		measure(
			"readAttachReqAns, 3 candidates",
			attach.length,
			() => must(wire.readAttachReqAns(attach)).candidates.length,
		),
		measure(
			"writeAttachReqAns, 3 candidates",
			attach.length,
			() => wire.encode(wire.writeAttachReqAns, candidates).length,
		),
	];
}

function encodeRows(): Row[] {
	return ["01-ping-req", "03-store-req-sip-registration"].map((name) => {
		const message = must(wire.readMessage(vector(name), NODE_ID_LENGTH));
		const { header, contents, security, bytes } = message;
		return measure(
			`writeMessage ${name.slice(3)}`,
			bytes.length,
			() => wire.writeMessage(header, wire.encodeMessageContents(contents), security).length,
		);
	});
}

/** A message of `octets` in the middle of its way: two via entries, two destinations. */
function passingMessage(octets: number): Uint8Array {
	const ping = must(wire.readMessage(vector("01-ping-req"), NODE_ID_LENGTH));
	const id = (octet: number) => wire.nodeDestination(new Uint8Array(16).fill(octet));
	const header = { ...ping.header, viaList: [id(1), id(2)], destinationList: [id(3), id(4)] };
	const build = (padding: number) => {
		const messageBody = wire.encode(wire.writePingReq, { padding: new Uint8Array(padding) });
		return wire.writeMessage(header, wire.encodeMessageContents({ ...ping.contents, messageBody }), ping.security);
	};
	return build(octets - build(0).length);
}

function forwardRows(): Row[] {
	const out = new Uint8Array(64 * 1024);
	const view = new wire.ForwardingView(NODE_ID_LENGTH);
	const hop = new Uint8Array(16).fill(9);
	const rows: Row[] = [];
	for (const octets of [300, 1200]) {
		const bytes = passingMessage(octets);
		rows.push(
			measure("look", octets, () => (view.look(bytes) ? view.ttl : 0)),
			measure("look + forwardInto, request (via grows)", octets, () =>
				view.look(bytes) ? view.forwardInto(out, 8, hop, false) : 0,
			),
			measure("look + forwardInto, source route (via grows, first dropped)", octets, () =>
				view.look(bytes) ? view.forwardInto(out, 8, hop, true) : 0,
			),
			measure("look + forwardInto, answer (first dropped)", octets, () =>
				view.look(bytes) ? view.forwardInto(out, 8, undefined, true) : 0,
			),
		);
	}
	return rows;
}

function fragmentRows(): Row[] {
	const bytes = passingMessage(4800);
	const view = new wire.ForwardingView(NODE_ID_LENGTH);
	const pieces = wire.fragmentMessage(bytes, 1280)!;
	const reassembler = new wire.Reassembler();
	const frame = wire.encode(wire.writeFramedMessage, { type: 128 as const, sequence: 1, message: bytes });
	return [
		measure("fragmentMessage", bytes.length, () => wire.fragmentMessage(bytes, 1280)!.length),
		measure(`Reassembler, ${pieces.length} fragments`, bytes.length, () => {
			let done = 0;
			for (let i = 0; i < pieces.length; i++)
				if (view.look(pieces[i]!) && reassembler.offer(view, 0) !== undefined) done++;
			return done;
		}),
		measure("framedLength", frame.length, () => wire.framedLength(frame, 0, frame.length)),
	];
}

const rows = [...forwardRows(), ...decodeRows(), ...bodyRows(), ...encodeRows(), ...fragmentRows()];
console.log(
	"operation                                                    octets      per second     us each   B allocated",
);
for (const row of rows) {
	const rate = Math.round(row.perSecond).toLocaleString("en");
	const micros = (1e6 / row.perSecond).toFixed(3);
	const allocated = row.allocated < 8 ? "0" : row.allocated.toFixed(0);
	console.log(
		`${row.name.padEnd(60)} ${String(row.octets).padStart(6)} ${rate.padStart(15)} ${micros.padStart(11)} ${allocated.padStart(13)}`,
	);
}
if (sink === 0) throw new Error("nothing was measured");
