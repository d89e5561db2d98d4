/**
 * `ringlet demo`: three peers and two phones on this machine. A call, the peer in the middle dies, another call.
 *
 *     phone A -- peer 1 ------ peer 3 -- phone B
 *                   \           /
 *                    peer 2 (keeps B's registration; is killed)
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LookupReport } from "../cli/look.ts";
import { bold, dim, green, red, yellow } from "../cli/output.ts";
import { type Call, ScriptedPhone } from "./phone.ts";
import { freePort, loopback, nameKeptAt, PeerProcess, runRinglet } from "./processes.ts";
import { type Place, placeOf } from "./sip-text.ts";

export interface DemoOptions {
	readonly json: boolean;
	/** Path of dist/ringlet.js. */
	readonly ringlet: string;
	readonly out: { write(text: string): unknown };
}

const DOMAIN = "home.example";
const CALLER = "anna";
/** Who is called: whoever of these has the registration kept at peer 2. */
const CALLEES: readonly string[] = Object.freeze(
	(
		"ben carl dora emil fritz greta hans ida jonas kim lena max nora otto paul rosa sam tess uli vera willi xenia yann zoe " +
		"amir bela cleo dario edda finn gina hugo ines jana karl lisa mia nils olga pia ralf sara tom ute veit wanda yara"
	).split(" "),
);
/** Tone packets each phone must have heard in a call: one second, less what a busy machine loses. */
const ENOUGH_PACKETS = 40;
const CALL_MS = 1_000;
/** A phone whose call fails tries again, as people do, for this long. */
const CALL_AGAIN_MS = 10_000;
const RING_WITHIN_MS = 5_000;

interface CallReport {
	readonly ringMs: number;
	readonly tries: number;
	readonly caller: { readonly sent: number; readonly received: number };
	readonly callee: { readonly sent: number; readonly received: number };
	readonly good: boolean;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the demo and cleans up behind it; gives the exit code: 0 when both calls were made with audio both ways. */
export async function runDemo(options: DemoOptions): Promise<number> {
	const folder = mkdtempSync(join(tmpdir(), "ringlet-demo-"));
	const demo = new Demo(options, folder);
	const interrupt = (): void => void demo.close().then(() => process.exit(130));
	process.once("SIGINT", interrupt);
	process.once("SIGTERM", interrupt);
	try {
		return (await demo.run()) ? 0 : 1;
	} catch (error) {
		demo.say("failed", `${red("✗")} ${error instanceof Error ? error.message : String(error)}`, {
			error: String(error),
		});
		return 1;
	} finally {
		process.off("SIGINT", interrupt);
		process.off("SIGTERM", interrupt);
		await demo.close();
	}
}

class Demo {
	readonly #options: DemoOptions;
	readonly #folder: string;
	readonly #began = performance.now();
	readonly #peers: PeerProcess[] = [];
	readonly #phones: ScriptedPhone[] = [];

	constructor(options: DemoOptions, folder: string) {
		this.#options = options;
		this.#folder = folder;
	}

