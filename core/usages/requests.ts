/**
 * The contract of the usages' machines: they ask for requests and get results. Whoever owns the node carries out each `fetch`,
 * `store` or `find` by the node's command of that name and gives the `result` back under the same token.
 */
import type { FetchedKind, FetchKind, RequestResult, StoreKind } from "../overlay/node-types.ts";

/** The one input of a usage's machine. */
export interface UsageInput {
	readonly type: "result";
	/** Token of the output this is the result of. */
	readonly token: number;
	readonly result: RequestResult;
	/** Milliseconds since 1970. */
	readonly wallMs: number;
}

/** What a usage's machine asks for; `done` is the last output. */
export type UsageOutput<Done> =
	| {
			readonly type: "fetch";
			readonly token: number;
			readonly resourceId: Uint8Array;
			readonly kinds: readonly FetchKind[];
			/** Node-ID of the local identity that signs, where it matters. */
			readonly as?: Uint8Array;
	  }
	| {
			readonly type: "store";
			readonly token: number;
			readonly resourceId: Uint8Array;
			readonly kinds: readonly StoreKind[];
			readonly as?: Uint8Array;
	  }
	| {
			readonly type: "find";
			readonly token: number;
			readonly resourceId: Uint8Array;
			readonly kinds: readonly number[];
	  }
	| { readonly type: "done"; readonly result: Done };

/** The answer about `kind` in a fetch's result; `undefined` when the fetch failed or says nothing about it. */
export function fetchedKind(result: RequestResult, kind: number): FetchedKind | undefined {
	if (!result.ok || result.body.type !== "fetch") return undefined;
	const kinds = result.body.kinds;
	for (let i = 0; i < kinds.length; i++) if (kinds[i]!.kind === kind) return kinds[i];
	return undefined;
}
