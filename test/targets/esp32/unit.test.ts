/** A whole device against real peers in this process: overlay, edges, calls, door, over real TLS and UDP. */
import { describe, expect, test } from "vitest";
import type { Call, ScriptedPhone } from "../../../tools/demo/phone.ts";
import { accountsOf, EdgePeer, until } from "../pi/composed.ts";
import { DOMAIN, Realm } from "../pi/realm.ts";
import { pairedFlash, TestDevice } from "./support.ts";

const DOOR = `frontdoor@${DOMAIN}`;

interface House {
	readonly realm: Realm;
	readonly edges: EdgePeer[];
	readonly flash: ReturnType<typeof pairedFlash>;
}

/** Peers with edges, and a device that is paired. */
async function house(peers = 3): Promise<House> {
	const realm = new Realm();
	const accounts = accountsOf("anna", "ben");
	const edges = await Promise.all(Array.from({ length: peers }, () => EdgePeer.open(realm, accounts)));
	for (const [i, edge] of edges.entries()) {
		edge.devices.add(DOOR);
		await edge.overlay.start(...edges.slice(0, i).map(({ overlay }) => overlay));
	}
	// Edges that know each other ring each other's phones.
	await until(() => edges.every(({ edge }) => edge.house().connected === peers - 1), 60_000);
	const places = edges.map(({ overlay: { endpoint } }) => `${endpoint.address} ${endpoint.port}`);
	return { realm, edges, flash: pairedFlash(realm, realm.identity({ userName: DOOR }), places) };
}

async function online(device: TestDevice, edges = 2): Promise<void> {
	device.unit.start();
	await until(() => device.unit.status().edges === edges && device.unit.status().isRegistered);
}

/** The peer whose edge rings for the device now. */
function firstEdge({ edges }: House, device: TestDevice): EdgePeer {
	const up = device.of("edge").filter(({ isUp }) => isUp);
	return edges.find(({ overlay }) => Buffer.from(overlay.identity.nodeId).toString("hex") === up[0]!.peer)!;
}

/** Everybody's phone at every peer: whoever dies, somebody rings. */
async function phones({ edges }: House, ...names: string[]): Promise<ScriptedPhone[]> {
	const made: ScriptedPhone[] = [];
	for (const [i, name] of names.entries()) {
		const phone = await edges[i]!.phone(name);
		expect(await phone.register()).toBe(200);
		made.push(phone);
	}
	return made;
}

function rung(phone: ScriptedPhone): Promise<Call> {
	return new Promise((resolve) => {
		phone.onInvite = (call) => {
			resolve(call);
			call.answer();
		};
	});
}

