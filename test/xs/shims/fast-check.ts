/** fast-check with fewer runs: the properties are searched under Node; here the engine is what is tested. */
import real from "ringlet-real:fast-check";

const RUNS = 12;

interface Parameters {
	readonly numRuns?: number;
}

function assert(property: unknown, parameters: Parameters = {}): unknown {
	const numRuns = Math.min(parameters.numRuns ?? RUNS, RUNS);
	// Shrinking takes long in XS, and Node has shown the smaller case already, if there is one.
	return (real.assert as (property: unknown, parameters: object) => unknown)(property, {
		...parameters,
		numRuns,
		endOnFailure: true,
	});
}

export default { ...real, assert };
