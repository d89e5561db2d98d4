/** Runs a usage's machine against one store, as a node would: signs what it stores, verifies what it fetches. */
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { Machine } from "../../../core/machine.ts";
import type { AnswerBody, FetchedKind, FetchKind, RequestResult, StoreKind } from "../../../core/overlay/node-types.ts";
import { verifyFetched } from "../../../core/storage/verify-fetched.ts";
import type { UsageInput, UsageOutput } from "../../../core/usages/requests.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { ErrorCode } from "../../../core/wire/codes.ts";
import type { StoredDataSpecifier } from "../../../core/wire/fetch.ts";
import type { StoredDataValue } from "../../../core/wire/store.ts";
import { resourceHash, signerOf, textOf, type World } from "../storage/support.ts";

export class Node {
	readonly world: World;
	readonly identities = new Map<string, LocalIdentity>();
	readonly first: LocalIdentity;
	/** Every request, as "fetch <resource>". */
	readonly log: string[] = [];
	/** Requests that get no answer. */
	fails = (_output: { readonly type: string; readonly resourceId: Uint8Array }): boolean => false;

	constructor(world: World, ...identities: readonly LocalIdentity[]) {
		this.world = world;
		this.first = identities[0]!;
		for (const identity of identities) this.identities.set(toHex(identity.nodeId), identity);
	}

	/** Drives a machine to its `done`. */
	run<T>(machine: Machine<UsageInput, UsageOutput<T>>, mostRequests = 200): T {
		const queue: UsageOutput<T>[] = [];
		for (let requests = 0; ; ) {
			for (let output = machine.poll(); output !== undefined; output = machine.poll()) queue.push(output);
			const next = queue.shift();
			if (next === undefined) throw new Error("the machine waits for nothing");
			if (next.type === "done") {
				if (queue.length > 0) throw new Error("output after done");
				return next.result;
			}
			if (++requests > mostRequests) throw new Error("too many requests");
			machine.handle({ type: "result", token: next.token, result: this.carryOut(next), wallMs: this.world.wallMs }, 0);
		}
	}

	carryOut<T>(output: Exclude<UsageOutput<T>, { readonly type: "done" }>): RequestResult {
		this.log.push(`${output.type} ${toHex(output.resourceId)}`);
		if (this.fails(output)) return { ok: false, errorCode: ErrorCode.requestTimeout, info: "" };
		if (output.type === "fetch") return this.fetch(output.resourceId, output.kinds);
		if (output.type === "store") return this.store(output.resourceId, output.kinds, output.as);
		const found = this.world.storage.handleFind(
			{ resource: output.resourceId, kinds: output.kinds },
			() => true,
			this.world.wallMs,
		);
		if (!found.ok) return { ok: false, errorCode: found.errorCode, info: textOf(found) };
		return this.#answered({ type: "find", results: found.answer.results });
	}

	#answered(body: AnswerBody): RequestResult {
		return { ok: true, body, from: signerOf(this.first), rttMs: 1 };
	}

	fetch(resource: Uint8Array, kinds: readonly FetchKind[]): RequestResult {
		const specifiers: StoredDataSpecifier[] = kinds.map(({ kind, generation = 0, ranges, keys = [] }) => {
			const model = this.world.kinds.get(kind)!.dataModel;
			if (model === "single") return { kind, generation, model };
			if (model === "dictionary") return { kind, generation, model, keys };
			return { kind, generation, model, indices: ranges ?? [{ first: 0, last: 0xffffffff }] };
		});
		const result = this.world.storage.handleFetch({ resource, specifiers }, this.world.wallMs);
		if (!result.ok) return { ok: false, errorCode: result.errorCode, info: textOf(result) };
		const fetched: FetchedKind[] = [];
		for (const response of result.answer.kindResponses) {
			const kind = this.world.kinds.get(response.kind)!;
			const { verifier, wallMs } = this.world;
			const overlay = { resourceHash, nodeIdLength: 16, redirBranchingFactor: this.world.options.redirBranchingFactor };
			fetched.push(verifyFetched(verifier, overlay, resource, kind, response, result.certificates, wallMs));
		}
		return this.#answered({ type: "fetch", kinds: fetched });
	}

	store(resource: Uint8Array, kinds: readonly StoreKind[], as?: Uint8Array): RequestResult {
		const who = as === undefined ? this.first : this.identities.get(toHex(as))!;
		for (const { kind, generation, values } of kinds) {
			const signed = values.map((value) => {
				const model = this.world.kinds.get(kind)!.dataModel;
				const data = { exists: value.exists, value: value.value };
				let stored: StoredDataValue = { model: "single", value: data };
				if (model === "array") stored = { model, index: value.index!, value: data };
				else if (model === "dictionary") stored = { model, key: value.key!, value: data };
				const storageTime = value.storageTimeMs ?? this.world.wallMs;
				return this.world.sign(who, resource, kind, stored, { storageTime, lifetimeS: value.lifetimeS });
			});
			const result = this.world.store(who, resource, kind, signed, generation === undefined ? {} : { generation });
			if (!result.ok) return { ok: false, errorCode: result.errorCode, info: textOf(result) };
			this.world.commit(result.change);
		}
		return this.#answered({ type: "store", kinds: [] });
	}
}
