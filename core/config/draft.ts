/** A configuration while it is being read: the defaults of RFC 6940 §11.1, what has been seen, and the first fault. */
import type { Crypto } from "../../hal/hal.ts";
import { type Refused, refuse } from "../machine.ts";
import { fromHex } from "../wire/bytes.ts";
import type { BootstrapNode, ProfileName } from "./document.ts";
import type { KindBlock, KindDefinition } from "./kinds.ts";
import { booleanValue, integerValue } from "./values.ts";
import { trimmedText, type XmlElement } from "./xml-tree.ts";

/** RFC 6940 §11.1: defaults. */
export const DEFAULT_TOPOLOGY_PLUGIN = "CHORD-RELOAD";
export const DEFAULT_LINK_PROTOCOL = "TLS";
export const DEFAULT_BOOTSTRAP_PORT = 6084;

export class Draft {
	readonly crypto: Crypto;
	/** The document. */
	readonly bytes: Uint8Array;
	readonly kindBlocks: KindBlock[] = [];
	readonly #seen: string[] = [];
	#fault: Refused | undefined;

	expirationMs: number | undefined;
	topologyPlugin = DEFAULT_TOPOLOGY_PLUGIN;
	nodeIdLength = 16;
	rootCerts: Uint8Array[] = [];
	enrollmentServers: string[] = [];
	selfSignedPermitted: "sha1" | "sha256" | undefined;
	bootstrapNodes: BootstrapNode[] = [];
	turnDensity = 1;
	clientsPermitted = true;
	noIce = false;
	chordUpdateIntervalS = 600;
	chordPingIntervalS = 3600;
	chordReactive = true;
	sharedSecret: string | undefined;
	maxMessageSize = 5000;
	initialTtl = 100;
	overlayReliabilityTimerMs = 3000;
	overlayLinkProtocols: string[] = [];
	kindSigners: Uint8Array[] = [];
	configurationSigners: Uint8Array[] = [];
	badNodes: Uint8Array[] = [];
	mandatoryExtensions: string[] = [];
	requiredKinds: KindDefinition[] = [];
	profile: ProfileName | undefined;
	redirBranchingFactor: number | undefined;
	numberOfPeersToProbe: number | undefined;

	constructor(crypto: Crypto, bytes: Uint8Array) {
		this.crypto = crypto;
		this.bytes = bytes;
	}

	get fault(): Refused | undefined {
		return this.#fault;
	}

	/** Marks a fault in `element`; the first one stays. */
	refuse(element: XmlElement, reason: string): void {
		this.#fault ??= refuse(`${element.name}: ${reason}`, element.start);
	}

	/** Refuses the second of an element that may stand once. */
	once(element: XmlElement): void {
		const key = `${element.namespace} ${element.name}`;
		if (this.#seen.includes(key)) this.refuse(element, "given twice");
		this.#seen.push(key);
	}

	/** Adds to a list that may not grow beyond `limit`. */
	add<T>(list: T[], limit: number, element: XmlElement, value: T): void {
		if (list.length < limit) list.push(value);
		else this.refuse(element, `more than ${limit} of them`);
	}

	boolean(element: XmlElement): boolean {
		this.once(element);
		const value = booleanValue(trimmedText(element));
		if (value === undefined) this.refuse(element, "neither true nor false");
		return value ?? false;
	}

	integer(element: XmlElement, least: number, most: number): number {
		this.once(element);
		const value = integerValue(trimmedText(element), least, most);
		if (value === undefined) this.refuse(element, `not a whole number of ${least} to ${most}`);
		return value ?? least;
	}

	/** Text of an element that may stand once and is not empty. */
	word(element: XmlElement): string {
		this.once(element);
		const text = trimmedText(element);
		if (text === "") this.refuse(element, "empty");
		return text;
	}

	/** Adds a Node-ID in hex. */
	nodeId(list: Uint8Array[], limit: number, element: XmlElement): void {
		const nodeId = fromHex(trimmedText(element));
		if (nodeId === undefined || nodeId.length !== this.nodeIdLength)
			this.refuse(element, `not a Node-ID of ${this.nodeIdLength} octets in hex`);
		else this.add(list, limit, element, nodeId);
	}
}
