/**
 * A household under test: peers as processes of their own from the built product, each with a state directory and free ports on a
 * loopback address of its own; they join over HTTPS by invitations, as people do it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import type { LookupReport, StatusReport } from "../../../tools/cli/look.ts";
import { type PhoneOptions, ScriptedPhone } from "../../../tools/demo/phone.ts";
import {
	type Finished,
	freePort,
	loopback,
	nameKeptAt,
	PeerProcess,
	runRinglet,
} from "../../../tools/demo/processes.ts";
import { type Place, placeOf } from "../../../tools/demo/sip-text.ts";
import { RINGLET } from "./programs.ts";
import { waitFor } from "./wait.ts";

export const DOMAIN = "home.example";

export interface HouseholdOptions {
	readonly peers?: number;
	/** More flags for the founder. */
	readonly found?: readonly string[];
	/** More flags for every peer. */
	readonly flags?: readonly string[];
}

/** Where one peer listens: the same after a restart. */
export interface Seat {
	readonly state: string;
	readonly address: string;
	readonly link: string;
	/** SIP between peers. */
	readonly calls: string;
	readonly http: string;
	readonly sip: string;
}

export class TestHousehold {
	readonly folder = mkdtempSync(join(tmpdir(), "ringlet-house-"));
	readonly seats: Seat[] = [];
	/** By number, from 0; a peer that was killed keeps its place. */
	readonly peers: PeerProcess[] = [];
	readonly #options: HouseholdOptions;
	readonly #phones: ScriptedPhone[] = [];
	readonly #earlierLogs: string[] = [];

	private constructor(options: HouseholdOptions) {
		this.#options = options;
	}

	/** Founds a household and lets the other peers join; resolves when each has a link to each. */
	static async start(options: HouseholdOptions = {}): Promise<TestHousehold> {
		const house = new TestHousehold(options);
		try {
			for (let i = 0; i < (options.peers ?? 3); i++) await house.addPeer();
			await house.connected();
		} catch (error) {
			const logs = house.logs();
			await house.close();
			throw new Error(`${error instanceof Error ? error.message : String(error)}\n${logs}`);
		}
		return house;
	}

