/** Limits of a peer's store; each one has a test of what happens when it is reached. */

export interface StorageLimits {
	/** Octets of all stored values (encoding, signature and bookkeeping); beyond it Error_Data_Too_Large. */
	readonly maxOctets: number;
	/** Resource-IDs with at least one value; beyond it Error_Data_Too_Large. */
	readonly maxResources: number;
	/** Values of all Kinds; beyond it Error_Data_Too_Large. */
	readonly maxValues: number;
	/** Octets of all values signed under one user name; beyond it Error_Data_Too_Large. */
	readonly maxOctetsPerSigner: number;
	/** Values signed under one user name; beyond it Error_Data_Too_Large. */
	readonly maxValuesPerSigner: number;
	/** Distinct certificates kept for the signers of stored values; beyond it Error_Data_Too_Large. */
	readonly maxCertificates: number;
	/** Kinds in one request; beyond it Error_Invalid_Message. */
	readonly maxKindsPerRequest: number;
	/** Values in one StoreReq; beyond it Error_Data_Too_Large (each costs a signature check). */
	readonly maxValuesPerRequest: number;
	/** Non-existing entries made up for one answer (15.5); further ones are left out. */
	readonly maxSynthesized: number;
	/** Greatest generation counter accepted in a replica store; beyond it Error_Invalid_Message. */
	readonly maxGeneration: number;
	/** Records whose change is not yet confirmed to be on disk; beyond it stores are refused (Error_Data_Too_Large). */
	readonly maxUnsettled: number;
	/** Least time between two walks over all values that look for expired ones, milliseconds. */
	readonly expiryGridMs: number;
}

/** Choice: sized for a Raspberry Pi of one household's ring; a peer of a big overlay configures its own. */
export const DEFAULT_LIMITS: StorageLimits = Object.freeze({
	maxOctets: 64 * 1024 * 1024,
	maxResources: 20_000,
	maxValues: 20_000,
	maxOctetsPerSigner: 4 * 1024 * 1024,
	maxValuesPerSigner: 1_000,
	maxCertificates: 10_000,
	maxKindsPerRequest: 63,
	maxValuesPerRequest: 128,
	maxSynthesized: 256,
	maxGeneration: 2 ** 52,
	maxUnsettled: 20_000,
	expiryGridMs: 5_000,
});

/** Charged for every stored value on top of its octets: what its objects take (measured on Node, about 2.5 KiB with everything). */
export const VALUE_OVERHEAD = 2048;
