/**
 * AppAttach: a TLS connection for an application between two identities, agreed on through the overlay. Before editing read
 * RFC 6940 §6.5.2, RFC 7904 §5. The connection itself is the host's.
 *
 *   asking side          answering side
 *   passive (server) ◄── active: event appConnect          the RFC's usual case
 *   active ───────────► passive (server): event appExpect  a device asks: it has no TLS server side
 */
import { isRefused } from "../machine.ts";
import { type AppAttach, readAppAttach, writeAppAttach } from "../wire/attach.ts";
import { bytesToUtf8, toHex, utf8ToBytes } from "../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import type { Destination } from "../wire/destination.ts";
import { encode } from "../wire/writer.ts";
import { AttachRole, activeCandidates, hostCandidates, NO_ICE, usableEndpoints } from "./candidates.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { AppAttachOptions, ApplicationListener, Endpoint } from "./node-types.ts";
import type { Outcome } from "./requests.ts";

export class AppAttaches {
	readonly #context: NodeContext;
	readonly #applications: readonly ApplicationListener[];

	constructor(context: NodeContext, applications: readonly ApplicationListener[]) {
		this.#context = context;
		this.#applications = applications;
	}

	#listener(application: number): ApplicationListener | undefined {
		for (const listener of this.#applications) if (listener.application === application) return listener;
		return undefined;
	}

	/** Sends an AppAttach; its result has `token`. */
	open(
		token: number,
		destination: readonly Destination[],
		application: number,
		options: AppAttachOptions,
		now: number,
	): void {
		const role = options.role ?? AttachRole.passive;
		const identity = options.as === undefined ? undefined : this.#context.identities.find(options.as);
		const listen = this.#listener(application)?.listen ?? [];
		const candidates = role === AttachRole.passive ? hostCandidates(listen) : activeCandidates(this.#context.listen);
		if (candidates.length === 0 || (options.as !== undefined && identity === undefined)) {
			const info = candidates.length === 0 ? "no listener for this application" : "not one of our identities";
			this.#context.later((at) => this.#fail(token, ErrorCode.forbidden, info, at));
			return;
		}
		if (role === AttachRole.passive) this.#expectLast(destination, application, options);
		this.#context.requests.open(
			{
				code: MessageCode.appAttachReq,
				body: encode(writeAppAttach, { ...NO_ICE, application, role: utf8ToBytes(role), candidates }),
				destination,
				identity,
				maxResponseLength: options.maxResponseLength,
				done: (outcome) => this.#answered(token, role, outcome),
			},
			now,
		);
	}

	/** The other end may connect before its answer has come along the overlay: the host is told now whom to expect. */
	#expectLast(destination: readonly Destination[], application: number, options: AppAttachOptions): void {
		const last = destination[destination.length - 1];
		const identity = this.#context.identities.find(options.as ?? this.#context.nodeId);
		if (last === undefined || !("nodeId" in last) || identity === undefined) return;
		this.#context.event({ type: "appExpect", identity, expect: last.nodeId, application });
	}

	#fail(token: number, errorCode: number, info: string, _now: number): void {
		this.#context.result(token, { ok: false, errorCode, info });
	}

	#answered(token: number, role: string, outcome: Outcome): void {
		if (!outcome.ok) {
			const { errorCode, info } = outcome;
			this.#context.result(token, { ok: false, errorCode, info: bytesToUtf8(info), infoBytes: info });
			return;
		}
		const { config } = this.#context.settings;
		const answer = readAppAttach(outcome.message.contents.messageBody);
		const expect = outcome.from.nodeId;
		const serverName = `${toHex(expect)}.${config.instanceName}`;
		let connect: readonly Endpoint[] = [];
		if (role === AttachRole.active) {
			const { candidates: limit } = this.#context.limits;
			connect = isRefused(answer) ? [] : (usableEndpoints(answer.candidates, config, limit) ?? []);
			if (connect.length === 0) {
				this.#fail(token, ErrorCode.invalidMessage, "no usable candidate in the answer", 0);
				return;
			}
		}
		this.#context.result(token, {
			ok: true,
			body: { type: "appAttach", expect, connect, serverName },
			from: outcome.from,
			hops: outcome.hops,
			rttMs: outcome.rttMs,
		});
	}

	/** An AppAttach request for one of our identities. */
	serve(request: IncomingRequest, now: number): void {
		const { answers, counters } = this.#context;
		const body = readAppAttach(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const listener = this.#listener(body.application);
		// RFC 6940 §6.5.2 MUST: an application that is not supported.
		if (listener === undefined) {
			answers.refuse(request, ErrorCode.notFound, "application not supported", now);
			return;
		}
		const role = bytesToUtf8(body.role);
		const isActive = role === AttachRole.passive || role === AttachRole.actpass;
		if (!isActive && role !== AttachRole.active) {
			answers.refuse(request, ErrorCode.invalidMessage, "role is neither passive, active nor actpass", now);
			return;
		}
		const done = isActive ? this.#connectOut(request, body, now) : this.#expect(request, body, listener, now);
		if (!done) counters.add(Counter.attachUnusable);
	}

	/** They are the server: the host connects. */
	#connectOut(request: IncomingRequest, body: AppAttach, now: number): boolean {
		const { answers, settings, limits } = this.#context;
		const candidates = usableEndpoints(body.candidates, settings.config, limits.candidates);
		const first = candidates?.[0];
		if (candidates === undefined || first === undefined) {
			const why = candidates === undefined ? "ICE and No-ICE candidates are mixed" : "no usable candidate";
			answers.refuse(request, ErrorCode.invalidMessage, why, now);
			return false;
		}
		this.#answer(request, body.application, AttachRole.active, now);
		const expect = request.from.nodeId;
		this.#context.event({
			type: "appConnect",
			identity: request.identity,
			address: first.address,
			port: first.port,
			candidates,
			expect,
			application: body.application,
			serverName: `${toHex(expect)}.${settings.config.instanceName}`,
		});
		return true;
	}

	/** We are the server: they connect to our application port. */
	#expect(request: IncomingRequest, body: AppAttach, listener: ApplicationListener, now: number): boolean {
		if (hostCandidates(listener.listen).length === 0) {
			this.#context.answers.refuse(request, ErrorCode.notFound, "this node only connects out", now);
			return false;
		}
		const { identity, from } = request;
		this.#context.event({ type: "appExpect", identity, expect: from.nodeId, application: body.application });
		this.#answer(request, body.application, AttachRole.passive, now);
		return true;
	}

	#answer(request: IncomingRequest, application: number, role: string, now: number): void {
		const listen = this.#listener(application)?.listen ?? [];
		const passive = hostCandidates(listen);
		const candidates =
			role === AttachRole.passive || passive.length > 0 ? passive : activeCandidates(this.#context.listen);
		const body = { ...NO_ICE, application, role: utf8ToBytes(role), candidates };
		this.#context.answers.answer(request, encode(writeAppAttach, body), now);
	}
}
