/**
 * Drives the topology plug-in of a peer: feeds it what happens, carries out what it puts out (topology/plugin.ts is the seam).
 *
 * One input, then everything it puts out, then the next input: what carrying out an output causes waits its turn.
 */
import { includesBytes } from "../wire/bytes.ts";
import { ErrorCode } from "../wire/codes.ts";
import type { MessageExtension } from "../wire/contents.ts";
import type { Attaches } from "./attach.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Times } from "./limits.ts";
import type { Outcome } from "./requests.ts";
import type { TopologyHost, TopologyInput, TopologyOutput, TopologyPlugin } from "./topology/plugin.ts";

/** What the driver hands to other parts of the peer. */
export interface TopologyUser {
	attaches(): Attaches;
	bootstrapLinks(): Uint8Array[];
	handOver(to: Uint8Array, after: Uint8Array, upTo: Uint8Array, now: number): void;
	placementChanged(now: number): void;
	release(nodeId: Uint8Array, now: number): void;
	joined(now: number): void;
	isolated(now: number): void;
	left(now: number): void;
}

/** Requests given to the plug-in and not answered yet, at most; a further one gets Error_In_Progress. */
const OPEN_REQUESTS = 128;

export class TopologyDriver {
	readonly #context: NodeContext;
	readonly #user: TopologyUser;
	readonly plugin: TopologyPlugin;
	readonly #inputs: TopologyInput[] = [];
	#draining = false;
	readonly #requests = new Map<number, { request: IncomingRequest; forgetAt: number }>();
	#lastRequest = 0;

	constructor(context: NodeContext, user: TopologyUser, make: (host: TopologyHost) => TopologyPlugin) {
		this.#context = context;
		this.#user = user;
		this.plugin = make(this.#host());
	}

	#host(): TopologyHost {
		const context = this.#context;
		const user = this.#user;
		return {
			nodeId: context.nodeId,
			profile: context.profile,
			nodeIdLength: context.settings.config.nodeIdLength,
			sha1: (data) => context.crypto.hash("sha1", data),
			random: () => context.random(),
			isConnected: (nodeId) => context.connections.find(nodeId) !== undefined,
			connections: () => context.connections.nodeIds(),
			bootstrapLinks: () => user.bootstrapLinks(),
			uptimeS: (now) => context.uptimeS(now),
		};
	}

	/** Feeds one input and carries out what follows. */
	feed(input: TopologyInput, now: number): void {
		this.#inputs.push(input);
		if (this.#draining) return;
		this.#draining = true;
		for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
			this.plugin.handle(next, now);
			for (let output = this.plugin.poll(); output !== undefined; output = this.plugin.poll())
				this.#carryOut(output, now);
		}
		this.#draining = false;
	}

	deadline(): number {
		return this.plugin.deadline();
	}

	timeout(now: number): void {
		if (this.plugin.deadline() <= now) this.feed({ type: "timeout" }, now);
	}

	#carryOut(output: TopologyOutput, now: number): void {
		switch (output.type) {
			case "send":
				this.#send(output, now);
				return;
			case "attach":
				this.#attach(output, now);
				return;
			case "answer":
				this.#take(output.token, (request) => this.#context.answers.answer(request, output.body, now));
				return;
			case "refuse": {
				const { errorCode, info } = output;
				this.#take(output.token, (request) => this.#context.answers.refuse(request, errorCode, info, now));
				return;
			}
			case "release":
				this.#user.release(output.nodeId, now);
				return;
			case "handOver":
				this.#user.handOver(output.to, output.after, output.upTo, now);
				return;
			case "placementChanged":
				this.#user.placementChanged(now);
				return;
			case "joined":
				this.#user.joined(now);
				return;
			case "isolated":
				this.#user.isolated(now);
				return;
			case "left":
				this.#user.left(now);
		}
	}

	#send(output: Extract<TopologyOutput, { type: "send" }>, now: number): void {
		const { token, code, body, destination, extensions } = output;
		const done = (outcome: Outcome, at: number) => this.#sent(token, outcome, at);
		this.#context.requests.open({ code, body, destination, extensions, done }, now);
	}

	#sent(token: number, outcome: Outcome, now: number): void {
		if (!outcome.ok) {
			const { errorCode, from } = outcome;
			this.feed({ type: "result", token, ok: false, from: from?.nodeId, body: undefined, errorCode }, now);
			return;
		}
		const { messageBody: body, extensions } = outcome.message.contents;
		const from = outcome.from.nodeId;
		this.feed({ type: "result", token, ok: true, from, body, errorCode: 0, extensions }, now);
	}

	#attach(output: Extract<TopologyOutput, { type: "attach" }>, now: number): void {
		const { token, destination, sendUpdate } = output;
		this.#user.attaches().open(
			{
				destination,
				sendUpdate,
				done: (outcome, at) => {
					const from = outcome.ok ? outcome.nodeId : undefined;
					const connection = from && this.#context.connections.find(from);
					if (connection !== undefined) connection.released = false;
					const errorCode = outcome.ok ? 0 : outcome.errorCode;
					this.feed({ type: "result", token, ok: outcome.ok, from, body: undefined, errorCode }, at);
				},
			},
			now,
		);
	}

	/** A verified Join, Leave, Update or RouteQuery for us; the plug-in answers it. */
	request(request: IncomingRequest, now: number): void {
		for (const [token, { forgetAt }] of this.#requests) {
			if (forgetAt > now) break;
			this.#requests.delete(token);
		}
		if (this.#requests.size >= OPEN_REQUESTS) {
			this.#context.answers.refuse(request, ErrorCode.inProgress, "busy", now);
			return;
		}
		const token = ++this.#lastRequest;
		// RFC 6940 §6.2.2: nobody waits longer for an answer.
		this.#requests.set(token, { request, forgetAt: now + Times.requestLifetimeMs });
		const { code, body, overLink } = request;
		this.feed({ type: "request", token, code, from: request.from.nodeId, overLink, body }, now);
	}

	#take(token: number, run: (request: IncomingRequest) => void): void {
		const entry = this.#requests.get(token);
		if (entry === undefined) return;
		this.#requests.delete(token);
		run(entry.request);
	}

	/** A Probe request for us was answered; RFC 7363 §6.5 reads its extensions. */
	probed(from: Uint8Array, extensions: readonly MessageExtension[], now: number): void {
		if (extensions.length > 0) this.feed({ type: "probed", from, extensions }, now);
	}

	/** True when this peer routes through the node: its link is worth probing often. */
	isRouting(nodeId: Uint8Array): boolean {
		return includesBytes(this.plugin.routingTable(), nodeId);
	}
}
