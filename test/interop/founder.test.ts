/** No single box: the founder dies, and with it the only enrollment server; the household goes on. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loopback } from "../../tools/demo/processes.ts";
import { Phone } from "./support/baresip.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

describeWith(["baresip"], "the founder is killed", () => {
	let house: TestHousehold;
	const phones: Phone[] = [];

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		await house.account("anna");
		await house.account("ben");
	});

	afterAll(async () => {
		await Promise.all(phones.map((phone) => phone.stop()));
		await house?.close();
	});

	beforeEach((context) => house.watch(context));

	async function baresip(user: string, i: number, address: number): Promise<Phone> {
		const place = { edge: house.edge(i), address: loopback(address) };
		const phone = await Phone.start({ aor: `${user}@${DOMAIN}`, password: house.password(user), ...place });
		phones.push(phone);
		await phone.registered();
		return phone;
	}

	async function call(from: Phone, to: Phone): Promise<void> {
		const [fromMark, toMark] = [from.mark, to.mark];
		const calls = from.rtpOfEndedCalls().length;
		await from.dial(`sip:${to.aor}`);
		await to.event("CALL_INCOMING", 5_000, toMark);
		await to.answer();
		await from.event("CALL_ESTABLISHED", 5_000, fromMark);
		await new Promise((resolve) => setTimeout(resolve, 1_100));
		await from.hangup();
		await waitFor("the count of packets", 5_000, () => from.rtpOfEndedCalls().length > calls);
		expect(from.rtpOfEndedCalls().at(-1)?.sent).toBeGreaterThanOrEqual(40);
		expect(from.rtpOfEndedCalls().at(-1)?.received).toBeGreaterThanOrEqual(40);
	}

	test("a phone that was registered there registers at another peer, is found and calls", async () => {
		const annaThere = await baresip("anna", 0, 41);
		const ben = await baresip("ben", 2, 42);
		await call(annaThere, ben);
		await house.peers[0]?.kill();
		const began = performance.now();
		await annaThere.stop("SIGKILL");

		const anna = await baresip("anna", 1, 43);
		await call(anna, ben);
		await call(ben, anna);
		expect(performance.now() - began).toBeLessThan(10_000);
		const found = await house.lookup(2, "anna");
		// What the founder kept stored for its phones runs out by itself: nobody is there to remove it.
		expect(found.contacts.map((contact) => contact.route[0])).toContain(house.nodeId(1));
	});

	test("the others say that enrollment is away, and go on alone", async () => {
		await waitFor("peer 2 to notice", 20_000, async () => (await house.status(1)).enrollment === "not reachable", 250);
		expect((await house.status(1)).accounts).toBe(2);
		const refused = await house.ringlet(1, "account", "add", "emil", "--password-file", house.passwordFile("emil"));
		expect(refused.code).toBe(1);
		expect(refused.stderr.trim().split("\n")).toHaveLength(1);
		expect(refused.stderr).toMatch(/run this on the peer at/);
	});

	test("a peer that starts anew while the founder is away serves its phones as before", async () => {
		expect(await house.peers[1]?.stop()).toBe(0);
		await house.restart(1);
		await house.connected();
		const anna = await baresip("anna", 1, 44);
		await call(anna, phones[1] as Phone);
	});

	test("the founder comes back, and accounts can be added again", async () => {
		await house.restart(0);
		await house.connected();
		const isBack = async (): Promise<boolean> => (await house.status(1)).enrollment === "connected";
		await waitFor("peer 2 to be in touch with the founder", 45_000, isBack, 250);
		await house.account("emil");
		const emil = await baresip("emil", 1, 45);
		await call(emil, phones[1] as Phone);
	});
});
