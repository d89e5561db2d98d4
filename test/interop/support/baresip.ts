/**
 * A real phone for the tests: a baresip process, driven over its TCP control port (JSON in netstrings).
 * The configuration is written to a folder of its own; audio is a generated tone in and nothing out.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../tools/demo/processes.ts";
import { waitFor } from "./wait.ts";

export interface PhoneOptions {
	/** AOR without scheme. */
	readonly aor: string;
	readonly password: string;
	/** host:port of the edge to register at. */
	readonly edge: string;
	/** Loopback address of the phone itself. */
	readonly address: string;
	readonly transport?: "udp" | "tcp";
	/** Seconds; 0 = do not register. */
	readonly registerS?: number;
	/** What its microphone hears, Hz; default 440. */
	readonly toneHz?: number;
	/** SRTP keyed by SDES: "srtp" offers it with RTP/AVP, "srtp-mand" with RTP/SAVP and takes nothing else. Default: none. */
	readonly mediaEncryption?: "srtp" | "srtp-mand";
}

/** What the control module reports. */
export interface PhoneEvent {
	readonly type: string;
	readonly class?: string;
	readonly peeruri?: string;
	readonly param?: string;
	readonly id?: string;
}

/** A tone, 8 kHz mono 16 bit, as a WAV file. */
function tone(seconds: number, hz: number): Buffer {
	const samples = seconds * 8000;
	const wav = Buffer.alloc(44 + samples * 2);
	wav.write("RIFF", 0);
	wav.writeUInt32LE(36 + samples * 2, 4);
	wav.write("WAVEfmt ", 8);
	wav.writeUInt32LE(16, 16);
	wav.writeUInt16LE(1, 20);
	wav.writeUInt16LE(1, 22);
	wav.writeUInt32LE(8000, 24);
	wav.writeUInt32LE(16000, 28);
	wav.writeUInt16LE(2, 32);
	wav.writeUInt16LE(16, 34);
	wav.write("data", 36);
	wav.writeUInt32LE(samples * 2, 40);
	for (let i = 0; i < samples; i++)
		wav.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * hz * i) / 8000)), 44 + i * 2);
	return wav;
}

const MODULES = ["g711.so", "aufile.so", "sndfile.so", "uuid.so", "contact.so", "account.so", "menu.so", "ctrl_tcp.so"];

export class Phone {
	readonly events: PhoneEvent[] = [];
	readonly aor: string;
	output = "";
	/** Where it listens for SIP. */
	readonly sipPort: number;
	#process: ChildProcess;
	#socket: Socket | undefined;
	#folder: string;
	#rest = Buffer.alloc(0);
	#token = 0;
	#answers = new Map<string, (text: string) => void>();

	private constructor(aor: string, sipPort: number, folder: string, process: ChildProcess) {
		this.sipPort = sipPort;
		this.aor = aor;
		this.#folder = folder;
		this.#process = process;
		process.stdout?.on("data", (data) => {
			this.output += data;
		});
		process.stderr?.on("data", (data) => {
			this.output += data;
		});
	}

	/** Starts the phone and waits for its control port. */
	static async start(options: PhoneOptions): Promise<Phone> {
		const folder = mkdtempSync(join(tmpdir(), "ringlet-phone-"));
		const control = await freePort(options.address);
		const sip = await freePort(options.address);
		const media = 20_000 + Math.floor((sip % 4_000) * 4);
		const transport = options.transport ?? "udp";
		const modules = options.mediaEncryption === undefined ? MODULES : [...MODULES, "srtp.so"];
		writeFileSync(join(folder, "tone.wav"), tone(120, options.toneHz ?? 440));
		writeFileSync(
			join(folder, "config"),
			[
				`sip_listen ${options.address}:${sip}`,
				`net_interface ${options.address}`,
				`rtp_ports ${media}-${media + 20}`,
				`audio_source aufile,${join(folder, "tone.wav")}`,
				`audio_player aufile,${join(folder, "heard.wav")}`,
				"audio_alert aufile,/dev/null",
				"ring_aufile none",
				"ringback_aufile none",
				"rtp_stats yes",
				`snd_path ${folder}`,
				"call_local_timeout 120",
				`module_path /usr/lib/baresip/modules`,
				...modules.map(
					(name) =>
						`module${name === "account.so" || name === "menu.so" || name === "ctrl_tcp.so" ? "_app" : ""} ${name}`,
				),
				`ctrl_tcp_listen ${options.address}:${control}`,
				"",
			].join("\n"),
		);
		const account = [
			`<sip:${options.aor};transport=${transport}>`,
			`;auth_user=${options.aor.split("@")[0]};auth_pass=${options.password}`,
			`;outbound="sip:${options.edge};transport=${transport}"`,
			`;regint=${options.registerS ?? 60};audio_codecs=PCMU,PCMA`,
			options.mediaEncryption === undefined ? "" : `;mediaenc=${options.mediaEncryption}`,
		].join("");
		writeFileSync(join(folder, "accounts"), `${account}\n`);
		writeFileSync(join(folder, "contacts"), "");
		const process = spawn("baresip", ["-4", "-f", folder], {
			stdio: ["pipe", "pipe", "pipe"],
		});
		const phone = new Phone(options.aor, sip, folder, process);
		await phone.#connect(options.address, control);
		return phone;
	}

