/** Registrations follow their phones: a phone that moves is found at its new place only, one that leaves not at all. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Call } from "../../tools/demo/phone.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

/** How soon every peer must see a change. */
const SEEN_WITHIN_MS = 5_000;

describeWith([], "a phone moves from peer to peer", () => {
	let house: TestHousehold;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		for (const name of ["anna", "ben"]) await house.account(name);
	});

	afterAll(async () => house?.close());

	beforeEach((context) => house.watch(context));

	/** Numbers of the peers at which every peer finds the AOR. */
	async function places(name: string): Promise<number[][]> {
		return await Promise.all(
			[0, 1, 2].map(async (i) => {
				const { contacts } = await house.lookup(i, name);
				return contacts.map((contact) => house.numberOf(contact.route[0] ?? "")).sort();
			}),
		);
	}

	async function isOnlyAt(name: string, where: number[]): Promise<void> {
		let seen: number[][] = [];
		await waitFor(`${name} only at ${where}`, SEEN_WITHIN_MS, async () => {
			seen = await places(name);
			return seen.every((one) => one.join() === where.join());
		}).catch((error: unknown) => {
			throw new Error(`${String(error)}; it was seen at ${JSON.stringify(seen)}`);
		});
	}

	test("the lookup shows the new place only, and the next call goes there", async () => {
		const ben = await house.phone("ben", 2);
		expect(await ben.register()).toBe(200);
		const here = await house.phone("anna", 0);
		expect(await here.register()).toBe(200);
		await isOnlyAt("anna", [0]);
		const first = await ben.call(here.uri);
		expect(await first.answered).toBe(200);
		await first.hangup();

		here.exchange.edge = house.edgePlace(1);
		expect(await here.register()).toBe(200);
		await isOnlyAt("anna", [1]);
		const second = await ben.call(here.uri);
		expect(await second.answered).toBe(200);
		const far = here.calls[1] as Call;
		await waitFor("tone both ways", 5_000, () => second.rtp.received > 20 && far.rtp.received > 20);
		await second.hangup();
		expect(here.calls).toHaveLength(2);
		expect(await here.register(0)).toBe(200);
		expect((await house.status(0)).registrations.map((one) => one.aor)).not.toContain(`anna@${DOMAIN}`);
	});

	test("a phone that unregisters is gone everywhere: 480 for who calls it", async () => {
		const anna = await house.phone("anna", 1);
		expect(await anna.register()).toBe(200);
		const ben = await house.phone("ben", 2);
		expect(await ben.register()).toBe(200);
		await isOnlyAt("anna", [1]);
		expect(await anna.register(0)).toBe(200);
		await isOnlyAt("anna", []);
		expect(await (await ben.call(anna.uri)).answered).toBe(480);
	});

	test("two phones of one account at two peers both ring; the second stops when the first answers", async () => {
		const hall = await house.phone("anna", 0);
		const attic = await house.phone("anna", 1);
		hall.onInvite = () => undefined;
		attic.onInvite = () => undefined;
		expect(await hall.register()).toBe(200);
		expect(await attic.register()).toBe(200);
		const ben = await house.phone("ben", 2);
		await isOnlyAt("anna", [0, 1]);
		const call = await ben.call(`sip:anna@${DOMAIN}`);
		await waitFor("both to ring", 5_000, () => hall.calls.length === 1 && attic.calls.length === 1);
		attic.calls[0]?.answer();
		expect(await call.answered).toBe(200);
		expect(await hall.calls[0]?.ended).toBe("CANCEL");
	});
});
