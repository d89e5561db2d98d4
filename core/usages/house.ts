/** The house: an AOR that every peer of a household serves and that rings all its phones. */

/** Its user part; no account has it. */
export const HOUSE_NAME = "house";

/** "house@home.example" */
export function houseAor(domain: string): string {
	return `${HOUSE_NAME}@${domain}`;
}
