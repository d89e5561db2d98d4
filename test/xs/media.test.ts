import { suiteInXs, suitesOf } from "./suite.ts";

for (const file of suitesOf("test/core/media")) await suiteInXs(file);
