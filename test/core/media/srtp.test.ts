/** SRTP and SRTCP: vectors of RFC 3711 appendix B and of libsrtp's published reference packet, and what must not pass. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_SECURE_SOURCES } from "../../../core/media/limits.ts";
import { writeRtpHeader } from "../../../core/media/rtp.ts";
import { SrtpFault, SrtpReceiver, SrtpScratch, SrtpSender } from "../../../core/media/srtp.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";
import type { MediaCrypto } from "../../../hal/hal.ts";
import { nodeMediaCrypto } from "../../../hal/node/media-crypto.ts";
import { octets } from "./support.ts";

const MASTER = hex("e1f97a0d3e018be0d64fa32c06de4139" + "0ec675ad498afeebb6960b3aabe6");
const PLAIN = "800f1234decafbadcafebabeabababababababababababababababab";
const SEALED = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
const CONTROL_PLAIN = "81c8000bcafebabeabababababababababababababababab";
const CONTROL_SEALED = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
const SSRC = 0xcafebabe;

function hex(text: string): Uint8Array {
	return fromHex(text) ?? new Uint8Array(0);
}

function receiver(master = MASTER): SrtpReceiver {
	return new SrtpReceiver(nodeMediaCrypto(), master, new SrtpScratch());
}

function sender(master = MASTER): SrtpSender {
	return new SrtpSender(nodeMediaCrypto(), master, new SrtpScratch());
}

/** A sealed packet with a payload of 20 octets of `fill`. */
function packet(from: SrtpSender, sequence: number, ssrc = SSRC, fill = 7): Uint8Array {
	const bytes = new Uint8Array(42).fill(fill);
	writeRtpHeader(bytes, 0, false, sequence, sequence * 160, ssrc);
	expect(from.seal(bytes, 12, 32, sequence, ssrc)).toBe(42);
	return bytes;
}

