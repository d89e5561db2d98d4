/**
 * One XS engine in a process of its own: the worker program of npm's @agoric/xsnap, spoken to directly (the package's own JavaScript
 * would lock down this process).
 *
 * ```
 *   fd 3, to XS     e source   evaluate          ? octets   globalThis.handleCommand(ArrayBuffer)
 *                   w path     write its heap    / octets   the answer to a question of XS
 *   fd 4, from XS   . meter 0x01 reply           ! why it failed          ? octets   issueCommand(ArrayBuffer): XS waits
 * ```
 *
 * Every message is a netstring ("5:hello,"). XS does one command at a time and drains its promise jobs before it replies.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type HeapSizes, readSnapshot } from "./snapshot.ts";

/** What XS replied to a command. */
export interface XsReply {
	/** Only an ArrayBuffer (or the `result` of an object) arrives; everything else is empty. */
	readonly bytes: Buffer;
	/** Slots in use, garbage included. */
	readonly slots: number;
	/** Steps of the byte code machine: the same for the same work, on every machine. */
	readonly steps: number;
}

/** Live memory after a collection. */
export interface XsHeap extends HeapSizes {
	readonly slots: number;
}

export interface XsWorkerOptions {
	/** Answers `issueCommand`; XS waits for it. What it throws becomes an exception in XS only when the caller's code makes it one. */
	readonly onCall?: (question: Buffer) => Uint8Array | string;
	/** Kilobytes the parser may use: large bundles need more than the default. */
	readonly parserKilobytes?: number;
}

/** Room for the parser: our largest bundle is about 1 MB. */
const PARSER_KILOBYTES = 16_384;
const WORKER = "test/xs/node_modules/@agoric/xsnap/xsnap-native/xsnap/build/bin";

/** The worker program, or undefined when it is not installed (`npm test` installs it; `XSNAP_WORKER` names another). */
export function workerProgram(): string | undefined {
	const named = process.env.XSNAP_WORKER;
	if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
	const system = process.platform === "darwin" ? "mac" : "lin";
	// The project's root lies one folder above dist/ and two above this file.
	let folder = dirname(fileURLToPath(import.meta.url));
	for (let level = 0; level < 4; level++, folder = dirname(folder)) {
		const program = join(folder, WORKER, system, "release/xsnap-worker");
		if (existsSync(program)) return program;
	}
	return undefined;
}

/** What to tell who wants XS and has not installed it. */
export const NO_ENGINE = "the XS engine is not installed: npm ci --prefix test/xs (needs make and a C compiler)";

interface Pending {
	readonly resolve: (reply: XsReply) => void;
	readonly reject: (why: Error) => void;
}

const QUESTION = 0x3f;
const REPLY = 0x2e;
const COLON = 0x3a;

export class XsWorker {
	readonly #process: ChildProcess;
	readonly #toXs: Writable;
	readonly #onCall: (question: Buffer) => Uint8Array | string;
	/** Settles when the process has ended: `undefined` = as asked. */
	readonly ended: Promise<string | undefined>;
	/** All it wrote to stderr: promises nobody handled, mostly. Empty when all is well. */
	stderr = "";
	#received: Buffer = Buffer.alloc(0);
	#pending: Pending | undefined;
	#last: Promise<unknown> = Promise.resolve();
	#gone: Error | undefined;

