/** The simulated machines by themselves: time, randomness, streams, stores, cryptography. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Crypto } from "../../hal/hal.ts";
import { simCrypto, standInCrypto } from "../../hal/sim/crypto.ts";
import { CONNECT_TIMEOUT_MS, LISTENER_BACKLOG, STREAM_SEND_OCTETS, STREAM_TIMEOUT_MS } from "../../hal/sim/limits.ts";
import { type PathOptions, SimNetwork } from "../../hal/sim/network.ts";
import { EventQueue } from "../../hal/sim/queue.ts";
import { seededRandom } from "../../hal/sim/random.ts";
import { SimStore } from "../../hal/sim/store.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import { VirtualTime, WORLD_START_MS } from "../../hal/sim/time.ts";

const STILL: PathOptions = { latencyMs: 10, jitterMs: 0, bandwidth: Number.POSITIVE_INFINITY, loss: 0 };

/** Two machines; b listens on port 1 and keeps what it gets. */
function pair(path: PathOptions = STILL, seed = 1) {
	const time = new VirtualTime();
	const network = new SimNetwork(time, seededRandom(seed), path);
	const a = network.machine("10.0.0.1");
	const b = network.machine("10.0.0.2");
	const heard: string[] = [];
	const arrived: number[] = [];
	const accepted: SimStream[] = [];
	const listen = () =>
		new SimListener({
			machine: b,
			port: 1,
			identity: { chain: [Uint8Array.of(2)] },
			identities: new Map([["other", { chain: [Uint8Array.of(3)] }]]),
			onReadable() {
				const from = this.read()!;
				accepted.push(
					new SimStream({
						from,
						onReadable() {
							for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) {
								heard.push(bytes.join());
								arrived.push(time.now);
							}
						},
						onError(error) {
							heard.push(`end: ${error.message}`);
						},
					}),
				);
			},
		});
	const connect = (port = 1, serverName = "") => {
		const log: string[] = [];
		const stream = new SimStream({
			machine: a,
			address: "10.0.0.2",
			port,
			identity: { chain: [Uint8Array.of(1)] },
			serverName,
			onWritable: () => log.push(`up ${time.now}`),
			onError: (error) => log.push(`${error.message} ${time.now}`),
		});
		return { stream, log };
	};
	return { time, network, a, b, heard, arrived, accepted, listen, connect };
}

describe("time and randomness", () => {
	test("events happen in time's order, equal times in the order of their making", () => {
		fc.assert(
			fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (times) => {
				const queue = new EventQueue<number>();
				for (let i = 0; i < times.length; i++) queue.add(times[i]!, i);
				const wanted = times.map((_, i) => i).sort((i, k) => times[i]! - times[k]! || i - k);
				expect(times.map(() => queue.take())).toEqual(wanted);
				expect([queue.take(), queue.nextAt(), queue.size]).toEqual([undefined, Number.POSITIVE_INFINITY, 0]);
			}),
		);
	});

	test("the same seed gives the same numbers, forks are independent", () => {
		const [one, two, other] = [seededRandom(7), seededRandom(7), seededRandom(8)];
		const first = one.bytes(40);
		expect(two.bytes(40)).toEqual(first);
		expect(other.bytes(40)).not.toEqual(first);
		one.fork().bytes(100);
		two.fork();
		expect(one.next()).toBe(two.next());
	});

	test("numbers are spread evenly", () => {
		const random = seededRandom(3);
		const buckets = new Array(10).fill(0);
		for (let i = 0; i < 20_000; i++) buckets[random.below(10)]++;
		for (const count of buckets) expect(Math.abs(count - 2000)).toBeLessThan(200);
	});

	test("time jumps; both clocks follow; the wall can be set", () => {
		const time = new VirtualTime();
		const seen: number[] = [];
		time.after(5000, () => seen.push(time.now));
		time.advance(4999);
		expect(seen).toEqual([]);
		time.advance(1);
		expect(seen).toEqual([5000]);
		expect([time.monotonicMs(), time.wallMs()]).toEqual([5000, WORLD_START_MS + 5000]);
		time.setWall(0);
		time.advance(10);
		expect(time.wallMs()).toBe(10);
		expect(time.until(() => false, 100)).toBe(false);
		expect(time.now).toBe(5110);
	});
});

