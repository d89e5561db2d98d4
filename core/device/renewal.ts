/** When and where a device asks for its next certificate. */
import type { OverlayConfig } from "../config/document.ts";
import type { Certificate } from "../identity/certificate.ts";
import { type PairingAddress, readAddress } from "./pairing-code.ts";
import { MAX_PAIRING_ADDRESSES } from "./pairing-limits.ts";

/** As peers do it: at two thirds of the certificate's life, so that a household may be away for months. */
const RENEW_AT = 2 / 3;
const HTTPS = "https://";

/** True when it is time; false while the clock is not set (`wallMs` NaN). */
export function wantsRenewal(certificate: Certificate, wallMs: number): boolean {
	const { notBeforeMs, notAfterMs } = certificate;
	return wallMs >= notBeforeMs + (notAfterMs - notBeforeMs) * RENEW_AT;
}

/** Addresses in the enrollment-server elements of a document (RFC 6940 §11.1); those a device cannot use are left out. */
export function enrollmentAddresses(config: OverlayConfig): PairingAddress[] {
	const addresses: PairingAddress[] = [];
	for (const url of config.enrollmentServers) {
		if (!url.startsWith(HTTPS) || addresses.length === MAX_PAIRING_ADDRESSES) continue;
		const slash = url.indexOf("/", HTTPS.length);
		const place = url.slice(HTTPS.length, slash < 0 ? url.length : slash);
		const address = readAddress(place.indexOf(":") < 0 ? `${place}:443` : place);
		if (address !== undefined) addresses.push(address);
	}
	return addresses;
}
