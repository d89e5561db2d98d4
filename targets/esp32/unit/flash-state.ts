/**
 * What a device keeps in flash. Each key is one record that a power cut leaves old or new, never mixed.
 *
 *   key           private key, PKCS#8            settings-key  32 octets of the household
 *   chain         certificates, leaf first:      settings      settings as CBOR, opened and checked
 *                 each u16 length, DER           peers         "address port" lines, who worked last first
 *   config        configuration document         releases, commands: the doorbell's own
 */
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { makeLocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Endpoint } from "../../../core/overlay/node-types.ts";
import { bytesToUtf8, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { WireReader } from "../../../core/wire/reader.ts";
import { WireWriter } from "../../../core/wire/writer.ts";
import type { DeviceHal, FlashStore } from "../../../hal/device.ts";
import { MAX_CACHED_PEERS, MAX_CHAIN } from "./limits.ts";

export const FlashKey = Object.freeze({
	key: "key",
	chain: "chain",
	config: "config",
	settings: "settings",
	settingsKey: "settings-key",
	peers: "peers",
	releases: "releases",
	commands: "commands",
} as const);

/** Certificates one after the other. */
export function writeChain(chain: readonly Uint8Array[]): Uint8Array {
	const writer = new WireWriter(2048);
	for (const certificate of chain) writer.opaque16(certificate);
	return writer.take();
}

/** Empty when it cannot be read. */
export function readChain(bytes: Uint8Array): Uint8Array[] {
	const reader = new WireReader(bytes);
	const chain: Uint8Array[] = [];
	while (reader.remaining > 0 && chain.length < MAX_CHAIN) {
		const certificate = reader.opaque16();
		if (reader.failedAt >= 0) return [];
		chain.push(certificate);
	}
	return chain;
}

/** Who the device is; undefined when it is not paired (or what is stored is of no use). */
export function readIdentity(hal: DeviceHal): LocalIdentity | undefined {
	const pkcs8 = hal.flash.get(FlashKey.key);
	const stored = hal.flash.get(FlashKey.chain);
	if (pkcs8 === undefined || stored === undefined) return undefined;
	try {
		const key = hal.crypto.importKey(pkcs8);
		const identity = makeLocalIdentity({ chain: readChain(stored), key }, hal.crypto);
		if (!isRefused(identity)) return identity;
		hal.log("error", "unit.identity", { reason: identity.refused });
	} catch {
		hal.log("error", "unit.identity", { reason: "the private key cannot be read" });
	}
	return undefined;
}

/** "10.0.0.1 6084" lines. */
export function readPeers(flash: FlashStore): Endpoint[] {
	const stored = flash.get(FlashKey.peers);
	const peers: Endpoint[] = [];
	if (stored === undefined) return peers;
	const text = bytesToUtf8(stored);
	for (let at = 0; at < text.length && peers.length < MAX_CACHED_PEERS; ) {
		const end = text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at);
		const blank = text.indexOf(" ", at);
		const port = Number(text.slice(blank + 1, end));
		if (blank > at && blank < end && port > 0 && port < 65536) peers.push({ address: text.slice(at, blank), port });
		at = end + 1;
	}
	return peers;
}

/** Unchanged lists are not written again: flash wears. */
export function writePeers(flash: FlashStore, peers: readonly Endpoint[]): void {
	let text = "";
	for (let i = 0; i < peers.length && i < MAX_CACHED_PEERS; i++) text += `${peers[i]!.address} ${peers[i]!.port}\n`;
	const stored = flash.get(FlashKey.peers);
	if (stored === undefined || bytesToUtf8(stored) !== text) flash.set(FlashKey.peers, utf8ToBytes(text));
}
