/** The limits of the peer and of each signer, held against what a request would add (design: nothing unbounded). */
import { ErrorCode } from "../wire/codes.ts";
import { chargedOctets, type Entry } from "./entry.ts";
import { refuseText } from "./refusal.ts";
import { chargedTo } from "./table.ts";
import type { StorageRefused } from "./types.ts";
import type { StorageWorld } from "./world.ts";

/** What a set of new entries adds to the sums that our limits look at. */
export class Growth {
	readonly #world: StorageWorld;
	readonly #newResource: boolean;
	readonly #hashes = new Set<string>();
	readonly #signers = new Map<string, { values: number; octets: number }>();
	#values = 0;
	#octets = 0;
	#any = false;

	constructor(world: StorageWorld, hex: string) {
		this.#world = world;
		this.#newResource = world.table.resource(hex) === undefined;
	}

	add(entry: Entry, before: Entry | undefined): void {
		this.#any = true;
		this.#charge(entry, 1);
		if (before !== undefined) this.#charge(before, -1);
		for (const hash of entry.certificates) if (!this.#world.shelf.has(hash)) this.#hashes.add(hash);
	}

	#charge(entry: Entry, sign: number): void {
		const octets = sign * chargedOctets(entry);
		this.#values += sign;
		this.#octets += octets;
		const signer = chargedTo(entry);
		const sum = this.#signers.get(signer);
		if (sum === undefined) this.#signers.set(signer, { values: sign, octets });
		else {
			sum.values += sign;
			sum.octets += octets;
		}
	}

	/** The limit that would be passed; what does not grow passes none. */
	refused(): StorageRefused | undefined {
		const { limits, table, shelf } = this.#world;
		const passes = (grown: number, before: number, most: number): boolean => grown > 0 && before + grown > most;
		if (this.#any && this.#newResource && table.resourceCount >= limits.maxResources) return full("resources");
		if (passes(this.#values, table.values, limits.maxValues)) return full("values");
		if (passes(this.#octets, table.octets, limits.maxOctets)) return full("octets");
		if (passes(this.#hashes.size, shelf.size, limits.maxCertificates)) return full("certificates");
		for (const [signer, sum] of this.#signers) {
			const before = table.signerSum(signer);
			if (passes(sum.values, before.values, limits.maxValuesPerSigner)) return full("values of this signer");
			if (passes(sum.octets, before.octets, limits.maxOctetsPerSigner)) return full("octets of this signer");
		}
		return undefined;
	}
}

/** Choice: the RFC has no code for a full peer; Error_Data_Too_Large is the quota error, and the text says which limit it is. */
function full(what: string): StorageRefused {
	return refuseText(ErrorCode.dataTooLarge, `this peer cannot store more ${what}`);
}