	/** One line of the story; with --json one JSON document. */
	say(what: string, text: string, facts: Readonly<Record<string, unknown>> = {}): void {
		const atMs = Math.round(performance.now() - this.#began);
		const { json, out } = this.#options;
		if (json) out.write(`${JSON.stringify({ atMs, what, ...facts })}\n`);
		else out.write(`${dim(`${(atMs / 1000).toFixed(2).padStart(6)} s`)}  ${text}\n`);
	}

	async run(): Promise<boolean> {
		this.say("begin", bold("three peers, two phones, no telephone exchange"));
		await this.#startPeers();
		const callee = nameKeptAt(
			this.#nodeId(1),
			this.#peers.map((_, i) => this.#nodeId(i)),
			DOMAIN,
			CALLEES,
		);
		await this.#addAccounts([CALLER, callee]);
		const a = await this.#startPhone(CALLER, 0, loopback(21));
		const b = await this.#startPhone(callee, 2, loopback(23));
		await this.#tellWhereKept(callee);
		const first = await this.#call(a, b);
		await this.#killMiddle(callee);
		const second = await this.#call(a, b);
		await this.#tellWhereKept(callee);
		const good = first.good && second.good;
		const mark = good ? green("✓") : red("✗");
		this.say("end", `${mark} ${good ? "both calls were made" : "not both calls were made"}`, { good, first, second });
		return good;
	}

	/** Ends phones and peers and removes their files. */
	async close(): Promise<void> {
		for (const phone of this.#phones.splice(0)) phone.close();
		await Promise.all(this.#peers.splice(0).map((peer) => peer.stop()));
		rmSync(this.#folder, { recursive: true, force: true });
	}

	async #startPeers(): Promise<void> {
		for (let i = 0; i < 3; i++) {
			const how = i === 0 ? ["--domain", DOMAIN, "--found"] : ["--join", await this.#invite()];
			const began = performance.now();
			const peer = await this.#startPeer(i, how);
			this.#peers.push(peer);
			const { nodeId, sip, pid } = peer.ready;
			const tookMs = Math.round(performance.now() - began);
			const did = i === 0 ? `founds ${bold(DOMAIN)}` : "joins by invitation";
			const text = `peer ${i + 1} ${did} ${dim(`node ${nodeId.slice(0, 8)}…  ${sip[0]}  pid ${pid}, ${tookMs} ms`)}`;
			this.say("peer", text, { peer: i + 1, nodeId, sip, pid, tookMs });
		}
	}

	async #startPeer(i: number, how: readonly string[]): Promise<PeerProcess> {
		const address = loopback(11 + i);
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		const sip = await at();
		return await PeerProcess.start(this.#options.ringlet, [
			"peer",
			...how,
			...["--state", this.#state(i), "--link", await at(), "--http", await at(), "--mdns", "false"],
			...["--sip", `udp://${sip}`, "--sip", `tcp://${sip}`, "--log-level", "warn"],
		]);
	}

	#state(i: number): string {
		return join(this.#folder, `peer${i + 1}`);
	}

	#nodeId(i: number): string {
		return this.#peers[i]?.ready.nodeId ?? "";
	}

	#nameOf(nodeId: string): string {
		const i = this.#peers.findIndex((peer) => peer.ready.nodeId === nodeId);
		return i < 0 ? nodeId : `peer ${i + 1}`;
	}

	/** Runs a command of `ringlet` at peer `i`; throws what it says when it fails. */
	async #ringlet<T>(i: number, ...args: string[]): Promise<T> {
		const done = await runRinglet(this.#options.ringlet, [...args, "--state", this.#state(i), "--json"]);
		if (done.code !== 0) throw new Error(`ringlet ${args.join(" ")}: ${done.stdout}${done.stderr}`.trim());
		return JSON.parse(done.stdout) as T;
	}

	async #invite(): Promise<string> {
		return (await this.#ringlet<{ url: string }>(0, "invite")).url;
	}

	async #addAccounts(names: readonly string[]): Promise<void> {
		const began = performance.now();
		for (const name of names) {
			const file = join(this.#folder, `${name}.password`);
			writeFileSync(file, `${password(name)}\n`, { mode: 0o600 });
			await this.#ringlet(0, "account", "add", name, "--password-file", file);
		}
		const tookMs = Math.round(performance.now() - began);
		const text = `accounts ${names.map(bold).join(" and ")}: every peer has them ${dim(`${tookMs} ms`)}`;
		this.say("accounts", text, { names, tookMs });
	}

	async #startPhone(user: string, i: number, address: string): Promise<ScriptedPhone> {
		const edge = placeOf(this.#peers[i]?.ready.sip.find((uri) => !uri.includes("transport=tcp")) ?? "") as Place;
		const phone = await ScriptedPhone.start({ user, password: password(user), domain: DOMAIN, edge, address });
		this.#phones.push(phone);
		const began = performance.now();
		const status = await phone.register();
		const tookMs = Math.round(performance.now() - began);
		if (status !== 200) throw new Error(`${user} cannot register at peer ${i + 1}: ${status}`);
		this.say("register", `phone ${bold(user)} registers at peer ${i + 1} ${dim(`${tookMs} ms`)}`, {
			user,
			peer: i + 1,
			tookMs,
		});
		return phone;
	}

	async #tellWhereKept(name: string): Promise<void> {
		const found = await this.#ringlet<LookupReport>(0, "lookup", `${name}@${DOMAIN}`);
		const { answeredBy, contacts, hops, tookMs } = found;
		const [contact] = contacts;
		const serving = contact?.route[0] ?? "";
		const hopsText = hops === undefined ? "" : `${hops} hop${hops === 1 ? "" : "s"}, `;
		const text = `peer 1 looks ${name} up: kept by ${bold(this.#nameOf(answeredBy))}, signed by ${contact?.signedBy}, served by ${this.#nameOf(serving)}`;
		this.say("lookup", `${text} ${dim(`${hopsText}${tookMs.toFixed(1)} ms`)}`, { ...found });
	}

	async #killMiddle(callee: string): Promise<void> {
		await this.#peers[1]?.kill();
		const text = `${yellow("peer 2 is killed")} (SIGKILL), and with it the first copy of where ${callee} is`;
		this.say("kill", text, { peer: 2, nodeId: this.#nodeId(1) });
	}

	/** A calls B, both play a tone for a second, A hangs up. Tries again while it fails. */
	async #call(a: ScriptedPhone, b: ScriptedPhone): Promise<CallReport> {
		const began = performance.now();
		for (let tries = 1; ; tries++) {
			const call = await a.call(b.uri);
			const status = await Promise.race([call.answered, pause(RING_WITHIN_MS).then(() => 0)]);
			if (status === 200) return await this.#talk(a, b, call, Math.round(performance.now() - began), tries);
			void call.hangup();
			const what = status === 0 ? `no answer within ${RING_WITHIN_MS} ms` : `status ${status}`;
			this.say("retry", `${a.options.user} calls ${b.options.user}: ${yellow(what)}; again`, { status });
			if (performance.now() - began > CALL_AGAIN_MS) throw new Error(`no call from ${a.uri} to ${b.uri}: ${what}`);
			await pause(500);
		}
	}

	async #talk(a: ScriptedPhone, b: ScriptedPhone, call: Call, ringMs: number, tries: number): Promise<CallReport> {
		const names = `${bold(a.options.user)} calls ${bold(b.options.user)}`;
		this.say("answered", `${names}: answered ${green(`after ${ringMs} ms`)}`, { ringMs, tries });
		await pause(CALL_MS);
		const far = b.calls.find((one) => one.callId === call.callId) ?? b.calls.at(-1);
		const report = { ringMs, tries, caller: call.rtp, callee: far?.rtp ?? { sent: 0, received: 0 } };
		const good = report.caller.received >= ENOUGH_PACKETS && report.callee.received >= ENOUGH_PACKETS;
		const bye = await call.hangup();
		const heard = `${a.options.user} heard ${report.caller.received} of ${report.callee.sent} packets, ${b.options.user} ${report.callee.received} of ${report.caller.sent}`;
		this.say("talk", `  tone both ways for a second: ${good ? heard : red(heard)}; BYE ${bye}`, {
			...report,
			good,
			bye,
		});
		return { ...report, good };
	}
}

function password(name: string): string {
	return `${name} and the doorbell`;
}