describe("a device and its house", () => {
	test("joins, opens two edges, registers; a press rings a phone, they talk, the phone hangs up", async () => {
		const made = await house();
		const device = new TestDevice(made.flash);
		await online(device);
		expect(device.unit.status()).toMatchObject({ state: "online", user: DOOR, overlay: DOMAIN, calls: 0 });
		const [anna] = await phones(made, "anna");
		const called = rung(anna!);
		const { handshakes } = device.hal;
		device.press();
		const call = await called;
		await device.call("answered");
		// Nothing is opened between a press and a ring.
		expect(device.hal.handshakes).toBe(handshakes);
		await until(() => device.audio.heard.length > 8_000);
		await call.hangup();
		await device.call("ended remote");
		expect(device.unit.status().calls).toBe(0);
		await until(() => !device.audio.isOn);
	});

	test("a phone calls the door by its name, wherever the phone is; unknown callers are refused", async () => {
		const made = await house();
		const device = new TestDevice(made.flash);
		await online(device);
		const [, ben] = await phones(made, "anna", "ben");
		const call = await ben!.call(`sip:${DOOR}`);
		// Nobody is answered at once unless the settings say so.
		expect(await call.answered).toBeGreaterThanOrEqual(400);
		expect(device.of("call")[0]!.state).toBe(`incoming ben@${DOMAIN}`);
	});

	test("its edge does not answer: after 700 ms another one rings, for the doorbell the same call", async () => {
		const made = await house();
		const device = new TestDevice(made.flash);
		await online(device);
		const [anna, ben] = await phones(made, "anna", "ben");
		firstEdge(made, device).edge.connectionBytes = () => undefined;
		const called = Promise.race([rung(anna!), rung(ben!)]);
		const began = performance.now();
		device.press();
		await called;
		expect(performance.now() - began).toBeGreaterThan(700);
		await device.call("answered");
		expect(device.of("call").filter(({ state }) => state === "calling").length).toBe(1);
		expect(device.log.of("unit.nextEdge").length).toBe(1);
	});

	test("its peer dies with its edge: the next press rings, a new peer and edge are found, the registration follows", async () => {
		const made = await house();
		const device = new TestDevice(made.flash);
		await online(device);
		const dead = firstEdge(made, device);
		const living = made.edges.filter((edge) => edge !== dead);
		const anna = await living[0]!.phone("anna");
		expect(await anna.register()).toBe(200);
		const before = device.unit.status().peer;
		const registered = device.of("registered").length;
		dead.overlay.close();
		const called = rung(anna);
		device.press();
		await called;
		await device.call("answered");
		await until(() => device.unit.status().peer !== before && device.unit.status().peer !== "");
		await until(() => device.of("registered").length > registered && device.unit.status().edges === 2);
	});

	test("no peer at all: the chime rings, the visitor is told; when they are back, so is the door", async () => {
		const made = await house(1);
		const device = new TestDevice(made.flash);
		await online(device, 1);
		device.hal.network.setUp(false);
		await until(() => device.unit.status().state === "offline");
		device.press();
		await until(() => device.of("chime").some(({ isOn }) => isOn));
		await until(() => device.of("led").some(({ pattern }) => pattern === "searching"));
		device.hal.network.setUp(true);
		await until(() => device.unit.status().state === "online");
	});

	test("its clock is not set: it learns the time from the overlay, then registers", async () => {
		const made = await house(1);
		const device = new TestDevice(made.flash, {}, { hasClock: false });
		await online(device, 1);
		expect(device.hal.isClockSet).toBe(true);
		expect(Math.abs(device.hal.clock.wallMs() - Date.now())).toBeLessThan(2_000);
	});

	test("without a certificate it waits for a code and rings nobody", async () => {
		const device = new TestDevice({ get: () => undefined, set: () => true, delete: () => undefined });
		device.unit.start();
		expect(device.unit.status().state).toBe("unpaired");
		device.press();
		device.unit.stop();
		expect(device.of("call")).toEqual([]);
		expect(device.hal.handshakes).toBe(0);
	});

	test("peers that joined after it was paired: it learns of them by the next document, and moves there when its own dies", async () => {
		const made = await house();
		const [first, ...others] = made.edges;
		const { endpoint } = first!.overlay;
		made.flash.set("peers", Buffer.from(`${endpoint.address} ${endpoint.port}`));
		const device = new TestDevice(made.flash);
		await online(device);
		const before = made.flash.get("config")!.length;
		const bytes = made.realm.revise({ bootstrapNodes: others.map(({ overlay }) => overlay.endpoint) });
		first!.overlay.host.input({ type: "document", bytes });
		// The keep-alive shows that the device has the older one.
		await until(() => made.flash.get("config")!.length > before, 40_000);
		const { peer } = device.unit.status();
		first!.overlay.close();
		await until(() => device.unit.status().peer !== peer && device.unit.status().peer !== "");
	});

	test("thrown out by the household: it says so and stays away", async () => {
		const made = await house(1);
		const device = new TestDevice(made.flash);
		await online(device, 1);
		const nodeId = Buffer.from(device.unit.status().nodeId, "hex");
		const bytes = made.realm.revise({ badNodes: [new Uint8Array(nodeId)] });
		made.edges[0]!.overlay.host.input({ type: "document", bytes });
		await until(() => device.unit.status().state === "revoked");
		device.press();
		await until(() => device.of("led").some(({ pattern }) => pattern === "revoked"));
	});
});
