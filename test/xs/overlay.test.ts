import { suiteInXs } from "./suite.ts";

/** The client's own; the peer's suites need no second engine, since no device carries a peer. */
for (const file of ["client", "links", "attach", "requests", "node"])
	await suiteInXs(`test/core/overlay/${file}.test.ts`);
