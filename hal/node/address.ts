/** Addresses as text, in one spelling. */

/** An IPv4 address that came through an IPv6 socket (`::ffff:192.0.2.1`) as IPv4; everything else unchanged. */
export function plainAddress(address: string | undefined): string {
	if (address === undefined) return "";
	return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
