/** The same house on the ring of CHORD-RELOAD (RFC 6940 §10) in place of the full mesh: five processes, two of them killed at once. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Call, ScriptedPhone } from "../../tools/demo/phone.ts";
import { nameKeptAt } from "../../tools/demo/processes.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

describeWith([], "a household on CHORD-RELOAD", () => {
	let house: TestHousehold;
	let callee: string;
	let anna: ScriptedPhone;
	let ben: ScriptedPhone;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 5, found: ["--topology", "chord"] });
		callee = nameKeptAt(
			house.nodeId(2),
			house.peers.map((_, i) => house.nodeId(i)),
			DOMAIN,
			["ben"],
		);
		for (const name of ["anna", "dora", callee]) await house.account(name);
		anna = await house.phone("anna", 0);
		ben = await house.phone(callee, 4);
	});

	afterAll(async () => house?.close());

	beforeEach((context) => house.watch(context));

	async function talk(from: ScriptedPhone, to: ScriptedPhone): Promise<void> {
		const before = to.calls.length;
		const call = await from.call(to.uri);
		expect(await call.answered).toBe(200);
		const far = to.calls[before] as Call;
		await waitFor("tone both ways", 5_000, () => call.rtp.received > 20 && far.rtp.received > 20);
		expect(await call.hangup()).toBe(200);
	}

	test("registers, is found from every peer at the one in charge, and is called", async () => {
		expect((await house.status(0)).topology[0]?.[1]).toContain("CHORD-RELOAD");
		expect(await anna.register()).toBe(200);
		expect(await ben.register()).toBe(200);
		for (const i of [0, 1, 2, 3, 4]) {
			await waitFor(
				`peer ${i + 1} to find it`,
				5_000,
				async () => (await house.lookup(i, callee)).contacts.length === 1,
			);
			expect((await house.lookup(i, callee)).answeredBy).toBe(house.nodeId(2));
		}
		await talk(anna, ben);
	});

	test("two peers killed at once, the one in charge among them: no registration is lost, the next call within 10 s", async () => {
		// Dora's peer has looked nobody up yet, and has no connection to anybody.
		const dora = await house.phone("dora", 3);
		expect(await dora.register()).toBe(200);
		await Promise.all([house.peers[1]?.kill(), house.peers[2]?.kill()]);
		const began = performance.now();
		await talk(dora, ben);
		await talk(anna, ben);
		expect(performance.now() - began).toBeLessThan(10_000);
		const found = await house.lookup(3, callee);
		expect(found.contacts.map((contact) => contact.route[0])).toContain(house.nodeId(4));
	});
});
