/** Pairing, and the renewal of the certificate, on a device: binds core/device/pairing to network and flash. */
import {
	PAIRING_SERVICE,
	Pairing,
	type PairingOptions,
	type PairingOutcome,
	type PairingOutput,
} from "../../../core/device/pairing.ts";
import type { LedPattern } from "../../../core/device/types.ts";
import type { SecureConnection } from "../../../hal/device.ts";
import { FlashKey } from "./flash-state.ts";
import type { UnitContext, UnitPart } from "./types.ts";

/** Told within `drain`. */
export interface PairingListener {
	paired(outcome: PairingOutcome): void;
	/** Final: a person is needed. */
	notPaired(reason: string): void;
	pairingLed(pattern: LedPattern): void;
}

export class PairingPart implements UnitPart {
	readonly #context: UnitContext;
	readonly #listener: PairingListener;
	readonly #pairing: Pairing;
	#connection: SecureConnection | undefined;
	#browsing: { stop(): void } | undefined;

	constructor(context: UnitContext, listener: PairingListener, plan: Pick<PairingOptions, "invitation" | "renewal">) {
		const { hal } = context;
		const stored = hal.flash.get(FlashKey.key);
		this.#context = context;
		this.#listener = listener;
		this.#pairing = new Pairing({
			...plan,
			crypto: hal.crypto,
			...(stored === undefined ? {} : { key: hal.crypto.importKey(stored) }),
			wallMs: hal.isClockSet ? hal.clock.wallMs() : Number.NaN,
		});
		this.#pairing.start(context.now());
	}

	/** False when it is over. */
	get isActive(): boolean {
		return this.#pairing.isActive;
	}

	close(): void {
		this.#pairing.stop();
		this.#connection?.close();
		this.#connection = undefined;
		this.#browse(false);
	}

	setClock(wallMs: number, now: number): void {
		this.#pairing.handle({ type: "clock", wallMs }, now);
	}

	deadline(): number {
		return this.#pairing.deadline();
	}

	timeout(now: number): void {
		this.#pairing.handle({ type: "timeout" }, now);
	}

	drain(now: number): boolean {
		let output = this.#pairing.poll();
		if (output === undefined) return false;
		for (; output !== undefined; output = this.#pairing.poll()) this.#carryOut(output, now);
		return true;
	}

	#carryOut(output: PairingOutput, now: number): void {
		const { hal } = this.#context;
		switch (output.type) {
			case "storeKey":
				this.#pairing.handle({ type: "keyStored", isStored: hal.flash.set(FlashKey.key, output.pkcs8) }, now);
				return;
			case "browse":
				this.#browse(output.isOn);
				return;
			case "resolve": {
				const { host } = output;
				hal.network.resolve(host, (address) => {
					this.#pairing.handle({ type: "resolved", host, address }, this.#context.now());
					this.#context.wake();
				});
				return;
			}
			case "connect":
				this.#connect(output.address, output.port, output.serverName);
				return;
			case "transmit":
				if (this.#connection?.write(output.bytes) !== true) this.#lost("the connection does not take the request");
				return;
			case "close":
				this.#connection?.close();
				this.#connection = undefined;
				return;
			case "led":
				this.#listener.pairingLed(output.pattern);
				return;
			case "log":
				hal.log(output.level, output.event, { detail: output.detail });
				return;
			case "done":
				this.#listener.paired(output.outcome);
				return;
			case "failed":
				hal.log("warn", "pairing.failed", { fault: output.fault, reason: output.text });
				this.#listener.notPaired(output.text);
		}
	}

	#browse(isOn: boolean): void {
		if (!isOn) {
			this.#browsing?.stop();
			this.#browsing = undefined;
			return;
		}
		this.#browsing ??= this.#context.hal.network.browse(PAIRING_SERVICE, (address, port, text) => {
			this.#pairing.handle({ type: "found", address, port, overlay: text.overlay }, this.#context.now());
			this.#context.wake();
		});
	}

	#connect(address: string, port: number, serverName: string): void {
		this.#connection = this.#context.hal.connectSecure({
			address,
			port,
			serverName,
			verify: (chain) => this.#pairing.isHousehold(chain),
			onUp: () => {
				this.#pairing.handle({ type: "up" }, this.#context.now());
				this.#context.wake();
			},
			onBytes: (bytes) => {
				this.#pairing.handle({ type: "bytes", bytes }, this.#context.now());
				this.#context.wake();
			},
			onDrained: () => undefined,
			onClosed: (reason) => this.#lost(reason),
		});
	}

	#lost(reason: string): void {
		this.#connection = undefined;
		this.#pairing.handle({ type: "closed", reason }, this.#context.now());
		this.#context.wake();
	}
}
