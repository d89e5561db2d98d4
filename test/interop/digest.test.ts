/** What phones are asked for: MD5 alone unless the household says otherwise, SHA-256 where it does (RFC 8760). */
import { afterEach, expect, test } from "vitest";
import { freePort, loopback } from "../../tools/demo/processes.ts";
import { TestHousehold } from "./support/household.ts";
import { describeWith } from "./support/programs.ts";
import { sipp } from "./support/sipp.ts";

describeWith(["sipp"], "digest", () => {
	let house: TestHousehold | undefined;

	afterEach(async () => house?.close());

	/** The algorithm that a phone, given the choice, registers with at a household with these flags. */
	async function usedWith(...flags: string[]): Promise<string | undefined> {
		house = await TestHousehold.start({ peers: 1, flags });
		await house.account("anna");
		const sent: string[] = [];
		const phone = await house.phone("anna", 0, undefined, undefined, (direction, text) => {
			if (direction === ">") sent.push(text);
		});
		expect(await phone.register()).toBe(200);
		const wrong = await house.phone("anna", 0, undefined, "something-else");
		expect([401, 403]).toContain(await wrong.register());
		return /algorithm=([\w-]+)/.exec(sent.at(-1) ?? "")?.[1];
	}

	test("MD5 alone by default: a program that knows nothing else registers", async () => {
		expect(await usedWith()).toBe("MD5");
		const address = loopback(61);
		const place = { edge: house?.edge(0) ?? "", address, port: await freePort(address) };
		const password = house?.password("anna") ?? "";
		await sipp({ scenario: "register", ...place, user: "anna", password, keys: { expires: "60" } });
	});

	test("both: the stronger is taken", async () => {
		expect(await usedWith("--digest", "sha-256,md5")).toBe("SHA-256");
	});

	test("SHA-256 alone", async () => {
		expect(await usedWith("--digest", "sha-256")).toBe("SHA-256");
	});
});
