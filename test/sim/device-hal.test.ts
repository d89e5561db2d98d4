/** The simulated device itself: what it keeps, what it refuses, and that nothing calls back from an earlier life. */
import { expect, test } from "vitest";
import type { DeviceHal, SecureConnection } from "../../hal/device.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { standInCrypto } from "../../hal/sim/crypto.ts";
import { SimDatagrams } from "../../hal/sim/datagram.ts";
import { SimDevice } from "../../hal/sim/device.ts";
import { DEVICE_BOOT_MS, DEVICE_HANDSHAKE_MS, DEVICE_SEND_OCTETS, FLASH_VALUE_OCTETS } from "../../hal/sim/limits.ts";
import { SimNetwork } from "../../hal/sim/network.ts";
import { seededRandom } from "../../hal/sim/random.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import { VirtualTime } from "../../hal/sim/time.ts";

function wall(boot: (hal: DeviceHal) => void = () => {}) {
	const time = new VirtualTime();
	const network = new SimNetwork(time, seededRandom(1));
	const hals: DeviceHal[] = [];
	const device = new SimDevice({
		machine: network.machine("10.0.0.9"),
		crypto: { ...standInCrypto(seededRandom(2)), ...nodeMediaCrypto() },
		boot: (hal) => {
			hals.push(hal);
			boot(hal);
		},
	});
	device.powerOn();
	time.advance(DEVICE_BOOT_MS);
	return { time, network, device, hals, hal: hals[0]! };
}

test("flash keeps values over power cuts, as copies; it refuses what is too large, and everything when it is worn", () => {
	const { time, device, hal, hals } = wall();
	const value = Uint8Array.of(1, 2, 3);
	expect(hal.flash.set("a", value)).toBe(true);
	value[0] = 9;
	device.powerCut();
	device.powerOn();
	time.advance(DEVICE_BOOT_MS);
	const { flash } = hals[1]!;
	expect(flash.get("a")).toEqual(Uint8Array.of(1, 2, 3));
	expect(flash.set("b", new Uint8Array(FLASH_VALUE_OCTETS + 1))).toBe(false);
	expect(flash.set("b", new Uint8Array(FLASH_VALUE_OCTETS))).toBe(true);
	device.flash.writesLeft = 0;
	expect(flash.set("a", Uint8Array.of(4))).toBe(false);
	expect(flash.get("a")).toEqual(Uint8Array.of(1, 2, 3));
	expect(() => flash.set("a-key-of-16-chars", value)).toThrow("not a key");
});

test("nothing calls back from an earlier life: timers, buttons, connections, datagrams", () => {
	const calls: string[] = [];
	const { time, network, device, hal } = wall();
	const peer = network.machine("10.0.0.1");
	let accepted: SimStream | undefined;
	new SimListener({
		machine: peer,
		port: 1000,
		identity: { chain: [] },
		onReadable() {
			accepted = new SimStream({ from: this.read()! });
		},
	});
	hal.pins.onButton(() => calls.push("button"));
	hal.network.onChange(() => calls.push("network"));
	hal.timers.set(() => calls.push("timer"), 10_000);
	hal.openDatagrams(2000, () => calls.push("datagram"));
	const options = { address: "10.0.0.1", port: 1000, verify: () => true, onDrained: () => {} };
	hal.connectSecure({
		...options,
		onUp: () => calls.push("up"),
		onBytes: () => calls.push("bytes"),
		onClosed: () => calls.push("closed"),
	});
	time.advance(DEVICE_HANDSHAKE_MS + 100);
	expect(calls).toEqual(["up"]);
	device.finger();
	device.powerCut();
	accepted?.write(Uint8Array.of(1));
	new SimDatagrams(peer, 0, () => {}).send(Uint8Array.of(1), "10.0.0.9", 2000);
	device.setWifi(false);
	time.advance(20_000);
	expect(calls).toEqual(["up"]);
});

test("a connection is up after the handshake, refused by its user's check, and takes so many octets and no more", () => {
	const { time, network, hal } = wall();
	const peer = network.machine("10.0.0.1");
	new SimListener({ machine: peer, port: 1000, identity: { chain: [Uint8Array.of(7)] } });
	const told: string[] = [];
	const connect = (verify: boolean): SecureConnection =>
		hal.connectSecure({
			address: "10.0.0.1",
			port: 1000,
			verify: (chain) => verify && chain[0]?.[0] === 7,
			onUp: () => told.push("up"),
			onBytes: () => {},
			onDrained: () => told.push("drained"),
			onClosed: (reason) => told.push(reason),
		});
	const connection = connect(true);
	expect(connection.write(Uint8Array.of(1))).toBe(false);
	time.advance(DEVICE_HANDSHAKE_MS - 1);
	expect(told).toEqual([]);
	time.advance(100);
	expect(told).toEqual(["up"]);
	expect(connection.write(new Uint8Array(DEVICE_SEND_OCTETS + 1))).toBe(false);
	expect(connection.write(new Uint8Array(DEVICE_SEND_OCTETS))).toBe(true);
	expect(connection.write(Uint8Array.of(1))).toBe(false);
	time.advance(1000);
	expect(told).toEqual(["up", "drained"]);
	connect(false);
	time.advance(DEVICE_HANDSHAKE_MS + 100);
	expect(told.at(-1)).toBe("the certificate is refused");
});

test("without Wi-Fi there is no address and no way; it comes and goes by callback", () => {
	const { time, network, device, hal } = wall();
	const changes: (string | undefined)[] = [];
	hal.network.onChange((address) => changes.push(address));
	const got: number[] = [];
	const phone = new SimDatagrams(network.machine("10.0.0.1"), 3000, (bytes) => got.push(bytes[0]!));
	const socket = hal.openDatagrams(0, (bytes) => got.push(bytes[0]!));
	socket?.send(Uint8Array.of(1), "10.0.0.1", 3000);
	time.advance(10);
	device.setWifi(false);
	expect(hal.network.address).toBeUndefined();
	socket?.send(Uint8Array.of(2), "10.0.0.1", 3000);
	phone.send(Uint8Array.of(3), "10.0.0.9", socket?.port ?? 0);
	time.advance(10);
	device.setWifi(true);
	phone.send(Uint8Array.of(4), "10.0.0.9", socket?.port ?? 0);
	time.advance(10);
	expect(got).toEqual([1, 4]);
	expect(changes).toEqual([undefined, "10.0.0.9"]);
});

test("the clock is unset at first, and again after a power cut; a restart keeps it", () => {
	const { time, device, hal } = wall();
	expect([hal.isClockSet, hal.clock.wallMs() < 1e9]).toEqual([false, true]);
	hal.setWallMs(1_800_000_000_000);
	time.advance(1000);
	expect([hal.isClockSet, hal.clock.wallMs()]).toEqual([true, 1_800_000_001_000]);
	hal.restart("for a test");
	time.advance(DEVICE_BOOT_MS + 10);
	expect([device.isClockSet, device.boots, device.restarts]).toEqual([true, 2, ["for a test"]]);
	device.powerCut();
	expect(device.isClockSet).toBe(false);
});
