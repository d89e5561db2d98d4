/**
 * The program that the crash test kills: a peer alone in its overlay, with its store on disk. It prints what it finds, then stores
 * signed records through the overlay without end, one after the other under each name, several names at once.
 *
 *   have NAME VERSION | none NAME | torn NAME       what a Fetch gives after the start, for every name
 *   ready
 *   ask NAME VERSION put|remove                     before the Store
 *   ack NAME VERSION                                after its StoreAns
 *   refused NAME VERSION REASON
 *
 * VERSION is the storage_time; the value follows from it, so that a value of another version shows.
 */
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readConfigDocument } from "../../../core/config/document.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import type { FetchedValue, StoreValue } from "../../../core/overlay/node-types.ts";
import { equalBytes, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writeSipRegistration } from "../../../core/wire/sip-registration.ts";
import { encode } from "../../../core/wire/writer.ts";
import { nodeClock } from "../../../hal/node/clock.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { NodeRecordStore } from "../../../hal/node/record-store.ts";
import { OverlayHost } from "../../../targets/pi/overlay-host.ts";
import { makePeerNode } from "../../../targets/pi/overlay-peer.ts";

const crypto = nodeCrypto();
const clock = nodeClock();
const [folder = ""] = process.argv.slice(2);

/** Written at once: a line that waits in a buffer would be an acknowledgement nobody saw. */
function say(line: string): void {
	writeSync(1, `${line}\n`);
}

function good<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(result.refused);
	return result;
}

function identity(name: string): LocalIdentity {
	const key = crypto.importKey(readFileSync(join(folder, `${name}.key`)));
	return good(makeLocalIdentity({ chain: [new Uint8Array(readFileSync(join(folder, `${name}.cer`)))], key }, crypto));
}

/** One place that is stored to again and again. */
interface Name {
	readonly name: string;
	readonly kind: number;
	readonly resourceId: Uint8Array;
	readonly as: LocalIdentity;
	/** Of the last Store that was asked for. */
	version: number;
}

/** Octets that nobody could take for those of another version. */
function octetsOf({ kind, as }: Name, version: number): Uint8Array {
	const text = `(sip.description="${`${version} `.repeat(1 + (version % 20))}")`;
	if (kind !== KindId.sipRegistration) return utf8ToBytes(text);
	const destinationList = [nodeDestination(as.nodeId)];
	return encode(writeSipRegistration, { type: 2, contactPrefs: utf8ToBytes(text), destinationList });
}

async function look(host: OverlayHost, name: Name): Promise<void> {
	const { body } = await host.fetch(name.resourceId, [{ kind: name.kind }]);
	const values = body.kinds[0]?.values ?? [];
	// What was removed, and never was, comes without a signer.
	const found = values.find((value) => value.signer !== undefined && value.stored.value.value.exists);
	if (body.kinds[0]?.discarded !== 0 || (found !== undefined && !isIntact(name, found))) say(`torn ${name.name}`);
	else say(found === undefined ? `none ${name.name}` : `have ${name.name} ${found.stored.storageTime}`);
	for (const { stored } of values) name.version = Math.max(name.version, stored.storageTime);
}

function isIntact(name: Name, { stored }: FetchedValue): boolean {
	return equalBytes(stored.value.value.value, octetsOf(name, stored.storageTime));
}

async function storeForEver(host: OverlayHost, name: Name): Promise<never> {
	for (;;) {
		const version = Math.max(Math.floor(clock.wallMs()), name.version + 1);
		name.version = version;
		const exists = version % 5 !== 0;
		const value: StoreValue = {
			exists,
			value: exists ? octetsOf(name, version) : new Uint8Array(0),
			lifetimeS: 86_400,
			storageTimeMs: version,
			...(name.kind === KindId.sipRegistration ? { key: name.as.nodeId } : { index: 0 }),
		};
		say(`ask ${name.name} ${version} ${exists ? "put" : "remove"}`);
		try {
			await host.store(name.resourceId, [{ kind: name.kind, values: [value] }], { as: name.as.nodeId });
			say(`ack ${name.name} ${version}`);
		} catch (error) {
			say(`refused ${name.name} ${version} ${String(error)}`);
		}
	}
}

function namesOf(host: OverlayHost, users: readonly LocalIdentity[]): Name[] {
	return users.flatMap((as, i): Name[] => [
		{
			name: `registration${i}`,
			kind: KindId.sipRegistration,
			resourceId: host.node.resourceId(utf8ToBytes(as.userName)),
			as,
			version: 0,
		},
		{
			name: `certificate${i}`,
			kind: KindId.certificateByNode,
			resourceId: host.node.resourceId(as.nodeId),
			as,
			version: 0,
		},
	]);
}

const document = new Uint8Array(readFileSync(join(folder, "document.xml")));
const { config } = good(readConfigDocument(document, crypto));
const own = identity("peer");
const store = new NodeRecordStore({ path: join(folder, "store") });
const host = await OverlayHost.open({
	identity: own,
	listen: { address: "127.0.0.1", port: 0 },
	store,
	clock,
	log: (level, event, fields) => {
		if (level === "error" || level === "warn") say(`log ${event} ${JSON.stringify(fields)}`);
	},
	node: (options) =>
		makePeerNode({ ...options, identity: own, config, configBytes: document, crypto, store, log: () => undefined }),
});
const users = ["user0", "user1", "user2", "user3"].map(identity);
for (const user of users) host.command((node) => node.addIdentity(user));
host.start({ first: true, bootstrap: [] });
const names = namesOf(host, users);
for (const name of names) await look(host, name);
say("ready");
for (const name of names) void storeForEver(host, name);