	constructor(options: XsWorkerOptions = {}) {
		const program = workerProgram();
		if (program === undefined) throw new Error(NO_ENGINE);
		this.#onCall = options.onCall ?? (() => "");
		const parser = String(options.parserKilobytes ?? PARSER_KILOBYTES);
		const child = spawn(program, ["ringlet", "-s", parser], { stdio: ["ignore", "inherit", "pipe", "pipe", "pipe"] });
		this.#process = child;
		this.#toXs = child.stdio[3] as Writable;
		const fromXs = child.stdio[4] as Readable;
		this.ended = new Promise((resolve) => {
			child.once("error", (error) => this.#end(`XS cannot be started: ${error.message}`, resolve));
			child.once("close", (code, signal) =>
				this.#end(code === 0 ? undefined : `XS ended: ${signal ?? `code ${code}`}\n${this.stderr}`, resolve),
			);
		});
		// A worker that died closes the pipe under our hands; `ended` tells why.
		this.#toXs.on("error", () => {});
		fromXs.on("data", (bytes: Buffer) => this.#receive(bytes));
		child.stderr!.setEncoding("utf8").on("data", (text: string) => {
			this.stderr += text;
		});
	}

	/** Runs a program (sloppy mode, one global scope). Rejects with the error XS tells. */
	evaluate(source: string): Promise<XsReply> {
		return this.#command("e", Buffer.from(source));
	}

	/** Calls `globalThis.handleCommand` with the octets. */
	post(event: Uint8Array | string): Promise<XsReply> {
		return this.#command("?", Buffer.from(event as Uint8Array));
	}

	/** Collects garbage and counts what lives. */
	async heap(): Promise<XsHeap> {
		await this.evaluate("gc();0");
		const { slots } = await this.evaluate("0");
		const folder = mkdtempSync(join(tmpdir(), "ringlet-xs-"));
		try {
			const file = join(folder, "heap");
			await this.#command("w", Buffer.from(file));
			return { slots, ...readSnapshot(readFileSync(file)) };
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	}

	/** Lets it finish what it does and end. */
	close(): Promise<string | undefined> {
		this.#toXs.end();
		return this.ended;
	}

	/** Ends it at once, as a power cut would. */
	kill(): Promise<string | undefined> {
		this.#process.kill("SIGKILL");
		return this.ended;
	}

	#command(tag: string, body: Buffer): Promise<XsReply> {
		const run = (): Promise<XsReply> =>
			new Promise((resolve, reject) => {
				if (this.#gone !== undefined) {
					reject(this.#gone);
					return;
				}
				this.#pending = { resolve, reject };
				this.#send(tag, body);
			});
		const reply = this.#last.then(run);
		// The next command waits for this one, whatever became of it; who asked hears of it by `reply`.
		this.#last = reply.catch(() => {});
		return reply;
	}

	#send(tag: string, body: Uint8Array): void {
		this.#toXs.write(Buffer.concat([Buffer.from(`${body.length + 1}:${tag}`), body, Buffer.from(",")]));
	}

	#receive(bytes: Buffer): void {
		this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, bytes]) : bytes;
		for (;;) {
			const colon = this.#received.indexOf(COLON);
			if (colon < 0) return;
			const end = colon + 1 + Number(this.#received.toString("latin1", 0, colon));
			if (this.#received.length < end + 1) return;
			const message = this.#received.subarray(colon + 1, end);
			this.#received = this.#received.subarray(end + 1);
			this.#message(message);
		}
	}

	#message(message: Buffer): void {
		if (message[0] === QUESTION) {
			const answer = this.#onCall(Buffer.from(message.subarray(1)));
			this.#send("/", typeof answer === "string" ? Buffer.from(answer) : answer);
			return;
		}
		const pending = this.#pending;
		this.#pending = undefined;
		if (message[0] !== REPLY) {
			pending?.reject(new Error(`XS: ${message.toString("utf8", 1)}`));
			return;
		}
		const split = message.indexOf(1);
		const meter = JSON.parse(message.toString("utf8", 1, split)) as { currentHeapCount: number; compute: number };
		const reply = Buffer.from(message.subarray(split + 1));
		pending?.resolve({ bytes: reply, slots: meter.currentHeapCount, steps: meter.compute });
	}

	#end(why: string | undefined, resolve: (why: string | undefined) => void): void {
		this.#gone = new Error(why ?? "XS has ended");
		this.#pending?.reject(this.#gone);
		this.#pending = undefined;
		resolve(why);
	}
}
