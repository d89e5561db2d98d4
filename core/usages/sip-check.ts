/** What a storing peer checks of a SIP registration beyond its access policy. RFC 7904 §3.3 MUST; refused with Error_Forbidden. */
import { isRefused } from "../machine.ts";
import type { KindCheck, KindCheckInput } from "../storage/types.ts";
import { readSipRegistration } from "../wire/sip-registration.ts";
import { readAor } from "./aor.ts";
import { isDomainAllowed } from "./domain.ts";

/**
 * The `kindChecks` entry of SIP-REGISTRATION. USER-NODE-MATCH has compared Resource-ID with user name and key with Node-ID already.
 * `overlayName`: instance-name of the configuration.
 */
export function sipKindCheck(overlayName: string): KindCheck {
	return (input) => checkRegistration(input, overlayName);
}

function checkRegistration(input: KindCheckInput, overlayName: string): string | undefined {
	const { userName, nodeId } = input.signer;
	const aor = readAor(userName);
	if (aor === undefined || aor.text !== userName) return `${userName} is not an AOR in its normal form`;
	if (!isDomainAllowed(input.kind.domainRestrictions, overlayName, aor)) {
		return `AORs of the domain ${aor.domain} may not be registered here`;
	}
	if (!input.value.exists) return undefined;
	// Choice: nothing is stored that no reader could use; types that are not defined yet are.
	const registration = readSipRegistration(input.value.value, nodeId.length);
	return isRefused(registration) ? `not a SipRegistration: ${registration.refused}` : undefined;
}
