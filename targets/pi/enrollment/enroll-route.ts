/** POST to the enrollment server: the form of RFC 6940 §11.3 in, a certificate or a token out; attempts are limited. */
import { Encoder } from "cbor-x";
import { isRefused } from "../../../core/machine.ts";
import type { Log } from "../../../hal/hal.ts";
import { type EnrollmentForm, type Issuing, Token } from "../household/issuing.ts";
import type { IssueResult } from "../household/types.ts";
import {
	ACCOUNT_ATTEMPTS,
	ACCOUNT_REFILL_MS,
	MAX_FIELD,
	MAX_RATE_KEYS,
	PASSWORD_CHECKS,
	PASSWORD_QUEUE,
	SOURCE_ATTEMPTS,
	SOURCE_REFILL_MS,
} from "./limits.ts";
import { boundaryOf, type Form, type FormPart, readForm } from "./multipart.ts";
import { CBOR_TYPE, PKCS10, PKIX_CERT } from "./paths.ts";
import { Gate, RateLimit, sourceOf } from "./rate-limit.ts";
import { type HttpRequest, type HttpResponse, textResponse } from "./router.ts";

const codec = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true, tagUint8Array: false });

export class EnrollRoute {
	readonly #issuing: Issuing;
	readonly #log: Log | undefined;
	readonly #sources: RateLimit;
	readonly #names: RateLimit;
	readonly #gate = new Gate(PASSWORD_CHECKS, PASSWORD_QUEUE);

	/** `now`: monotonic milliseconds. */
	constructor(issuing: Issuing, now: () => number, log?: Log) {
		this.#issuing = issuing;
		this.#log = log;
		const maxKeys = MAX_RATE_KEYS;
		this.#sources = new RateLimit({ attempts: SOURCE_ATTEMPTS, refillMs: SOURCE_REFILL_MS, maxKeys, now });
		this.#names = new RateLimit({ attempts: ACCOUNT_ATTEMPTS, refillMs: ACCOUNT_REFILL_MS, maxKeys, now });
	}

	async handle(request: HttpRequest): Promise<HttpResponse> {
		// RFC 6940 §11.3 MUST: the Accept header names the type. Choice: a device asks for everything it needs in one answer, as CBOR.
		const isWhole = accepts(request.headers.accept, CBOR_TYPE);
		if (!isWhole && !accepts(request.headers.accept, PKIX_CERT))
			return textResponse(406, `Accept: ${PKIX_CERT} is required`);
		const boundary = boundaryOf(request.headers["content-type"]);
		if (boundary === undefined) return textResponse(415, "multipart/form-data is required");
		const form = readForm(request.body, boundary);
		if (isRefused(form)) return textResponse(400, form.refused);
		const fields = readFields(form);
		return "refused" in fields ? failure(fields.refused) : this.#limited(fields, sourceOf(request.source), isWhole);
	}

	async #limited(form: EnrollmentForm, source: string, isWhole: boolean): Promise<HttpResponse> {
		const name = form.username?.split("@")[0] ?? "";
		const waitMs = this.#sources.take(source) || (form.password === undefined ? 0 : this.#names.take(name));
		if (waitMs > 0) {
			this.#log?.("warn", "enroll.limited", { source });
			return textResponse(429, Token.tooManyAttempts, { "Retry-After": String(Math.ceil(waitMs / 1000)) });
		}
		const result = await this.#gate.run(() => this.#issuing.enroll(form));
		if (result === undefined) return textResponse(503, Token.unavailable, { "Retry-After": "5" });
		if ("refused" in result) {
			this.#log?.("info", "enroll.refused", { source, reason: result.refused });
			return failure(result.refused);
		}
		// A right code or password is no attempt. A renewal, which needs neither, counts: each costs a signature and a write.
		if (form.password !== undefined) {
			this.#sources.giveBack(source);
			this.#names.giveBack(name);
		}
		this.#log?.("info", "enroll.issued", { source });
		return isWhole ? this.#whole(result) : { status: 200, type: PKIX_CERT, body: result.certificate };
	}

	/** Plain CBOR, definite lengths, no tags: a small decoder on a device reads it. */
	#whole({ certificate, userName, settingsKey }: Extract<IssueResult, { certificate: Uint8Array }>): HttpResponse {
		const { root, document } = this.#issuing.household();
		const key = settingsKey === undefined ? {} : { settingsKey };
		const whole = { certificate, root, document, ...key, userName: userName ?? "" };
		return { status: 200, type: CBOR_TYPE, body: new Uint8Array(codec.encode(whole)) };
	}
}

/** RFC 6940 §11.3 SHOULD: 403, text/plain, one token. */
function failure(token: string): HttpResponse {
	return textResponse(403, token);
}

function accepts(header: string | undefined, type: string): boolean {
	return (header ?? "").split(",").some((item) => item.split(";")[0]?.trim().toLowerCase() === type);
}

function readFields(form: Form): EnrollmentForm | { readonly refused: string } {
	const part = (name: string): FormPart | undefined => form.parts.find((one) => one.name === name);
	const csr = part("csr");
	// RFC 6940 §11.3: the request is in a part of this type.
	if (csr === undefined || csr.contentType !== PKCS10) return { refused: Token.badCsr };
	const username = text(part("username"));
	const password = text(part("password"));
	if (username === null || password === null) return { refused: Token.failedAuthentication };
	const nodeIds = text(part("nodeids"));
	const count =
		nodeIds === undefined ? 1 : nodeIds !== null && /^\d{1,5}$/.test(nodeIds) ? Number(nodeIds) : Number.NaN;
	return { username, password, nodeIds: count, csr: csr.octets };
}

/** Undefined: absent. Null: no UTF-8, or too long. */
function text(part: FormPart | undefined): string | null | undefined {
	if (part === undefined) return undefined;
	if (part.octets.length > MAX_FIELD) return null;
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part.octets);
	} catch {
		return null;
	}
}
