/** What a `DeviceUnit` is told, what it tells, and what its parts share. Types only. */
import type { LedPattern, Release } from "../../../core/device/types.ts";
import type { DeviceHal } from "../../../hal/device.ts";

export interface UnitOptions {
	/** Code (URL) of the build, for a device that is not paired. */
	readonly pairing?: string;
	/** Keep a second SIP connection warm; a matter of the board's memory. Default true. */
	readonly secondEdge?: boolean;
	/** Hosts, tests and the console see what happens; called within whatever caused it, and may not call back. */
	readonly onEvent?: (event: UnitEvent) => void;
}

/** Where a device stands. */
export type UnitState =
	/** No certificate: it waits for a code, or works on one. */
	| "unpaired"
	| "pairing"
	/** On its way to its first connection since the start. */
	| "connecting"
	/** A press rings. */
	| "online"
	/** No edge is connected. */
	| "offline"
	/** The household has thrown it out. */
	| "revoked"
	| "stopped";

export type UnitEvent =
	| { readonly type: "state"; readonly state: UnitState }
	| { readonly type: "paired"; readonly user: string; readonly nodeId: string }
	| { readonly type: "pairingFailed"; readonly reason: string }
	| { readonly type: "joined"; readonly peer: string }
	| { readonly type: "isolated" }
	| { readonly type: "registered" }
	| { readonly type: "edge"; readonly flow: number; readonly isUp: boolean; readonly peer: string }
	/** A call of the doorbell (or to it): "calling", "100".."199", "answered", "ended". */
	| { readonly type: "call"; readonly call: number; readonly state: string; readonly status: number }
	| { readonly type: "digit"; readonly call: number; readonly digit: string; readonly way: string }
	| { readonly type: "led"; readonly pattern: LedPattern }
	| { readonly type: "relay"; readonly isOn: boolean }
	| { readonly type: "chime"; readonly isOn: boolean }
	| { readonly type: "release"; readonly release: Release }
	| { readonly type: "door"; readonly event: string; readonly detail: string }
	| { readonly type: "settings"; readonly revision: number };

/** What the parts of a unit have of it. */
export interface UnitContext {
	readonly hal: DeviceHal;
	now(): number;
	event(event: UnitEvent): void;
	/** Something happened: everything that follows from it is carried out, and the timer set anew. Harmless when called twice. */
	wake(): void;
}

/** A part: machines and what binds them to the device. */
export interface UnitPart {
	/** Carries out what its machines put out. True when there was anything. */
	drain(now: number): boolean;
	deadline(): number;
	timeout(now: number): void;
}

/** Plain data, for people. */
export interface UnitStatus {
	readonly state: UnitState;
	readonly user: string;
	readonly nodeId: string;
	readonly overlay: string;
	readonly peer: string;
	readonly edges: number;
	readonly isRegistered: boolean;
	readonly isClockSet: boolean;
	readonly settingsRevision: number;
	readonly calls: number;
	/** What the doorbell is doing, in a word. */
	readonly door: string;
}
