/** The house: every phone rings when a device or a phone calls house@, and phones call devices, across peers of one overlay. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { SipContact } from "../../../core/usages/sip.ts";
import { equalBytes } from "../../../core/wire/bytes.ts";
import type { ScriptedPhone } from "../../../tools/demo/phone.ts";
import { accountsOf, EdgePeer, HOUSE, until } from "./composed.ts";
import { FakeDevice } from "./fake-device.ts";
import { DOMAIN, Realm } from "./realm.ts";

const FRONTDOOR = `frontdoor@${DOMAIN}`;

interface House {
	readonly realm: Realm;
	readonly peers: readonly EdgePeer[];
}

/** Peers whose edges are connected with each other. */
async function house(count: number, ...names: string[]): Promise<House> {
	const realm = new Realm();
	const accounts = accountsOf(...names);
	const peers: EdgePeer[] = [];
	for (let i = 0; i < count; i++) peers.push(await EdgePeer.open(realm, accounts));
	const [first, ...others] = peers as [EdgePeer, ...EdgePeer[]];
	await first.overlay.start();
	for (const peer of others) await peer.overlay.start(first.overlay);
	for (const peer of peers) peer.edge.overlayChanged();
	await until(() => peers.every((peer) => peer.edge.house().connected === count - 1), 30_000);
	return { realm, peers };
}

async function deviceAt({ realm, peers }: House, at: EdgePeer, userName = FRONTDOOR): Promise<FakeDevice> {
	const identity = realm.identity({ userName });
	const { config, document } = realm;
	const bootstrap = peers.map((peer) => peer.overlay.endpoint);
	const device = await FakeDevice.open({ identity, config, document, bootstrap });
	onTestFinished(() => device.close());
	for (const peer of peers) peer.devices.add(userName);
	await device.connect(await edgeOf(device, at));
	await until(() => at.edge.house().devices.includes(userName));
	return device;
}

async function edgeOf(device: FakeDevice, peer: EdgePeer): Promise<SipContact> {
	const edges = await device.edges();
	const edge = edges.find(({ destinations }) =>
		destinations.some((one) => "nodeId" in one && equalBytes(one.nodeId, peer.overlay.identity.nodeId)),
	);
	if (edge === undefined) throw new Error("the peer does not serve the house");
	return edge;
}

async function phone(peer: EdgePeer, name: string): Promise<ScriptedPhone> {
	const one = await peer.phone(name);
	expect(await one.register()).toBe(200);
	return one;
}

describe("a device rings the house", () => {
	test("all phones of all edges ring, one answers, the others are told that it was answered elsewhere", async () => {
		const home = await house(3, "anna", "bert", "carl");
		const [one, two, three] = home.peers as [EdgePeer, EdgePeer, EdgePeer];
		const phones = [await phone(one, "anna"), await phone(two, "bert"), await phone(three, "carl")];
		const reasons: string[] = [];
		for (const each of phones) each.onInvite = () => undefined;
		const traced = await three.phone("carl");
		traced.onInvite = () => undefined;
		expect(await traced.register()).toBe(200);
		const device = await deviceAt(home, one);
		expect(device.protocol).toBe("TLSv1.2");
		const call = await device.phone.call(`sip:${HOUSE}`);
		const ringing = [...phones, traced];
		await until(() => ringing.every((each) => each.calls.length === 1));
		for (const each of ringing) expect(each.calls[0]?.peer).toBe(`sip:${FRONTDOOR}`);
		phones[1]?.calls[0]?.answer();
		expect(await call.answered).toBe(200);
		for (const each of [phones[0], phones[2], traced]) reasons.push((await each?.calls[0]?.ended) ?? "");
		expect(reasons).toEqual(["CANCEL", "CANCEL", "CANCEL"]);
		// The call goes both ways, and ends from the phone's side.
		expect(await phones[1]?.calls[0]?.hangup()).toBe(200);
		expect(await call.ended).toBe("BYE");
		expect(device.received).toContain(`<sip:${FRONTDOOR};gr=`);
		await until(() => one.edge.calls + two.edge.calls + three.edge.calls === 0);
	});

	test("the device hangs up; rings again and gives up: nobody is left ringing", async () => {
		const home = await house(2, "anna", "bert");
		const [one, two] = home.peers as [EdgePeer, EdgePeer];
		const bert = await phone(two, "bert");
		const device = await deviceAt(home, one);
		const call = await device.phone.call(`sip:${HOUSE}`);
		expect(await call.answered).toBe(200);
		expect(await call.hangup()).toBe(200);
		expect(await bert.calls[0]?.ended).toBe("BYE");
		bert.onInvite = () => undefined;
		const again = await device.phone.call(`sip:${HOUSE}`);
		await again.ringing;
		expect(await again.hangup()).toBe(200);
		expect(await again.answered).toBe(487);
		expect(await bert.calls[1]?.ended).toBe("CANCEL");
	});

	test("no phone: 480; all busy: 486; From of somebody else: 403; REGISTER: 403; keep-alive answered", async () => {
		const home = await house(2, "anna");
		const [one, two] = home.peers as [EdgePeer, EdgePeer];
		const device = await deviceAt(home, one);
		expect(await (await device.phone.call(`sip:${HOUSE}`)).answered).toBe(480);
		const anna = await phone(two, "anna");
		anna.onInvite = (call) => call.refuse(486, "Busy Here");
		expect(await (await device.phone.call(`sip:${HOUSE}`)).answered).toBe(486);
		const forged = {
			method: "MESSAGE",
			uri: anna.uri,
			from: `<${anna.uri}>;tag=x`,
			to: `<${anna.uri}>`,
			callId: "forged",
		};
		expect((await device.phone.ask(forged)).start).toBe("SIP/2.0 403 From Is Not The Certificate's");
		expect(await device.phone.register()).toBe(403);
		device.received = "";
		device.write("\r\n\r\n");
		await until(() => device.received === "\r\n");
	});

	test("a phone calls the house: the others ring, it does not, devices do not", async () => {
		const home = await house(2, "anna", "bert");
		const [one, two] = home.peers as [EdgePeer, EdgePeer];
		const [anna, attic, bert] = [await phone(one, "anna"), await phone(one, "anna"), await phone(two, "bert")];
		const device = await deviceAt(home, one);
		for (const each of [attic, bert]) each.onInvite = () => undefined;
		const call = await anna.call(`sip:${HOUSE}`);
		await until(() => attic.calls.length === 1 && bert.calls.length === 1);
		attic.calls[0]?.answer();
		expect(await call.answered).toBe(200);
		expect(await bert.calls[0]?.ended).toBe("CANCEL");
		expect(await call.hangup()).toBe(200);
		expect([anna.calls.length, device.phone.calls.length]).toEqual([1, 0]);
	});
});

