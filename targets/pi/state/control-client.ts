/** The other end of the control socket: what the command line and the tests use. */
import { connect, type Socket } from "node:net";
import { checkSocketPath, line, readJson, readLines } from "./control-socket.ts";
import { errorCode, errorText, UserError } from "./errors.ts";

export interface ControlRequestOptions {
	/** Called for every event the command reports. */
	readonly onEvent?: (event: unknown) => void;
	/** Gives up after this long; waits for ever when absent. */
	readonly timeoutMs?: number;
}

interface Waiting {
	readonly resolve: (result: unknown) => void;
	readonly reject: (error: Error) => void;
	readonly onEvent: ((event: unknown) => void) | undefined;
	readonly timer: NodeJS.Timeout | undefined;
}

export class ControlClient {
	readonly #socket: Socket;
	readonly #waiting = new Map<number, Waiting>();
	#nextId = 1;

	private constructor(socket: Socket) {
		this.#socket = socket;
		readLines(socket, (text) => this.#take(text));
		socket.on("error", () => socket.destroy());
		socket.on("close", () => this.#failAll(new UserError("the daemon closed the control connection", "see its log")));
	}

	/** Connects to the daemon of a state directory; undefined when no daemon listens there. */
	static async connect(path: string): Promise<ControlClient | undefined> {
		checkSocketPath(path);
		const socket = connect(path);
		return await new Promise((resolve, reject) => {
			socket.once("connect", () => {
				socket.removeAllListeners("error");
				resolve(new ControlClient(socket));
			});
			socket.once("error", (error) => {
				if (errorCode(error) === "ENOENT" || errorCode(error) === "ECONNREFUSED") resolve(undefined);
				else reject(new UserError(`${path}: ${errorText(error)}`, "run this as the user of the daemon"));
			});
		});
	}

	/** Runs one command. Rejects with the daemon's `UserError`. */
	request(
		command: string,
		args: Readonly<Record<string, unknown>> = {},
		options: ControlRequestOptions = {},
	): Promise<unknown> {
		const id = this.#nextId++;
		return new Promise((resolve, reject) => {
			const { timeoutMs, onEvent } = options;
			const timer =
				timeoutMs === undefined
					? undefined
					: setTimeout(() => {
							this.#waiting.delete(id);
							reject(new UserError(`${command}: the daemon did not answer within ${timeoutMs} ms`, "see its log"));
						}, timeoutMs);
			this.#waiting.set(id, { resolve, reject, onEvent, timer });
			this.#socket.write(line({ id, command, args }));
		});
	}

	/** Closes the connection; what is under way fails. */
	close(): void {
		this.#socket.destroy();
	}

	#take(text: string): void {
		const answer = readJson(text);
		if (answer === undefined) return;
		const waiting = this.#waiting.get(Number(answer.id));
		if (waiting === undefined) {
			if (answer.ok === false && answer.id === undefined) this.#failAll(refusal(answer));
			return;
		}
		if ("event" in answer) {
			waiting.onEvent?.(answer.event);
			return;
		}
		this.#waiting.delete(Number(answer.id));
		clearTimeout(waiting.timer);
		if (answer.ok === true) waiting.resolve(answer.result);
		else waiting.reject(refusal(answer));
	}

	#failAll(error: Error): void {
		for (const waiting of this.#waiting.values()) {
			clearTimeout(waiting.timer);
			waiting.reject(error);
		}
		this.#waiting.clear();
	}
}

/** `error` of the wire already carries the fix in its text: keep both without doubling it. */
function refusal(answer: Record<string, unknown>): UserError {
	const text = String(answer.error ?? "refused");
	const fix = String(answer.fix ?? "");
	const what = fix !== "" && text.endsWith(`; ${fix}`) ? text.slice(0, -fix.length - 2) : text;
	return new UserError(what, fix);
}
