/** The device's bundles, unchanged, in the XS engine, against three peer processes and real phones. */
import { NO_ENGINE, workerProgram } from "../../tools/xs-host/worker.ts";
import { tellDoorbellStory } from "./support/doorbell-story.ts";
import { describeWith } from "./support/programs.ts";

describeWith(
	["baresip"],
	"a doorbell in the engine of the device, three peers and two ordinary phones",
	() => tellDoorbellStory(["--xs"]),
	workerProgram() === undefined ? [NO_ENGINE] : [],
);