describe("a phone calls a device", () => {
	test("across peers and at the same peer; either side hangs up; messages go both ways", async () => {
		const home = await house(3, "anna", "bert");
		const [one, , three] = home.peers as [EdgePeer, EdgePeer, EdgePeer];
		const [anna, bert] = [await phone(three, "anna"), await phone(one, "bert")];
		const device = await deviceAt(home, one);
		for (const caller of [anna, bert]) {
			const call = await caller.call(`sip:${FRONTDOOR}`);
			expect(await call.answered).toBe(200);
			expect(await call.hangup()).toBe(200);
			expect(await device.phone.calls.at(-1)?.ended).toBe("BYE");
			const second = await caller.call(`sip:${FRONTDOOR}`);
			expect(await second.answered).toBe(200);
			expect(await device.phone.calls.at(-1)?.hangup()).toBe(200);
			expect(await second.ended).toBe("BYE");
			expect(await caller.message(`sip:${FRONTDOOR}`, "open")).toBe(200);
			expect(device.phone.inbox.at(-1)).toEqual({ from: caller.uri, text: "open" });
			expect(await device.phone.message(caller.uri, "opened")).toBe(200);
			expect(caller.inbox.at(-1)).toEqual({ from: `sip:${FRONTDOOR}`, text: "opened" });
		}
	});

	test("a call outlives the device's connection; it moves to another edge and is found there", async () => {
		const home = await house(2, "anna");
		const [one, two] = home.peers as [EdgePeer, EdgePeer];
		const anna = await phone(two, "anna");
		const device = await deviceAt(home, one);
		const call = await anna.call(`sip:${FRONTDOOR}`);
		expect(await call.answered).toBe(200);
		device.disconnect();
		await until(() => one.edge.house().devices.length === 0);
		await device.connect(await edgeOf(device, one));
		await until(() => one.edge.house().devices.length === 1);
		expect(await call.hangup()).toBe(200);
		expect(await device.phone.calls[0]?.ended).toBe("BYE");
		device.disconnect();
		await until(() => one.edge.house().devices.length === 0);
		expect(await (await anna.call(`sip:${FRONTDOOR}`)).answered).toBe(480);
		await device.connect(await edgeOf(device, two));
		const again = await anna.call(`sip:${FRONTDOOR}`);
		expect(await again.answered).toBe(200);
		expect(await again.hangup()).toBe(200);
	});
});

test("an edge dies: the house rings all phones that are left, at once", async () => {
	const home = await house(3, "anna", "bert", "carl");
	const [one, two, three] = home.peers as [EdgePeer, EdgePeer, EdgePeer];
	const phones = [await phone(one, "anna"), await phone(two, "bert")];
	const device = await deviceAt(home, one);
	await phone(three, "carl");
	three.overlay.close();
	for (const each of phones) each.onInvite = () => undefined;
	const call = await device.phone.call(`sip:${HOUSE}`);
	await until(() => phones.every((each) => each.calls.length === 1), 3_000);
	phones[1]?.calls[0]?.answer();
	expect(await call.answered).toBe(200);
	expect(await call.hangup()).toBe(200);
});
