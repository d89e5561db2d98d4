/** How much the device keeps in RAM: its bundles in the XS engine, paired with a peer process, called by a scripted phone. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScriptedPhone } from "../demo/phone.ts";
import { freePort, loopback, PeerProcess, runRinglet } from "../demo/processes.ts";
import { placeOf } from "../demo/sip-text.ts";
import { projectFolder } from "../device-build.ts";
import { XsDeviceHost } from "../xs-host/device.ts";

const DOMAIN = "home.example";
const PASSWORD = "anna-at-the-door";
const WITHIN_MS = 60_000;
const LOOK_MS = 50;
const TALK_MS = 400;
const PRESS_MS = 80;
const REST_MS = 36_000;

export interface LiveSizes {
	/** Slots above the engine with all code loaded: registered, in a call, after so many calls. */
	readonly registered: number;
	readonly inCall: number;
	/** Who holds them while registered: slots by class and by field of the unit. */
	readonly holders: Holders;
	readonly after: readonly { readonly calls: number; readonly slots: number }[];
	/** Chunks above the same, registered and in a call, as the engine of the tests has them. */
	readonly chunksRegistered: number;
	readonly chunksInCall: number;
	/** What the engine wrote there: nothing, or something is wrong. */
	readonly stderr: string;
}

type Share = readonly [name: string, count: { readonly objects: number; readonly slots: number }];

export interface Holders {
	readonly byClass: readonly Share[];
	readonly byOwner: readonly Share[];
}

/** `calls`: after which of them to count, in order. */
export async function liveSizes(calls: readonly number[]): Promise<LiveSizes> {
	const folder = mkdtempSync(join(tmpdir(), "ringlet-footprint-"));
	const ringlet = join(projectFolder(), "dist/ringlet.js");
	const state = join(folder, "peer");
	const address = loopback(71);
	const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
	const sip = await at();
	const places = ["--link", await at(), "--calls", await at(), "--http", await at(), "--sip", `udp://${sip}`];
	const peer = await PeerProcess.start(ringlet, [
		"peer",
		"--found",
		"--domain",
		DOMAIN,
		"--state",
		state,
		"--mdns",
		"false",
		...places,
	]);
	let device: XsDeviceHost | undefined;
	let phone: ScriptedPhone | undefined;
	try {
		const passwordFile = join(folder, "password");
		writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
		await runRinglet(ringlet, ["account", "add", "anna", "--password-file", passwordFile, "--state", state]);
		const added = await runRinglet(ringlet, ["device", "add", "frontdoor", "--json", "--state", state]);
		const { url } = JSON.parse(added.stdout) as { url: string };
		phone = await ScriptedPhone.start({
			user: "anna",
			password: PASSWORD,
			domain: DOMAIN,
			edge: placeOf(`sip:${sip}`)!,
			address: loopback(72),
		});
		await phone.register();
		return await measured(url, phone, calls, (made) => {
			device = made;
		});
	} finally {
		await device?.close();
		phone?.close();
		await peer.stop();
		rmSync(folder, { recursive: true, force: true });
	}
}

async function measured(
	url: string,
	phone: ScriptedPhone,
	calls: readonly number[],
	onDevice: (device: XsDeviceHost) => void,
): Promise<LiveSizes> {
	const storage = new Map<string, Uint8Array>();
	const first = await XsDeviceHost.start({ config: { pairing: url, log: "error" }, storage });
	onDevice(first);
	await ready(first);
	// As it runs for ten years: started with what is in flash, without what pairing left behind.
	await first.close();
	const device = await XsDeviceHost.start({ config: { log: "error", secondEdge: false }, storage, isMeasured: true });
	onDevice(device);
	await ready(device);
	const registered = await above(device);
	const holders = (await device.call({ call: "profile", depth: 3 })) as Holders;
	await press(device, phone);
	await new Promise((resolve) => setTimeout(resolve, TALK_MS));
	const inCall = await above(device);
	await hangUp(device);
	const after: { calls: number; slots: number }[] = [];
	let made = 1;
	for (const until of calls) {
		for (; made < until; made++) {
			await press(device, phone);
			await hangUp(device);
		}
		// What a call leaves behind for its transactions (RFC 3261 §17: 64 T1) is gone then.
		await new Promise((resolve) => setTimeout(resolve, REST_MS));
		after.push({ calls: until, slots: (await above(device)).slots });
	}
	return {
		registered: registered.slots,
		inCall: inCall.slots,
		holders,
		after,
		chunksRegistered: registered.chunks,
		chunksInCall: inCall.chunks,
		stderr: first.stderr + device.stderr,
	};
}

async function above(device: XsDeviceHost): Promise<{ slots: number; chunks: number }> {
	const { slots, chunkOctets } = await device.heap();
	return { slots: slots - device.baseline!.slots, chunks: chunkOctets - device.baseline!.chunkOctets };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
	const end = performance.now() + WITHIN_MS;
	while (!(await isSo())) {
		if (performance.now() > end) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
}

async function ready(device: XsDeviceHost): Promise<void> {
	await until("registered, with a connection to an edge", async () => {
		const status = await device.status();
		return status.isRegistered === true && Number(status.edges) > 0;
	});
}

async function press(device: XsDeviceHost, phone: ScriptedPhone): Promise<void> {
	const before = phone.calls.length;
	// Longer than the button bounces.
	device.button(0, true);
	await new Promise((resolve) => setTimeout(resolve, PRESS_MS));
	device.button(0, false);
	await new Promise((resolve) => setTimeout(resolve, PRESS_MS));
	await until("the phone rings and answers", async () => phone.calls[before]?.state === "talking");
	await until("the door hears of it", async () => Number((await device.status()).calls) > 0);
}

async function hangUp(device: XsDeviceHost): Promise<void> {
	await device.call({ call: "hangUp" });
	await quiet(device);
}

async function quiet(device: XsDeviceHost): Promise<void> {
	await until("no call is left", async () => {
		const status = await device.status();
		return Number(status.calls) === 0 && status.door === "idle";
	});
}
