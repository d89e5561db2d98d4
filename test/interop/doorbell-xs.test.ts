/** The device's bundles, unchanged, in the XS engine, against three peer processes and real phones. */
import { describe, test } from "vitest";
import { NO_ENGINE, workerProgram } from "../../tools/xs-host/worker.ts";
import { tellDoorbellStory } from "./support/doorbell-story.ts";
import { describeWith } from "./support/programs.ts";

const NAME = "a doorbell in the engine of the device, three peers and two ordinary phones";

if (workerProgram() !== undefined) describeWith(["baresip"], NAME, () => tellDoorbellStory(["--xs"]));
else if (process.env.CI !== undefined && process.env.CI !== "") {
	test(NAME, () => {
		throw new Error(NO_ENGINE);
	});
} else describe.skip(`${NAME} (${NO_ENGINE})`, () => undefined);
