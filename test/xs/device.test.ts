import { suiteInXs, suitesOf } from "./suite.ts";

for (const file of suitesOf("test/core/device")) await suiteInXs(file);
