/** A small router for node:https: exact paths, bounded bodies, one answer per request. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../../../hal/hal.ts";
import { errorText, UserError } from "../state/errors.ts";

export interface HttpRequest {
	readonly method: string;
	readonly path: string;
	readonly query: URLSearchParams;
	readonly headers: IncomingMessage["headers"];
	readonly body: Uint8Array;
	/** IP address of the client. */
	readonly source: string;
	/** Node's own request, for its socket. */
	readonly message: IncomingMessage;
	/** Aborted when the client goes away. */
	readonly signal: AbortSignal;
}

export interface HttpResponse {
	readonly status: number;
	readonly type?: string;
	readonly body?: Uint8Array | string;
	readonly headers?: Readonly<Record<string, string>>;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;

interface Route {
	readonly handler: HttpHandler;
	readonly maxBody: number;
}

/** An answer of one line of text. */
export function textResponse(
	status: number,
	text: string,
	headers: Readonly<Record<string, string>> = {},
): HttpResponse {
	return { status, type: "text/plain", body: text, headers };
}

export class Router {
	readonly #routes = new Map<string, Map<string, Route>>();
	readonly #log: Log | undefined;

	constructor(log?: Log) {
		this.#log = log;
	}

	/** Adds a route. `maxBody`: octets of a request body; 0 = none is read. GET answers HEAD as well. */
	add(method: "GET" | "POST", path: string, maxBody: number, handler: HttpHandler): void {
		const methods = this.#routes.get(path) ?? new Map<string, Route>();
		methods.set(method, { handler, maxBody });
		this.#routes.set(path, methods);
	}

	/** Answers one request; never rejects. */
	async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
		const gone = new AbortController();
		response.on("close", () => gone.abort());
		message.on("error", () => gone.abort());
		try {
			send(response, message, await this.#answer(message, gone.signal));
		} catch (error) {
			this.#log?.("error", "http.failed", { path: message.url?.split("?")[0], error: errorText(error) });
			const status = error instanceof UserError ? 503 : 500;
			send(response, message, textResponse(status, "temporarily_unavailable"));
		}
	}

	async #answer(message: IncomingMessage, signal: AbortSignal): Promise<HttpResponse> {
		const url = safeUrl(message.url);
		if (url === undefined) return textResponse(400, "bad_request");
		const methods = this.#routes.get(url.pathname);
		if (methods === undefined) return textResponse(404, "not_found");
		const method = message.method === "HEAD" ? "GET" : (message.method ?? "");
		const route = methods.get(method);
		if (route === undefined) return textResponse(405, "method_not_allowed", { Allow: [...methods.keys()].join(", ") });
		const body = await readBody(message, route.maxBody);
		if (body === undefined) return textResponse(413, "too_large", { Connection: "close" });
		return route.handler({
			method,
			path: url.pathname,
			query: url.searchParams,
			headers: message.headers,
			body,
			source: message.socket.remoteAddress ?? "",
			message,
			signal,
		});
	}
}

function safeUrl(target: string | undefined): URL | undefined {
	try {
		return new URL(target ?? "", "https://localhost");
	} catch {
		return undefined;
	}
}

/** The whole body, or undefined when it is larger than `most`. Rejects when the client goes away. */
async function readBody(message: IncomingMessage, most: number): Promise<Uint8Array | undefined> {
	if (Number(message.headers["content-length"] ?? 0) > most) return undefined;
	const chunks: Buffer[] = [];
	let size = 0;
	for await (const chunk of message as AsyncIterable<Buffer>) {
		size += chunk.length;
		if (size > most) return undefined;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

function send(response: ServerResponse, message: IncomingMessage, answer: HttpResponse): void {
	if (response.headersSent || response.destroyed) return;
	const body = typeof answer.body === "string" ? Buffer.from(answer.body, "utf8") : answer.body;
	const headers: Record<string, string> = { "Cache-Control": "no-store", ...answer.headers };
	if (answer.type !== undefined) headers["Content-Type"] = answer.type;
	if (answer.status !== 204 && answer.status !== 304) headers["Content-Length"] = String(body?.length ?? 0);
	response.writeHead(answer.status, headers);
	response.end(message.method === "HEAD" ? undefined : body);
}
