import { suiteInXs, suitesOf } from "./suite.ts";

/** Tests that say nothing about the engine and take long in it; README.md says why. */
const NEED_NODE: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/sip/proxy-streams.test.ts": [
		"in the long run > random messages never throw, and what goes out can be read",
		"in the long run > thousands of calls leave nothing behind",
	],
	"test/core/sip/agent/inside.test.ts": ["two of us > 100 calls"],
	"test/core/sip/agent/edge.test.ts": ["a press > 100 presses"],
});

for (const file of [...suitesOf("test/core/sip"), ...suitesOf("test/core/sip/agent", ["faults.test.ts"])])
	await suiteInXs(file, NEED_NODE[file]);
