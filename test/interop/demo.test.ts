/** `npm run demo`, as the README promises it. */
import { expect, test } from "vitest";
import { runRinglet } from "../../tools/demo/processes.ts";
import { describeWith, RINGLET } from "./support/programs.ts";

interface Line {
	readonly what: string;
	readonly good?: boolean;
	readonly peer?: number;
	readonly nodeId?: string;
	readonly answeredBy?: string;
}

describeWith([], "the demo", () => {
	test("two calls, the peer in the middle killed between them, exit code 0", async () => {
		const done = await runRinglet(RINGLET, ["demo", "--json"], "", 120_000);
		expect(done.stdout + done.stderr).toContain('"what":"end"');
		expect(done.code).toBe(0);
		const lines = done.stdout.trim().split("\n");
		const story = lines.map((line) => JSON.parse(line) as Line);
		expect(story.filter((line) => line.what === "talk").map((line) => line.good)).toEqual([true, true]);
		const [before, after] = story.filter((line) => line.what === "lookup");
		const killed = story.find((line) => line.what === "kill")?.nodeId;
		expect(before?.answeredBy).toBe(killed);
		expect(after?.answeredBy).not.toBe(killed);
		expect(story.at(-1)).toMatchObject({ what: "end", good: true });
	});

	test("on a pipe it tells its story without colours", async () => {
		const done = await runRinglet(RINGLET, ["demo"], "", 120_000);
		expect(done.code).toBe(0);
		expect(done.stdout).toContain("peer 2 is killed");
		expect(done.stdout).toContain("both calls were made");
		expect(done.stdout).not.toContain("\u001b");
	});
});
