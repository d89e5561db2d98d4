/** A peer of the year: its edge is a user agent that rings modelled phones. */
import { UserAgent } from "../../core/sip/agent/agent.ts";
import type { AgentEvent } from "../../core/sip/agent/types.ts";
import type { SimMachine } from "../../hal/sim/network.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import type { DoorYear } from "./year-support.ts";
import { DOMAIN, SIP_PORT } from "./year-unit.ts";

/** A peer with its edge and its way to the phones. */
export class YearPeer {
	readonly year: DoorYear;
	readonly machine: SimMachine;
	isUp = false;
	/** Takes octets and says nothing. */
	isDeaf = false;
	agent: UserAgent | undefined;
	readonly #streams = new Map<number, SimStream>();
	readonly #silence: (() => void)[] = [];
	#lastFlow = 0;
	#tickAt = Number.POSITIVE_INFINITY;

	constructor(year: DoorYear, address: string) {
		this.year = year;
		this.machine = year.network.machine(address);
	}

	start(): void {
		if (this.isUp) return;
		this.machine.powerOn();
		this.isUp = true;
		this.isDeaf = false;
		this.#streams.clear();
		this.#silence.length = 0;
		this.#tickAt = Number.POSITIVE_INFINITY;
		this.agent = new UserAgent({ crypto: this.year.crypto, aor: `sip:house@${DOMAIN}` });
		const peer = this;
		new SimListener({
			machine: this.machine,
			port: SIP_PORT,
			identity: { chain: [] },
			onReadable() {
				for (let from = this.read(); from !== undefined; from = this.read()) peer.#accept(from);
			},
		});
	}

	/** The process ends: connections see a reset. */
	kill(): void {
		this.isUp = false;
		this.machine.kill();
	}

	/** Nobody is told. */
	powerCut(): void {
		this.isUp = false;
		this.machine.powerOff();
		this.#tellSilence();
	}

	/** It hangs: connections stay, nothing comes. */
	hang(): void {
		this.isDeaf = true;
		this.#tellSilence();
	}

	onSilence(what: () => void): void {
		if (this.#silence.length < 100) this.#silence.push(what);
	}

	#tellSilence(): void {
		for (const what of this.#silence.splice(0)) what();
	}

	#accept(from: NonNullable<ReturnType<SimListener["read"]>>): void {
		const flow = ++this.#lastFlow;
		const { agent } = this;
		if (agent === undefined) return;
		const peer = this;
		const { time } = this.year;
		const stream = new SimStream({
			from,
			onReadable() {
				for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) {
					if (peer.isDeaf) continue;
					agent.handle({ type: "octets", flow, octets: bytes.slice() }, time.now);
					peer.#drain();
				}
			},
			onError() {
				if (!peer.#streams.delete(flow)) return;
				agent.handle({ type: "flowClosed", flow }, time.now);
				peer.#drain();
			},
		});
		this.#streams.set(flow, stream);
		this.#dropOldest(agent);
		const contact = `sip:house@${DOMAIN}`;
		agent.addFlow({ flow, transport: "overlay", localAddress: this.machine.address, localPort: SIP_PORT, contact });
	}

	/** A device that vanished without a word leaves its connections behind: an edge finds that out by its pings. */
	#dropOldest(agent: UserAgent): void {
		if (this.#streams.size <= 2) return;
		for (const [flow, stream] of this.#streams) {
			stream.close();
			this.#streams.delete(flow);
			agent.handle({ type: "flowClosed", flow }, this.year.time.now);
			return;
		}
	}

	#drain(): void {
		const { agent } = this;
		if (agent === undefined) return;
		for (let output = agent.poll(); output !== undefined; output = agent.poll()) {
			if (output.type === "transmit") {
				const head = new TextEncoder().encode(output.head);
				this.#streams.get(output.flow)?.write(Buffer.concat([head, output.body]));
			} else if (output.type === "close") this.#streams.get(output.flow)?.close();
			else this.#event(agent, output);
		}
		const at = agent.deadline();
		if (at === Number.POSITIVE_INFINITY || at >= this.#tickAt) return;
		this.#tickAt = at;
		const { time } = this.year;
		time.at(at, () => {
			if (agent !== this.agent || this.#tickAt !== at) return;
			this.#tickAt = Number.POSITIVE_INFINITY;
			agent.handle({ type: "timeout" }, time.now);
			this.#drain();
		});
	}

	#event(agent: UserAgent, event: AgentEvent): void {
		if (event.type !== "incoming") return;
		const { call } = event;
		const { year } = this;
		if (!year.phonesThere) {
			this.#do(agent, call, 5, (now) => agent.reject(call, 480, now));
			return;
		}
		this.#do(agent, call, 15, (now) => {
			agent.ring(call, now);
			year.rang();
		});
		const media = { address: this.machine.address, port: 40_000 };
		const isAnswered = year.random.next() < 0.5;
		if (isAnswered) this.#do(agent, call, 4000, (now) => agent.answer(call, media, now));
		if (isAnswered) this.#do(agent, call, 12_000, (now) => agent.hangUp(call, now));
	}

	#do(agent: UserAgent, call: number, ms: number, what: (now: number) => void): void {
		const { time } = this.year;
		time.after(ms, () => {
			if (agent !== this.agent || !this.isUp || this.isDeaf || agent.stateOf(call) === undefined) return;
			what(time.now);
			this.#drain();
		});
	}
}
