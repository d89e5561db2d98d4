/** Runs vitest files in XS, test by test. */
import { readdirSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { XsWorker } from "../../tools/xs-host/worker.ts";
import { bundleSuite } from "./bundle.ts";
import { answerSuite } from "./host-calls.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The vitest files of a folder, from the project's root, sorted; without those named. */
export function suitesOf(folder: string, without: readonly string[] = []): string[] {
	const names = readdirSync(`${ROOT}${folder}`).filter((name) => name.endsWith(".test.ts"));
	for (const name of without) if (!names.includes(name)) throw new Error(`${folder} has no ${name}`);
	return names
		.filter((name) => !without.includes(name))
		.sort()
		.map((name) => `${folder}/${name}`);
}

/**
 * Declares the tests of one file, to be run in an engine of their own. `needNode`: names of tests (or their beginnings) that cannot run
 * in XS by nature; test/xs/README.md says why.
 */
export async function suiteInXs(file: string, needNode: readonly string[] = []): Promise<void> {
	const worker = new XsWorker({ onCall: answerSuite });
	await worker.evaluate(await bundleSuite(file));
	const { names } = JSON.parse(String((await worker.post(JSON.stringify("collect"))).bytes)) as { names: string[] };
	for (const name of needNode)
		if (!names.some((one) => one.startsWith(name))) throw new Error(`${file} has no ${name}`);
	describe(file, () => {
		names.forEach((name, index) => {
			if (needNode.some((one) => name.startsWith(one))) return;
			test(name, async () => {
				const reply = String((await worker.post(JSON.stringify(index))).bytes);
				if (reply === "") throw new Error("a promise of this test never ends");
				const { error } = JSON.parse(reply) as { error?: string };
				if (error !== undefined) throw new Error(error);
			});
		});
		test("nothing on the engine's stderr", async () => {
			expect(await worker.close()).toBeUndefined();
			expect(worker.stderr).toBe("");
		});
		// When a name was asked for on the command line, the last test may not have run.
		afterAll(async () => {
			await worker.close();
		});
	});
}