describe("streams", () => {
	test("three round trips, then both ends see the certificates of the other", () => {
		const { time, listen, connect, accepted } = pair();
		listen();
		const { stream, log } = connect();
		expect([stream.writable, stream.write(Uint8Array.of(1))]).toEqual([0, -1]);
		time.advance(59);
		expect(log).toEqual([]);
		time.advance(1);
		expect(log).toEqual(["up 60"]);
		expect([stream.chain[0]![0], accepted[0]!.chain[0]![0]]).toEqual([2, 1]);
		expect([accepted[0]!.address, stream.address]).toEqual(["10.0.0.1", "10.0.0.2"]);
		const named = connect(1, "other");
		time.advance(100);
		expect([named.stream.chain[0]![0], accepted[1]!.serverName]).toEqual([3, "other"]);
	});

	test("octets arrive after the latency, in order whatever the jitter", () => {
		const { time, listen, connect, heard } = pair({ ...STILL, jitterMs: 50 }, 5);
		listen();
		const { stream } = connect();
		time.advance(1000);
		for (let i = 0; i < 100; i++) {
			stream.write(Uint8Array.of(i));
			time.advance(1);
		}
		time.advance(100);
		expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
	});

	test("bandwidth: a second for what a second carries", () => {
		const { time, listen, connect, arrived } = pair({ ...STILL, bandwidth: 10_000 });
		listen();
		const { stream } = connect();
		time.advance(100);
		stream.write(new Uint8Array(5000));
		stream.write(new Uint8Array(5000));
		time.advance(5000);
		expect(arrived).toEqual([610, 1110]);
	});

	test("loss is delay", () => {
		const { time, listen, connect, arrived } = pair({ ...STILL, loss: 0.3 }, 2);
		listen();
		const { stream } = connect();
		time.until(() => stream.writable > 0, 10_000);
		const sent: number[] = [];
		for (let i = 0; i < 200; i++) {
			sent.push(time.now);
			stream.write(Uint8Array.of(i));
			time.advance(2000);
		}
		time.advance(60_000);
		expect(arrived.length).toBe(200);
		const delays = arrived.map((at, i) => Math.round(at - sent[i]!));
		const late = delays.filter((delay) => delay > 10).length;
		expect(late / 200).toBeGreaterThan(0.2);
		expect(late / 200).toBeLessThan(0.4);
		expect(delays.filter((delay) => delay === 210).length).toBeGreaterThan(20);
	});

	test("a full send buffer refuses all of a write; it empties when octets arrive", () => {
		const { time, listen, connect } = pair();
		listen();
		const { stream } = connect();
		time.advance(100);
		expect(stream.write(new Uint8Array(STREAM_SEND_OCTETS))).toBe(0);
		expect(stream.write(Uint8Array.of(1))).toBe(-1);
		time.advance(10);
		expect([stream.bufferedAmount, stream.write(Uint8Array.of(1))]).toEqual([0, STREAM_SEND_OCTETS - 1]);
	});

	test("closing: what was written still arrives, then the end; no callback to who closed", () => {
		const { time, listen, connect, heard } = pair();
		listen();
		const { stream, log } = connect();
		time.advance(100);
		stream.write(Uint8Array.of(1));
		stream.close();
		stream.close();
		time.advance(100);
		expect(heard).toEqual(["1", "end: the other side closed the connection"]);
		expect(log).toEqual(["up 60"]);
	});

	test("refused, unanswered, and a full backlog", () => {
		const { time, connect, network, b } = pair();
		const closed = connect(9);
		const nowhere = new SimStream({
			machine: network.find("10.0.0.1")!,
			address: "10.9.9.9",
			port: 1,
			onError: (error) => closed.log.push(`${error.message} ${time.now}`),
		});
		time.advance(CONNECT_TIMEOUT_MS);
		expect(closed.log).toEqual(["refused 20", `no answer ${CONNECT_TIMEOUT_MS}`]);
		nowhere.close();
		new SimListener({ machine: b, port: 1, identity: { chain: [] } });
		const many = Array.from({ length: LISTENER_BACKLOG + 1 }, () => connect());
		time.advance(100);
		expect(many.filter(({ log }) => log[0]!.startsWith("refused")).length).toBe(1);
	});
});

