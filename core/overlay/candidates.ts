/** Candidates of Attach and AppAttach without ICE: host addresses of a TLS listener (RFC 6940 §6.5.1.1, §6.6.5). */
import type { OverlayConfig } from "../config/document.ts";
import { ipAddressPort } from "../wire/address.ts";
import { formatAddress, parseAddress } from "../wire/address-text.ts";
import type { IceCandidate } from "../wire/attach.ts";
import { EMPTY, utf8ToBytes } from "../wire/bytes.ts";
import { AddressType, CandType, OverlayLinkType } from "../wire/codes.ts";
import type { Endpoint } from "./node-types.ts";

/** RFC 6544 §4.5: the port of a candidate that only connects out (discard). */
const ACTIVE_PORT = 9;
/** RFC 5245 §4.1.2.2: type preference of host candidates. */
const HOST_PREFERENCE = 126;

/** The words of `role` (RFC 6940 §6.5.1.1). */
export const AttachRole = Object.freeze({ passive: "passive", active: "active", actpass: "actpass" } as const);

/** Our listener as candidates, best first; addresses that are not IP addresses are left out. */
export function hostCandidates(endpoints: readonly Endpoint[]): IceCandidate[] {
	const out: IceCandidate[] = [];
	for (let i = 0; i < endpoints.length; i++) {
		const addr = parseAddress(endpoints[i]!.address);
		if (addr !== undefined) out.push(candidate(addr, endpoints[i]!.port, out.length));
	}
	return out;
}

/**
 * The candidates of an end that only connects out: our addresses, or the unspecified one, with port 9.
 * RFC 6940 §6.5.1.1 wants at least one candidate in every Attach.
 */
export function activeCandidates(endpoints: readonly Endpoint[]): IceCandidate[] {
	const out = hostCandidates(endpoints.map(({ address }) => ({ address, port: ACTIVE_PORT })));
	return out.length > 0 ? out : [candidate(new Uint8Array(4), ACTIVE_PORT, 0)];
}

function candidate(addr: Uint8Array, port: number, index: number): IceCandidate {
	return {
		addrPort: ipAddressPort(addr, port),
		overlayLink: OverlayLinkType.tlsTcpFhNoIce,
		foundation: utf8ToBytes(String(index + 1)),
		// RFC 5245 §4.1.2.1, component 1.
		priority: HOST_PREFERENCE * 0x1000000 + (0xffff - index) * 0x100 + 255,
		type: CandType.host,
		extensions: [],
	};
}

/** ufrag and password mean nothing without ICE. */
export const NO_ICE = Object.freeze({ ufrag: EMPTY, password: EMPTY });

/**
 * Where we can connect to, best first. Ignored: link types and address types we do not have, candidates beyond `limit`, ends that
 * only connect out. `undefined`: ICE and No-ICE candidates are mixed, which RFC 6940 §6.5.1.1 forbids.
 */
export function usableEndpoints(
	candidates: readonly IceCandidate[],
	config: OverlayConfig,
	limit: number,
): Endpoint[] | undefined {
	const found: { priority: number; endpoint: Endpoint }[] = [];
	let withIce = false;
	let withoutIce = false;
	for (let i = 0; i < candidates.length && i < limit; i++) {
		const { overlayLink, addrPort, priority } = candidates[i]!;
		if (overlayLink === OverlayLinkType.dtlsUdpSr) withIce = true;
		if (overlayLink === OverlayLinkType.dtlsUdpSrNoIce || overlayLink === OverlayLinkType.tlsTcpFhNoIce)
			withoutIce = true;
		// RFC 6940 §11.1 no-ice: without it the overlay is all ICE, and a No-ICE candidate is of no use.
		if (overlayLink !== OverlayLinkType.tlsTcpFhNoIce || !config.noIce) continue;
		if (addrPort.type === AddressType.invalid || addrPort.port === 0 || addrPort.port === ACTIVE_PORT) continue;
		found.push({ priority, endpoint: { address: formatAddress(addrPort.addr), port: addrPort.port } });
	}
	if (withIce && withoutIce) return undefined;
	found.sort((a, b) => b.priority - a.priority);
	return found.map(({ endpoint }) => endpoint);
}