describe("RFC 3711 appendix B", () => {
	test("B.2: key stream of AES in counter mode", () => {
		const data = new Uint8Array(48);
		const counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
		nodeMediaCrypto().aesCtr(hex("2b7e151628aed2a6abf7158809cf4f3c")).apply(counter, data, 0, 48);
		expect(toHex(data)).toBe(
			"e03ead0935c95e80e166b16dd92b4eb4" + "d23513162b02d0f72a43a2fe4a5f97ab" + "41e95b3bb0a2e8dd477901e4fca894c0",
		);
		expect(toHex(counter)).toBe("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
	});

	test("B.3: key derivation", () => {
		const keys: string[] = [];
		const real = nodeMediaCrypto();
		const recording: MediaCrypto = {
			aesCtr: (key) => {
				keys.push(toHex(key));
				return real.aesCtr(key);
			},
			hmacKey: (name, key) => {
				keys.push(`${name} ${toHex(key)}`);
				return real.hmacKey(name, key);
			},
		};
		new SrtpSender(recording, MASTER, new SrtpScratch());
		expect(keys.slice(1, 3)).toEqual([
			"c61e7a93744f39ee10734afe3ff7a087",
			"sha1 cebe321f6ff7716b6fd4ab49af256a156d38baa4",
		]);
	});
});

test("libsrtp's reference packets", () => {
	const bytes = new Uint8Array(38);
	bytes.set(hex(PLAIN));
	expect(sender().seal(bytes, 12, 28, 0x1234, SSRC)).toBe(38);
	expect(toHex(bytes)).toBe(SEALED);
	expect(receiver().open(bytes, 12, 0x1234, SSRC)).toBe(28);
	expect(toHex(bytes.subarray(0, 28))).toBe(PLAIN);
	const control = hex(CONTROL_SEALED);
	expect(receiver().openControl(control)).toBe(24);
	expect(toHex(control.subarray(0, 24))).toBe(CONTROL_PLAIN);
});

describe("what does not pass", () => {
	test("any octet changed, and the packet is left as it came", () => {
		const bytes = packet(sender(), 5);
		fc.assert(
			fc.property(fc.nat(41), fc.integer({ min: 1, max: 255 }), (at, change) => {
				const forged = bytes.slice();
				forged[at] = forged[at]! ^ change;
				const before = forged.slice();
				const sequence = (forged[2]! << 8) | forged[3]!;
				const ssrc = new DataView(forged.buffer).getUint32(8);
				expect(receiver().open(forged, 12, sequence, ssrc)).toBe(SrtpFault.notAuthentic);
				expect(forged).toEqual(before);
			}),
		);
	});

	test("a packet again, and one older than the window", () => {
		const from = sender();
		const to = receiver();
		const all = Array.from({ length: 100 }, (_, i) => packet(from, i));
		expect(to.open(all[99]!.slice(), 12, 99, SSRC)).toBe(32);
		expect(to.open(all[99]!.slice(), 12, 99, SSRC)).toBe(SrtpFault.replayed);
		expect(to.open(all[36]!.slice(), 12, 36, SSRC)).toBe(32);
		expect(to.open(all[36]!.slice(), 12, 36, SSRC)).toBe(SrtpFault.replayed);
		expect(to.open(all[35]!.slice(), 12, 35, SSRC)).toBe(SrtpFault.replayed);
		expect(to.open(all[68]!.slice(), 12, 68, SSRC)).toBe(32);
		expect(to.open(all[68]!.slice(), 12, 68, SSRC)).toBe(SrtpFault.replayed);
	});

	test("every order within the window passes once", () => {
		fc.assert(
			fc.property(
				fc.shuffledSubarray(
					Array.from({ length: 64 }, (_, i) => i),
					{ minLength: 2 },
				),
				(order) => {
					const from = sender();
					const all = Array.from({ length: 64 }, (_, i) => packet(from, i));
					const to = receiver();
					for (const i of order) expect(to.open(all[i]!.slice(), 12, i, SSRC)).toBe(32);
					for (const i of order) expect(to.open(all[i]!.slice(), 12, i, SSRC)).toBe(SrtpFault.replayed);
				},
			),
			{ numRuns: 30 },
		);
	});

	test("more SSRCs than a key may have; those before keep their windows", () => {
		const to = receiver();
		const first = packet(sender(), 1, 1);
		expect(to.open(first.slice(), 12, 1, 1)).toBe(32);
		for (let ssrc = 2; ssrc <= MAX_SECURE_SOURCES; ssrc++)
			expect(to.open(packet(sender(), 1, ssrc), 12, 1, ssrc)).toBe(32);
		expect(to.open(packet(sender(), 1, 99), 12, 1, 99)).toBe(SrtpFault.tooManySources);
		expect(to.open(first.slice(), 12, 1, 1)).toBe(SrtpFault.replayed);
	});

	test("too short", () => {
		expect(receiver().open(new Uint8Array(21), 12, 0, 0)).toBe(SrtpFault.tooShort);
		expect(receiver().openControl(new Uint8Array(21))).toBe(SrtpFault.tooShort);
	});
});

test("the rollover counter follows sequence numbers over their wrap, out of order too", () => {
	const from = sender();
	const to = receiver();
	const all = Array.from({ length: 40 }, (_, i) => packet(from, (65_516 + i) & 0xffff));
	const order = [...all.keys()].map((i) => i ^ 3);
	for (const i of order) {
		const bytes = all[i]!.slice();
		expect(to.open(bytes, 12, (65_516 + i) & 0xffff, SSRC), String(i)).toBe(32);
		expect([...bytes.subarray(12, 32)]).toEqual(new Array(20).fill(7));
	}
});

describe("SRTCP", () => {
	test("there and back, each once", () => {
		const from = sender();
		const to = receiver();
		const sealed: Uint8Array[] = [];
		for (let i = 0; i < 80; i++) {
			const bytes = new Uint8Array(44).fill(i);
			bytes.set([0x80, 200, 0, 6, 1, 2, 3, 4]);
			expect(from.sealControl(bytes, 30)).toBe(44);
			sealed.push(bytes);
		}
		for (const i of [0, 2, 1, 40, 20, 79, 16]) {
			const bytes = sealed[i]!.slice();
			expect(to.openControl(bytes), String(i)).toBe(30);
			expect(bytes[20]).toBe(i);
			expect(to.openControl(sealed[i]!.slice())).toBe(SrtpFault.replayed);
		}
		expect(to.openControl(sealed[15]!.slice())).toBe(SrtpFault.replayed);
	});

	test("a changed octet", () => {
		const bytes = hex(CONTROL_SEALED);
		for (let at = 0; at < bytes.length; at++) {
			const forged = bytes.slice();
			forged[at] = forged[at]! ^ 1;
			expect(receiver().openControl(forged), String(at)).toBe(SrtpFault.notAuthentic);
		}
	});
});

test("any octets", () => {
	const to = receiver(octets(30));
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
			expect(to.open(bytes, 12, 1, 1)).toBeLessThan(0);
			expect(to.openControl(bytes)).toBeLessThan(0);
		}),
	);
});