	/** Starts one more peer: the first founds, the others join through peer `via`. */
	async addPeer(via = 0): Promise<PeerProcess> {
		const i = this.seats.length;
		const address = loopback(31 + i);
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		const state = join(this.folder, `peer${i}`);
		this.seats.push({ state, address, link: await at(), calls: await at(), http: await at(), sip: await at() });
		const join_ = i === 0 ? [] : ["--join", (await this.json<{ url: string }>(via, "invite")).url];
		const found = i === 0 ? ["--found", "--domain", DOMAIN, ...(this.#options.found ?? [])] : [];
		const peer = await this.#launch(i, [...found, ...join_]);
		this.peers.push(peer);
		return peer;
	}

	/** Starts a stopped or killed peer again, where it was. */
	async restart(i: number): Promise<PeerProcess> {
		this.#earlierLogs.push(`--- peer ${i + 1}, before\n${this.peers[i]?.log ?? ""}`);
		const peer = await this.#launch(i, []);
		this.peers[i] = peer;
		return peer;
	}

	async #launch(i: number, more: readonly string[]): Promise<PeerProcess> {
		const { state, link, calls, http, sip } = this.seats[i] as Seat;
		const places = [
			"--state",
			state,
			"--link",
			link,
			"--calls",
			calls,
			"--http",
			http,
			"--sip",
			`udp://${sip}`,
			"--sip",
			`tcp://${sip}`,
		];
		const flags = ["--mdns", "false", ...(this.#options.flags ?? []), ...more];
		return await PeerProcess.start(RINGLET, ["peer", ...places, ...flags]);
	}

	nodeId(i: number): string {
		return this.peers[i]?.ready.nodeId ?? "";
	}

	/** Peer number of a Node-ID; -1 when it is none of them. */
	numberOf(nodeId: string): number {
		return this.peers.findIndex((peer) => peer.ready.nodeId === nodeId);
	}

	/** "127.0.0.31:41234": where phones register at peer `i`, UDP and TCP. */
	edge(i: number): string {
		return this.seats[i]?.sip ?? "";
	}

	edgePlace(i: number): Place {
		return placeOf(`sip:${this.edge(i)}`) as Place;
	}

	/** Runs a `ringlet` command at the state directory of peer `i`. */
	async ringlet(i: number, ...args: string[]): Promise<Finished> {
		return await runRinglet(RINGLET, [...args, "--state", this.seats[i]?.state ?? ""]);
	}

	/** The same with --json; the document it prints. Throws when the exit code is not 0 (`allowed`: nor that). */
	async json<T>(i: number, ...args: string[]): Promise<T> {
		const done = await this.ringlet(i, ...args, "--json");
		if (done.code !== 0) throw new Error(`ringlet ${args.join(" ")}: ${done.code} ${done.stdout}${done.stderr}`);
		return JSON.parse(done.stdout) as T;
	}

	async status(i: number): Promise<StatusReport> {
		return await this.json<StatusReport>(i, "status");
	}

	/** Exit code 1 only says that nobody is registered. */
	async lookup(i: number, name: string): Promise<LookupReport> {
		const done = await this.ringlet(i, "lookup", name, "--json");
		const report = JSON.parse(done.stdout) as LookupReport & { error?: string };
		if (report.error !== undefined) throw new Error(`lookup of ${name}: ${report.error}`);
		return report;
	}

	/** Adds an account at peer `i` (the founder's unless said). */
	async account(name: string, i = 0): Promise<void> {
		await this.json(i, "account", "add", name, "--password-file", this.passwordFile(name));
	}

	password(name: string): string {
		return `${name}-at-the-door`;
	}

	passwordFile(name: string): string {
		const file = join(this.folder, `${name}.password`);
		writeFileSync(file, `${this.password(name)}\n`, { mode: 0o600 });
		return file;
	}

	/** A name whose registration is kept at peer `i`. */
	nameKeptAt(i: number, stem: string): string {
		const nodeIds = this.peers.filter((peer) => peer.isRunning).map((peer) => peer.ready.nodeId);
		return nameKeptAt(this.nodeId(i), nodeIds, DOMAIN, [stem]);
	}

	/** A scripted phone of an account that exists, at peer `i`; ends with the household. */
	async phone(
		user: string,
		i: number,
		address = loopback(51 + this.#phones.length),
		password = this.password(user),
		onTrace?: PhoneOptions["onTrace"],
	): Promise<ScriptedPhone> {
		const edge = this.edgePlace(i);
		const phone = await ScriptedPhone.start({
			...{ user, password, domain: DOMAIN, edge, address },
			...(onTrace === undefined ? {} : { onTrace }),
		});
		this.#phones.push(phone);
		return phone;
	}

	/** Waits until every running peer has a working link to every other. */
	async connected(withinMs = 20_000): Promise<void> {
		const running = [...this.peers.keys()].filter((i) => this.peers[i]?.isRunning === true);
		for (const i of running) {
			await waitFor(
				`links of peer ${i + 1}`,
				withinMs,
				async () => {
					const { links, inOverlay } = await this.status(i);
					const others = running.filter((other) => other !== i).map((other) => this.nodeId(other));
					return inOverlay && others.every((nodeId) => links.some((link) => link.nodeId === nodeId));
				},
				200,
			);
		}
	}

	/** Waits until the household's document names the place of every peer: it is written anew some seconds after one has joined. */
	async named(): Promise<void> {
		const places = this.seats.map(({ link }) => link.split(":"));
		await waitFor(
			"a document that names all peers",
			60_000,
			async () => {
				const document = await this.#document();
				return places.every(([address, port]) => document.includes(`address="${address}" port="${port}"`));
			},
			500,
		);
	}

	/** As the enrollment server shows it to everybody. */
	#document(): Promise<string> {
		return new Promise((resolve, reject) => {
			const url = `https://${this.seats[0]?.http}/.well-known/reload-config`;
			get(url, { rejectUnauthorized: false }, (response) => {
				let text = "";
				response.setEncoding("utf8");
				response.on("data", (part: string) => {
					text += part;
				});
				response.on("end", () => resolve(text));
			}).on("error", reject);
		});
	}

	/** Runs what comes before the tests; what goes wrong there tells the logs too. */
	async telling(before: () => Promise<void>): Promise<void> {
		try {
			await before();
		} catch (error) {
			throw new Error(`${error instanceof Error ? error.message : String(error)}\n${this.logs()}`);
		}
	}

	/** Prints the logs when the test fails. For `beforeEach`. */
	watch(context: Pick<TestContext, "onTestFailed">): void {
		context.onTestFailed(() => console.log(this.logs()));
	}

	/** The end of every peer's log. */
	logs(): string {
		const now = this.peers.map((peer, i) => `--- peer ${i + 1} ${peer.ready.nodeId}\n${peer.log.slice(-8_000)}`);
		return [...this.#earlierLogs, ...now].join("\n");
	}

	async close(): Promise<void> {
		for (const phone of this.#phones.splice(0)) phone.close();
		await Promise.all(this.peers.map((peer) => peer.stop()));
		rmSync(this.folder, { recursive: true, force: true });
	}
}
