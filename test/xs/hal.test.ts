import { suiteInXs, suitesOf } from "./suite.ts";

/** The parts of hal/xs that have nothing native in them. */
for (const file of suitesOf("test/hal/xs")) await suiteInXs(file);
