import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAnswer, writeQuestion } from "../../../hal/xs/dns-sd.ts";
import { MAX_INSTANCES } from "../../../hal/xs/limits.ts";

const SERVICE = "_p2psip._tcp";
const ascii = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const name = (...labels: string[]) => [...labels.flatMap((label) => [label.length, ...ascii(label)]), 0];
const record = (owner: number[], type: number, data: number[]) => [
	...owner,
	...[0, type, 0x80, 1, 0, 0, 0, 120, data.length >> 8, data.length & 255],
	...data,
];
const INSTANCE = name("peer1", "_p2psip", "_tcp", "local");
const HOST = name("peer1", "local");
const srv = (port: number, owner = INSTANCE) => record(owner, 33, [0, 0, 0, 0, port >> 8, port & 255, ...HOST]);
const a = record(HOST, 1, [10, 0, 0, 9]);
const txt = record(INSTANCE, 16, [...[17, ...ascii("overlay=home.test")], ...[4, ...ascii("flag")]]);
const ptr = record(name("_p2psip", "_tcp", "local"), 12, INSTANCE);

function packet(...answers: number[][]): Uint8Array {
	return Uint8Array.of(0, 0, 0x84, 0, 0, 0, 0, answers.length, 0, 0, 0, 0, ...answers.flat());
}

test("the question: PTR of the service, by unicast if may be", () => {
	const question = writeQuestion(SERVICE);
	expect([...question.slice(0, 12)]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
	expect([...question.slice(12)]).toEqual([...name("_p2psip", "_tcp", "local"), 0, 12, 0x80, 1]);
});

describe("answers", () => {
	test("instance, port, address and text", () => {
		const found = readAnswer(packet(ptr, srv(8443), txt, a), SERVICE, "10.0.0.1");
		expect(found).toEqual([{ address: "10.0.0.9", port: 8443, text: { overlay: "home.test", flag: "" } }]);
	});

	test("without A: the sender's address", () => {
		expect(readAnswer(packet(srv(8443)), SERVICE, "10.0.0.1")[0]?.address).toBe("10.0.0.1");
	});

	test("names are compressed (RFC 1035 §4.1.4), and compared without regard to case", () => {
		const owner = [5, ...ascii("PEER1"), 0xc0, 12];
		const service = record(name("_P2PSIP", "_tcp", "local"), 12, owner);
		const found = readAnswer(packet(service, srv(5, owner)), SERVICE, "10.0.0.1");
		expect(found).toHaveLength(1);
	});

	test("another service, a question, no SRV: nothing", () => {
		expect(readAnswer(packet(srv(8443)), "_other._tcp", "10.0.0.1")).toEqual([]);
		expect(readAnswer(writeQuestion(SERVICE), SERVICE, "10.0.0.1")).toEqual([]);
		expect(readAnswer(packet(ptr, txt, a), SERVICE, "10.0.0.1")).toEqual([]);
	});

	test("no more instances than the limit", () => {
		const many = Array.from({ length: 20 }, (_, i) => srv(1000 + i, name(`p${i}`, "_p2psip", "_tcp", "local")));
		expect(readAnswer(packet(...many), SERVICE, "10.0.0.1")).toHaveLength(MAX_INSTANCES);
	});

	test("a pointer that goes forward or to itself ends the packet", () => {
		expect(readAnswer(packet(record([0xc0, 12], 33, [])), SERVICE, "10.0.0.1")).toEqual([]);
		expect(readAnswer(packet(record([0xc0, 200], 33, [])), SERVICE, "10.0.0.1")).toEqual([]);
	});

	test("any octets: no exception, no loop, bounded", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
				const whole = Uint8Array.of(0, 0, 0x84, 0, 0, 0, 0, 20, 0, 0, 0, 20, ...octets);
				expect(readAnswer(whole, SERVICE, "10.0.0.1").length).toBeLessThanOrEqual(MAX_INSTANCES);
			}),
		);
		const good = packet(ptr, srv(8443), txt, a);
		for (let at = 0; at < good.length; at++) {
			const changed = good.slice();
			changed[at]! ^= 0xff;
			expect(readAnswer(changed, SERVICE, "10.0.0.1").length).toBeLessThanOrEqual(MAX_INSTANCES);
			expect(readAnswer(good.subarray(0, at), SERVICE, "10.0.0.1").length).toBeLessThanOrEqual(1);
		}
	});
});
