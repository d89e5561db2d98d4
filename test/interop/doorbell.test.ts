/** The device's code on Node against three peer processes and real phones. */
import { tellDoorbellStory } from "./support/doorbell-story.ts";
import { describeWith } from "./support/programs.ts";

describeWith(["baresip"], "a doorbell, three peers and two ordinary phones", () => tellDoorbellStory([]));
