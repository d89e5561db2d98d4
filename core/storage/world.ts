/** The parts of a store, as its checks and answers see them. */
import type { AccessOverlay } from "./access.ts";
import type { CertificateShelf } from "./certificates.ts";
import type { StorageLimits } from "./limits.ts";
import type { ValueTable } from "./table.ts";
import type { StorageOptions } from "./types.ts";

export interface StorageWorld {
	readonly options: StorageOptions;
	readonly limits: StorageLimits;
	readonly overlay: AccessOverlay;
	readonly table: ValueTable;
	readonly shelf: CertificateShelf;
}
