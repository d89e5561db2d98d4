/**
 * Commands to the running daemon: newline-separated JSON over a Unix socket (0600) in the state directory.
 *
 *     -> {"id":1,"command":"account.add","args":{"name":"alice","password":"..."}}
 *     <- {"id":1,"event":...}                         any number of times, for commands that report progress
 *     <- {"id":1,"ok":true,"result":...}              or
 *     <- {"id":1,"ok":false,"error":"...","fix":"..."}
 *
 * `id` is chosen by the client. Requests of one connection run at the same time; answers come as they are ready. Closing the
 * connection aborts what is under way.
 */
import { setMaxListeners } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Log } from "../../../hal/hal.ts";
import { errorText, UserError } from "./errors.ts";
import { MAX_CONTROL_CONNECTIONS, MAX_CONTROL_LINE, MAX_CONTROL_REQUESTS, MAX_SOCKET_PATH } from "./limits.ts";

export type ControlArgs = Readonly<Record<string, unknown>>;

/** What a handler gets besides its arguments. */
export interface ControlContext {
	/** Sends an event line to the client. */
	emit(event: unknown): void;
	/** Aborted when the client goes away. */
	readonly signal: AbortSignal;
}

/** Carries out one command. What it returns (or resolves to) is the `result`; it throws a `UserError` to refuse. */
export type ControlHandler = (args: ControlArgs, context: ControlContext) => unknown;

export interface ControlServerOptions {
	/** Path of the socket. */
	readonly path: string;
	readonly log?: Log;
}

export class ControlServer {
	readonly #path: string;
	readonly #log: Log | undefined;
	readonly #handlers = new Map<string, ControlHandler>();
	readonly #sockets = new Set<Socket>();
	#server: Server | undefined;

	constructor(options: ControlServerOptions) {
		this.#path = options.path;
		this.#log = options.log;
	}

	/** Adds a command. A name can be taken once. */
	register(name: string, handler: ControlHandler): void {
		if (this.#handlers.has(name)) throw new Error(`the command ${name} exists already`);
		this.#handlers.set(name, handler);
	}

	/** Adds a table of commands. */
	registerAll(handlers: Readonly<Record<string, ControlHandler>>): void {
		for (const [name, handler] of Object.entries(handlers)) this.register(name, handler);
	}

	/** Names of all commands, sorted. */
	commands(): string[] {
		return [...this.#handlers.keys()].sort();
	}

	/** Starts to listen. The caller holds the lock of the state directory, so a socket file that is there is a leftover. */
	async listen(): Promise<void> {
		checkSocketPath(this.#path);
		rmSync(this.#path, { force: true });
		const server = createServer((socket) => this.#accept(socket));
		this.#server = server;
		await new Promise<void>((resolve, reject) => {
			server.once("error", (error) =>
				reject(new UserError(`${this.#path}: ${errorText(error)}`, "check the permissions of the state directory")),
			);
			server.listen(this.#path, resolve);
		});
		chmodSync(this.#path, 0o600);
	}

	/** Closes the socket and every connection. */
	async close(): Promise<void> {
		const server = this.#server;
		this.#server = undefined;
		for (const socket of this.#sockets) socket.destroy();
		if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
	}

	#accept(socket: Socket): void {
		// Limit (MAX_CONTROL_CONNECTIONS): one more is closed at once.
		if (this.#sockets.size >= MAX_CONTROL_CONNECTIONS) {
			socket.on("error", () => undefined);
			const refused = { ok: false, error: "too many control connections", fix: "close one of them" };
			socket.end(line(refused), () => socket.destroy());
			return;
		}
		this.#sockets.add(socket);
		const gone = new AbortController();
		setMaxListeners(MAX_CONTROL_REQUESTS, gone.signal);
		let underWay = 0;
		socket.on("error", () => socket.destroy());
		socket.on("close", () => {
			this.#sockets.delete(socket);
			gone.abort();
		});
		readLines(socket, (text) => {
			// Limit (MAX_CONTROL_REQUESTS): one more is answered with an error, the others go on.
			if (underWay >= MAX_CONTROL_REQUESTS) {
				socket.write(
					line({ id: idOf(text), ok: false, error: "too many requests at once", fix: "wait for an answer" }),
				);
				return;
			}
			underWay++;
			void this.#answer(text, socket, gone.signal).finally(() => underWay--);
		});
	}

	async #answer(text: string, socket: Socket, signal: AbortSignal): Promise<void> {
		const request = readJson(text);
		const id = request?.id;
		const send = (answer: Record<string, unknown>): void => {
			if (!socket.destroyed) socket.write(line({ id, ...answer }));
		};
		const command = request?.command;
		const handler = typeof command === "string" ? this.#handlers.get(command) : undefined;
		if (request === undefined || handler === undefined) {
			const error = request === undefined ? "not a JSON object" : `unknown command ${String(command)}`;
			send({ ok: false, error, fix: "" });
			return;
		}
		try {
			const args = isRecord(request.args) ? request.args : {};
			const result = await handler(args, { emit: (event) => send({ event }), signal });
			send({ ok: true, result: result ?? null });
		} catch (error) {
			const fix = error instanceof UserError ? error.fix : "";
			if (!(error instanceof UserError))
				this.#log?.("error", "control.failed", { command: String(command), error: errorText(error) });
			send({ ok: false, error: errorText(error), fix });
		}
	}
}

/** Refuses a path that a Unix socket cannot have. */
export function checkSocketPath(path: string): void {
	const length = Buffer.byteLength(path);
	if (length > MAX_SOCKET_PATH)
		throw new UserError(
			`${path}: too long for a Unix socket (${length} octets, ${MAX_SOCKET_PATH} at most)`,
			"choose a shorter directory with --state",
		);
}

/** Calls `onLine` for every line; a line above MAX_CONTROL_LINE ends the connection. */
export function readLines(socket: Socket, onLine: (text: string) => void): void {
	let kept: Buffer[] = [];
	let keptSize = 0;
	socket.on("data", (chunk: Buffer) => {
		let rest = chunk;
		for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
			const text = Buffer.concat([...kept, rest.subarray(0, at)]).toString("utf8");
			kept = [];
			keptSize = 0;
			rest = rest.subarray(at + 1);
			if (text.trim() !== "") onLine(text);
		}
		if (rest.length > 0) kept.push(rest);
		keptSize += rest.length;
		if (keptSize > MAX_CONTROL_LINE) socket.destroy();
	});
}

/** Parses a JSON object; undefined for anything else. */
export function readJson(text: string): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return isRecord(value) ? value : undefined;
	} catch {
		return undefined;
	}
}

function idOf(text: string): unknown {
	return readJson(text)?.id;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** One line of the protocol. */
export function line(value: unknown): string {
	return `${JSON.stringify(value)}\n`;
}
