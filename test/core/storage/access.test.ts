/** RFC 6940 §7.3 and RFC 7374 §5: each access control policy. */
import { describe, expect, test } from "vitest";
import { isKnownPolicy, isWriteAllowed } from "../../../core/storage/access.ts";
import { redirResourceNameOf, treeNodeOf } from "../../../core/storage/redir-tree.ts";
import { concatBytes, fromHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { writeRedirServiceProvider } from "../../../core/wire/redir.ts";
import { WireWriter } from "../../../core/wire/writer.ts";
import { allKinds, Kind, resourceHash, resourceOf } from "./support.ts";

const nodeId = fromHex("8a0c5b7e1f2d4a6993c1d0e2b4f60718")!;
const other = fromHex("4e3d2c1b0a99887766554433221100ff")!;
const userName = "alice@overlay.example.org";
const overlay = { resourceHash, nodeIdLength: 16 };
const kinds = allKinds();
const nothing = { exists: true, value: new Uint8Array() };

function may(kind: number, resourceId: Uint8Array, more: Partial<Parameters<typeof isWriteAllowed>[0]> = {}): boolean {
	const input = { resourceId, kind: kinds.get(kind)!, key: undefined, value: nothing, signer: { nodeId, userName } };
	return isWriteAllowed({ ...input, ...more }, overlay);
}

describe("policies", () => {
	test("USER-MATCH: the user name hashes to the Resource-ID", () => {
		expect(may(Kind.userSingle, fromHex("6df379fb05075b13ada5f9d9ae9fbaa0")!)).toBe(true);
		expect(may(Kind.userSingle, resourceOf("bob@overlay.example.org"))).toBe(false);
		expect(may(Kind.userSingle, resourceOf(""), { signer: { nodeId, userName: "" } })).toBe(false);
	});

	test("NODE-MATCH: the Node-ID hashes to the Resource-ID", () => {
		expect(may(Kind.nodeSingle, fromHex("ca2da97d005d29f2ca8d8c66d38fc1fe")!)).toBe(true);
		expect(may(Kind.nodeSingle, resourceHash(other))).toBe(false);
		expect(may(Kind.nodeSingle, nodeId)).toBe(false);
	});

	test("USER-NODE-MATCH: user name and key", () => {
		const place = resourceOf(userName);
		expect(may(Kind.userNode, place, { key: nodeId })).toBe(true);
		expect(may(Kind.userNode, place, { key: other })).toBe(false);
		expect(may(Kind.userNode, place, { key: resourceHash(nodeId) })).toBe(false);
		expect(may(Kind.userNode, place)).toBe(false);
		expect(may(Kind.userNode, resourceOf("bob@overlay.example.org"), { key: nodeId })).toBe(false);
	});

	test("NODE-MULTIPLE: i is one octet from 1 to max-node-multiple (D-3)", () => {
		const at = (i: number) => resourceHash(concatBytes(nodeId, Uint8Array.of(i)));
		expect([0, 1, 2, 3, 4].map((i) => may(Kind.multiple, at(i)))).toEqual([false, true, true, true, false]);
		// TURN-SERVICE, registered with 20: vectors of 00-functions.
		expect(may(2, fromHex("c39d10640c011f163152c370c65d818b")!)).toBe(true);
		expect(may(2, fromHex("454d511e5dc546efcf33d29ac9d7838a")!)).toBe(true);
		expect(may(2, fromHex("52576a27ab8640af7360ecfc86248691")!)).toBe(true);
		expect([20, 21].map((i) => may(2, at(i)))).toEqual([true, false]);
		const none = { ...kinds.get(Kind.multiple)!, maxNodeMultiple: undefined };
		expect(may(Kind.multiple, at(1), { kind: none })).toBe(false);
	});

	test("NODE-ID-MATCH: key, tree node and interval; removal needs the key alone", () => {
		const record = (level: number, node: number, namespace = "turn-server") => {
			const writer = new WireWriter();
			const provider = {
				type: 0,
				destinationList: [nodeDestination(nodeId)],
				level,
				node,
				extension: new Uint8Array(),
			};
			writeRedirServiceProvider(writer, { ...provider, namespace: utf8ToBytes(namespace) });
			return { exists: true, value: writer.take() };
		};
		const REDIR = 0x104;
		const place = (level: number, node: number) => resourceHash(redirResourceNameOf("turn-server", level, node));
		const node2 = treeNodeOf(nodeId, 2, 10);
		const right = { key: nodeId, value: record(2, node2) };
		expect(may(REDIR, place(2, node2), right)).toBe(true);
		expect(may(REDIR, place(2, node2), { ...right, key: other })).toBe(false);
		expect(may(REDIR, place(2, node2), { ...right, signer: { nodeId: other, userName }, key: other })).toBe(false);
		expect(may(REDIR, place(2, node2), { ...right, value: record(2, node2, "voice-mail") })).toBe(false);
		expect(may(REDIR, place(1, node2), right)).toBe(false);
		const wrong = (node2 + 1) % 100;
		expect(may(REDIR, place(2, wrong), { key: nodeId, value: record(2, wrong) })).toBe(false);
		expect(may(REDIR, place(65535, 0), { key: nodeId, value: record(65535, 0) })).toBe(false);
		expect(may(REDIR, place(2, node2), { key: nodeId, value: { exists: true, value: Uint8Array.of(1) } })).toBe(false);
		expect(may(REDIR, place(2, node2), { key: nodeId, value: { exists: false, value: new Uint8Array() } })).toBe(true);
	});

	test("a policy that this peer does not know allows nobody", () => {
		for (const name of ["EXP-MATCH", "USER-CHAIN-ACL", "constructor", ""]) {
			expect(isKnownPolicy(name)).toBe(false);
			const kind = { ...kinds.get(Kind.strange)!, accessControl: name };
			expect(may(Kind.strange, resourceOf(userName), { kind, key: nodeId })).toBe(false);
		}
	});
});
