/** The certificate store (RFC 6940 §8). */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { CertificatePublisher, certificatePlaces, readStoredCertificates } from "../../../core/usages/certificates.ts";
import { equalBytes, toHex } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { crypto, DAY, resourceHash, resourceOf, T0, World } from "../storage/support.ts";
import { Node } from "./support.ts";

function publish(node: Node, identity: LocalIdentity) {
	return node.run(
		new CertificatePublisher({
			certificate: identity.certificate,
			lifetimeS: 3600,
			resourceHash,
			maxCount: (kind) => node.world.kinds.get(kind)!.maxCount,
		}),
	);
}

function stored(node: Node, resource: Uint8Array, kind: number) {
	const result = node.fetch(resource, [{ kind }]);
	if (!result.ok || result.body.type !== "fetch") throw new Error("no fetch");
	return result.body.kinds[0]!;
}

describe("certificate store", () => {
	test("stored at the user name and at each Node-ID", () => {
		const world = new World();
		const alice = world.identity("alice@house.example", undefined, 2);
		const second = { ...alice, nodeId: alice.certificate.nodeIds[1]! };
		const node = new Node(world, alice, second);
		const places = certificatePlaces(alice.certificate, resourceHash);
		expect(places.map((place) => [place.kind, toHex(place.resourceId)])).toEqual([
			[KindId.certificateByUser, toHex(resourceOf("alice@house.example"))],
			[KindId.certificateByNode, toHex(resourceHash(alice.certificate.nodeIds[0]!))],
			[KindId.certificateByNode, toHex(resourceHash(alice.certificate.nodeIds[1]!))],
		]);
		expect(publish(node, alice)).toEqual({ stored: 3, failed: 0 });
		for (const { resourceId, kind } of places) {
			const fetched = stored(node, resourceId, kind);
			const owner = kind === KindId.certificateByUser ? { userName: alice.userName } : { nodeId: alice.nodeId };
			const [found] = readStoredCertificates(fetched, owner, world.trust, crypto, world.wallMs);
			if (kind === KindId.certificateByUser || equalBytes(resourceId, resourceHash(alice.nodeId))) {
				expect(found!.der).toEqual(alice.certificate.der);
			}
		}
	});

	test("again: the same index with a new lifetime; a new certificate is appended; both can be read", () => {
		const world = new World();
		const old = world.identity("alice@house.example", T0 + DAY);
		const node = new Node(world, old);
		publish(node, old);
		world.wallMs -= 5000; // a clock behind: storage_time goes on from the old one
		expect(publish(node, old)).toEqual({ stored: 2, failed: 0 });
		const byUser = resourceOf("alice@house.example");
		expect(stored(node, byUser, KindId.certificateByUser).values).toHaveLength(1);
		expect(stored(node, byUser, KindId.certificateByUser).values[0]!.stored.storageTime).toBe(T0 + 1);
		world.wallMs = T0 + 1000;
		const renewed = world.identity("alice@house.example", T0 + 365 * DAY);
		node.identities.set(toHex(renewed.nodeId), renewed);
		publish(node, renewed);
		const fetched = stored(node, byUser, KindId.certificateByUser);
		const read = () =>
			readStoredCertificates(fetched, { userName: "alice@house.example" }, world.trust, crypto, world.wallMs).map((c) =>
				toHex(c.der),
			);
		expect(read()).toEqual([toHex(old.certificate.der), toHex(renewed.certificate.der)]);
		// Read when one has expired, or belongs to somebody else.
		world.wallMs = T0 + 2 * DAY;
		expect(read()).toEqual([toHex(renewed.certificate.der)]);
		expect(readStoredCertificates(fetched, { userName: "x@house.example" }, world.trust, crypto, T0)).toEqual([]);
		expect(readStoredCertificates(fetched, { nodeId: renewed.nodeId }, world.trust, crypto, T0)).toHaveLength(1);
	});

	test("at max-count the oldest gives way", () => {
		const world = new World();
		for (const kind of [KindId.certificateByUser, KindId.certificateByNode]) {
			world.kinds.set(kind, { ...world.kinds.get(kind)!, maxCount: 2 });
		}
		const nodeId = crypto.random(16);
		const certificates = [1, 2, 3].map((days) => world.identity("alice@house.example", T0 + days * DAY, 1, [nodeId]));
		for (const identity of certificates) {
			world.wallMs += 1000;
			const node = new Node(world, identity);
			expect(publish(node, identity)).toEqual({ stored: 2, failed: 0 });
		}
		const node = new Node(world, certificates[2]!);
		const ders = stored(node, resourceHash(nodeId), KindId.certificateByNode).values.map((value) =>
			toHex(value.stored.value.value.value),
		);
		expect(ders).toEqual([certificates[2]!, certificates[1]!].map((identity) => toHex(identity.certificate.der)));
	});

	test("requests that fail are counted", () => {
		const world = new World();
		const alice = world.identity("alice@house.example");
		const node = new Node(world, alice);
		node.fails = (output) => output.type === "store";
		expect(publish(node, alice)).toEqual({ stored: 0, failed: 2 });
		node.fails = () => true;
		expect(publish(node, alice)).toEqual({ stored: 0, failed: 2 });
	});
});
