/** Which AORs may be registered: the domain restrictions of RFC 7904 §3.4. */
import type { DomainRestrictions } from "../config/kinds.ts";
import type { Aor } from "./aor.ts";
import { compileEre, matchesEre } from "./ere.ts";

/**
 * True when `aor` is acceptable. RFC 7904 §3.4: without the element any AOR is; with it but not enabled only those of the overlay
 * name; enabled, those whose whole domain matches one of the patterns.
 */
export function isDomainAllowed(restrictions: DomainRestrictions | undefined, overlayName: string, aor: Aor): boolean {
	if (restrictions === undefined) return true;
	if (!restrictions.enable) return aor.domain === overlayName.toLowerCase();
	for (const pattern of restrictions.patterns) {
		const ere = compileEre(pattern);
		if (ere !== undefined && matchesEre(ere, aor.domain)) return true;
	}
	return false;
}