	async #connect(address: string, port: number): Promise<void> {
		await waitFor(
			`control port of ${this.aor}`,
			10_000,
			() =>
				new Promise<boolean>((resolve) => {
					const socket = createConnection({ host: address, port });
					socket.once("connect", () => {
						this.#socket = socket;
						socket.on("data", (data) => this.#data(data));
						socket.on("error", () => {});
						resolve(true);
					});
					socket.once("error", () => resolve(false));
				}),
		);
	}

	#data(chunk: Buffer): void {
		this.#rest = Buffer.concat([this.#rest, chunk]);
		for (;;) {
			const colon = this.#rest.indexOf(0x3a);
			if (colon < 0) return;
			const end = colon + 1 + Number(this.#rest.subarray(0, colon).toString("latin1"));
			if (this.#rest.length <= end) return;
			const message = JSON.parse(this.#rest.subarray(colon + 1, end).toString("utf8"));
			this.#rest = this.#rest.subarray(end + 1);
			if (message.event) this.events.push(message);
			else if (message.response) this.#answers.get(message.token)?.(String(message.data ?? ""));
		}
	}

	/** One command of baresip's long form ("dial sip:..."); gives its printed answer. */
	async command(command: string, params = ""): Promise<string> {
		const token = String(++this.#token);
		const json = JSON.stringify({ command, params, token });
		return await new Promise((resolve) => {
			this.#answers.set(token, resolve);
			this.#socket?.write(`${Buffer.byteLength(json)}:${json},`);
		});
	}

	/** Waits for an event of this type; `from` is an index into `events` (default: from the beginning). */
	async event(type: string, withinMs: number, from = 0): Promise<PhoneEvent> {
		let found: PhoneEvent | undefined;
		try {
			await waitFor(`${this.aor}: ${type}`, withinMs, () => {
				found = this.events.slice(from).find((event) => event.type === type);
				return found !== undefined;
			});
		} catch (error) {
			throw new Error(
				`${String(error)}; it saw ${this.events
					.slice(from)
					.map((e) => `${e.type} ${e.param ?? ""}`)
					.join(", ")}\n${this.output.slice(-3000)}`,
			);
		}
		return found as PhoneEvent;
	}

	get mark(): number {
		return this.events.length;
	}

	/** It prints what became of its REGISTER; the event may come before anybody listens on the control port. */
	async registered(withinMs = 10_000): Promise<void> {
		await waitFor(`${this.aor}: registered`, withinMs, () => /200 OK .*\[\d+ binding/.test(this.output));
	}

	/** The status with which it was refused. */
	async refused(withinMs = 10_000): Promise<number> {
		const status = (): string | undefined => /^.*reg: \S+ ([3-6]\d\d) /m.exec(this.output)?.[1];
		await waitFor(`${this.aor}: refused`, withinMs, () => status() !== undefined);
		return Number(status());
	}

	async dial(uri: string): Promise<void> {
		await this.command("dial", uri);
	}

	async answer(): Promise<void> {
		await this.command("accept");
	}

	async hangup(): Promise<void> {
		await this.command("hangup");
	}

	/** What its loudspeaker played in the last call that has ended, a WAV file; undefined before there was one. */
	get heardFile(): string | undefined {
		const dumps = readdirSync(this.#folder).filter((name) => name.startsWith("dump") && name.endsWith("-dec.wav"));
		const last = dumps.sort().pop();
		return last === undefined ? undefined : join(this.#folder, last);
	}

	/** RTP packets of the calls that have ended so far, newest last, as baresip itself counted them. */
	rtpOfEndedCalls(): { sent: number; received: number }[] {
		const plain = this.output;
		return [...plain.matchAll(/packets:\s+(\d+)\s+(\d+)/g)].map((found) => ({
			sent: Number(found[1]),
			received: Number(found[2]),
		}));
	}

	async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
		if (this.#process.exitCode === null && this.#process.signalCode === null) {
			const gone = new Promise((resolve) => this.#process.once("exit", resolve));
			this.#process.kill(signal);
			const timer = setTimeout(() => this.#process.kill("SIGKILL"), 3_000);
			await gone;
			clearTimeout(timer);
		}
		this.#socket?.destroy();
		rmSync(this.#folder, { recursive: true, force: true });
	}
}