describe("misfortune", () => {
	test("a process is killed: a reset; what was on its way is lost", () => {
		const { time, listen, connect, accepted, b } = pair();
		listen();
		const { log } = connect();
		time.advance(100);
		accepted[0]!.write(Uint8Array.of(1));
		b.kill();
		time.advance(100);
		expect(log).toEqual(["up 60", "reset 110"]);
	});

	test("power loss is silent, until the machine is back and knows nothing of the stream", () => {
		const { time, listen, connect, b } = pair();
		listen();
		const { stream, log } = connect();
		time.advance(100);
		b.powerOff();
		stream.write(Uint8Array.of(1));
		time.advance(30_000);
		expect(log).toEqual(["up 60"]);
		b.powerOn();
		time.advance(30_000);
		expect(log[1]).toMatch(/^reset/);
	});

	test("a cut holds octets back; mended in time they arrive, in order; else the stream ends", () => {
		const { time, listen, connect, network, a, b, heard } = pair();
		listen();
		const { stream, log } = connect();
		time.advance(100);
		network.cut(a, b);
		stream.write(Uint8Array.of(1));
		stream.write(Uint8Array.of(2));
		time.advance(20_000);
		network.mend(a, b);
		time.advance(20_000);
		expect(heard).toEqual(["1", "2"]);
		network.cut(a, b);
		stream.write(Uint8Array.of(3));
		time.advance(STREAM_TIMEOUT_MS + 20_000);
		expect(log[1]).toMatch(/^no answer/);
	});

	test("partitions: who is in no group is alone", () => {
		const { time, listen, connect, network, a, b } = pair();
		listen();
		network.partition([[a]]);
		const cut = connect();
		time.advance(20_000);
		expect(cut.log).toEqual([`no answer ${CONNECT_TIMEOUT_MS}`]);
		network.partition([[a, b]]);
		const same = connect();
		time.advance(100);
		expect(same.log.length).toBe(1);
		network.partition([[a], [b]]);
		network.heal();
		expect(network.isReachable(a, b)).toBe(true);
	});
});

test("a store survives the process, and loses at a power cut what was not reported", () => {
	const { time, a } = pair();
	const store = new SimStore(a, 5);
	const done: (string | undefined)[] = [];
	store.commit(
		{
			put: [
				["b", { x: 1 }],
				["a", 2],
			],
			remove: [],
		},
		(error) => done.push(error),
	);
	time.advance(5);
	store.failing = "disk full";
	store.commit({ put: [["c", 3]], remove: [] }, (error) => done.push(error));
	time.advance(5);
	store.failing = undefined;
	store.commit({ put: [["d", 4]], remove: ["a"] }, (error) => done.push(error));
	a.powerOff();
	a.powerOn();
	time.advance(100);
	expect(done).toEqual([undefined, "disk full"]);
	expect([...store.entries("")]).toEqual([
		["a", 2],
		["b", { x: 1 }],
	]);
	expect(store.get("b")).toEqual({ x: 1 });
});

describe.each<[string, () => Crypto]>([
	["real", () => simCrypto(seededRandom(1))],
	["stand-in", () => standInCrypto(seededRandom(1))],
])("cryptography: %s", (name, make) => {
	test("signs and verifies; another key, other data, another signature and another algorithm fail", () => {
		const crypto = make();
		const [key, other] = [crypto.generateKey(), crypto.importKey(crypto.generateKey().exportPkcs8())];
		const data = crypto.random(300);
		const signature = key.sign(data);
		expect(signature.length).toBeGreaterThanOrEqual(68);
		expect(signature.length).toBeLessThanOrEqual(72);
		const verify = (spki: Uint8Array, hash: number, what: Uint8Array, value: Uint8Array) =>
			crypto.verify(spki, { hash, signature: 3 }, what, value);
		expect(verify(key.spki, 4, data, signature)).toBe(true);
		expect(verify(other.spki, 4, data, signature)).toBe(false);
		expect(verify(key.spki, 5, data, signature)).toBe(false);
		expect(verify(key.spki, 4, data.slice(1), signature)).toBe(false);
		expect(verify(key.spki.slice(1), 4, data, signature)).toBe(false);
		expect(verify(key.spki, 4, data, signature.slice(1))).toBe(false);
		expect(make().generateKey().spki).toEqual(make().generateKey().spki);
		if (name === "real") return;
		for (let i = 0; i < data.length; i++) {
			const changed = data.slice();
			changed[i]! ^= 1;
			expect(verify(key.spki, 4, changed, signature)).toBe(false);
		}
		for (let i = 0; i < signature.length; i++) {
			const changed = signature.slice();
			changed[i]! ^= 1;
			expect(verify(key.spki, 4, data, changed)).toBe(false);
		}
	});
});
