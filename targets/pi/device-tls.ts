/** What a connection needs when a device may be at its other end: TLS 1.2, and little memory. */
import type { AcceptedSecure } from "../../hal/node/secure-stream.ts";

/** The largest TLS record sent to a client of TLS 1.2, octets: a device's memory has to hold it whole. */
export const DEVICE_RECORD = 4_096;

/** Options of a stream that was accepted. */
export function recordLimit(accepted: AcceptedSecure): { readonly maxSendFragment?: number } {
	return accepted.socket.getProtocol() === "TLSv1.2" ? { maxSendFragment: DEVICE_RECORD } : {};
}
