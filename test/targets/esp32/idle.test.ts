/** What an idle device costs: octets of all its connections, TLS records included, in the simulator's time. */
import { describe, expect, test } from "vitest";
import type { DeviceHal, SecureConnection, SecureConnectOptions } from "../../../hal/device.ts";
import { DeviceUnit } from "../../../targets/esp32/unit/device-unit.ts";
import { DoorHouse } from "../../sim/door-support.ts";

/** TLS 1.2 with AES-128-GCM: header, explicit nonce and tag of a record (RFC 5246 §6.2, RFC 5288 §3). */
const RECORD_OCTETS = 5 + 8 + 16;
/** Largest record that a peer sends to a device. */
const MAX_RECORD = 4_096;
/** Octets a second, both ways together; what the project asks of a device. */
const MOST_PER_S = 20;

class Meter {
	octets = 0;
	writes = 0;
	handshakes = 0;

	add(bytes: Uint8Array): void {
		this.octets += bytes.length + Math.ceil(bytes.length / MAX_RECORD) * RECORD_OCTETS;
	}

	/** The HAL, with its connections metered. */
	on(hal: DeviceHal): DeviceHal {
		const connectSecure = (options: SecureConnectOptions): SecureConnection => {
			this.handshakes++;
			const connection = hal.connectSecure({
				...options,
				verify: (chain) => options.verify(chain),
				onBytes: (bytes) => {
					this.add(bytes);
					options.onBytes(bytes);
				},
			});
			return {
				get buffered() {
					return connection.buffered;
				},
				write: (bytes) => {
					this.add(bytes);
					this.writes++;
					return connection.write(bytes);
				},
				close: () => connection.close(),
			};
		};
		return new Proxy(hal, {
			get(target, name) {
				if (name === "connectSecure") return connectSecure;
				const value: unknown = Reflect.get(target, name, target);
				return typeof value === "function" ? value.bind(target) : value;
			},
		});
	}
}

function metered(secondEdge: boolean): { made: DoorHouse; meter: Meter } {
	const meter = new Meter();
	const made: DoorHouse = new DoorHouse({
		seed: 4,
		device: {
			boot: (hal) => {
				made.unit = new DeviceUnit(meter.on(hal), { secondEdge, onEvent: (event) => made.events.push(event) });
				made.unit.start();
			},
		},
	});
	made.online();
	made.until(() => made.connected().length === (secondEdge ? 2 : 1), 60_000, "its connections are up");
	made.advance(60_000);
	return { made, meter };
}

describe("an idle device", () => {
	test.each([
		["two SIP connections", true],
		["one SIP connection", false],
	])("with %s: at most 20 octets a second over an hour, and no handshake", (_name, secondEdge) => {
		const { made, meter } = metered(secondEdge);
		const before = { octets: meter.octets, handshakes: meter.handshakes };
		const seconds = 3_600;
		made.advance(seconds * 1_000);
		expect((meter.octets - before.octets) / seconds).toBeLessThan(MOST_PER_S);
		expect(meter.handshakes).toBe(before.handshakes);
		expect(made.state).toBe("online");
	});

	test("in 25 s without anything to do, each connection says one thing", () => {
		const { made, meter } = metered(true);
		const writes: number[] = [];
		for (let i = 0; i < 20; i++) {
			const before = meter.writes;
			made.advance(25_000);
			writes.push(meter.writes - before);
		}
		writes.sort((a, b) => a - b);
		// The median: now and then settings, registration and the list of edges are looked after.
		expect(writes[10]).toBeLessThanOrEqual(3);
	});
});
