/** How much code the device carries: octets of byte code and of minified text, by folder. */
import { buildDevice, type DeviceBundle } from "../device-build.ts";
import { XsWorker } from "../xs-host/worker.ts";

/** The bundles that are on every board. */
const ON_BOARD: readonly string[] = Object.freeze(["core", "hal", "secure", "main", "network-esp32"]);

/**
 * Identifiers have 4 octets in the engine of the tests and 2 on the device, and every third octet of byte code or so belongs to one:
 * core.js has 559,592 octets here and 428,111 as compiled by the SDK's xsc 17 (0.765); hal.js 35,016 and 26,099 (0.745).
 */
const DEVICE_SHARE = 0.765;

export interface BundleSize {
	readonly name: string;
	readonly minified: number;
	/** Octets of byte code on the device, estimated. */
	readonly code: number;
	/** folder -> octets of code, in proportion to the text. */
	readonly folders: ReadonlyMap<string, number>;
}

/** Folders of two names, "core/sip" or "node_modules/cbor-x". */
function folderOf(file: string): string {
	return file.split("/").slice(0, 2).join("/");
}

/** Octets of byte code of one bundle in the engine: compiled a second time, when all its names are known. */
async function compiled(worker: XsWorker, bundle: DeviceBundle): Promise<number> {
	const load = `sources.push(new ModuleSource(${JSON.stringify(bundle.text)}));0`;
	await worker.evaluate(load);
	const before = await worker.heap();
	await worker.evaluate(load);
	return (await worker.heap()).chunkOctets - before.chunkOctets;
}

export async function codeSizes(): Promise<BundleSize[]> {
	const bundles = await buildDevice({ only: ON_BOARD });
	const small = await buildDevice({ only: ON_BOARD, isMinified: true });
	const worker = new XsWorker();
	await worker.evaluate("globalThis.sources = [];0");
	const sizes: BundleSize[] = [];
	for (const [i, bundle] of bundles.entries()) {
		const code = Math.round((await compiled(worker, bundle)) * DEVICE_SHARE);
		const folders = new Map<string, number>();
		let all = 0;
		for (const octets of bundle.inputs.values()) all += octets;
		for (const [file, octets] of bundle.inputs) {
			const folder = folderOf(file);
			folders.set(folder, (folders.get(folder) ?? 0) + (code * octets) / all);
		}
		sizes.push({ name: bundle.name, minified: small[i]!.text.length, code, folders });
	}
	await worker.close();
	return sizes;
}

export function deviceCode(sizes: readonly BundleSize[]): number {
	return sizes.reduce((sum, { code }) => sum + code, 0);
}
