/** ExtensiveRoutingModeOption: value of forwarding option 2, direct response and relay peer routing (RFC 7263 §4.2, RFC 7264). */
import type { Refused } from "../machine.ts";
import { type IpAddressPort, readIpAddressPort, writeIpAddressPort } from "./address.ts";
import { type Destination, readDestinations, writeDestinations } from "./destination.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface ExtensiveRoutingModeOption {
	/** RouteMode: DRR or RPR. */
	readonly routeMode: number;
	/** OverlayLinkType. */
	readonly transport: number;
	readonly ipAddressPort: IpAddressPort;
	/** DRR: the sender. RPR: the relay, then the sender. */
	readonly destinations: readonly Destination[];
}

export function readExtensiveRoutingModeOption(
	bytes: Uint8Array,
	nodeIdLength: number,
): ExtensiveRoutingModeOption | Refused {
	const reader = new WireReader(bytes);
	const routeMode = reader.u8();
	const transport = reader.u8();
	const ipAddressPort = readIpAddressPort(reader);
	const at = reader.at;
	const length = reader.u8();
	// RFC 7263 §4.2.1: destinations<1..2^8-1>.
	if (length === 0) reader.refuse("destinations are empty", at);
	const outer = reader.enter(length);
	const destinations = readDestinations(reader, nodeIdLength);
	reader.leave(outer);
	return whole(reader, { routeMode, transport, ipAddressPort, destinations });
}

export function writeExtensiveRoutingModeOption(writer: WireWriter, option: ExtensiveRoutingModeOption): void {
	writer.u8(option.routeMode);
	writer.u8(option.transport);
	writeIpAddressPort(writer, option.ipAddressPort);
	const mark = writer.open8();
	writeDestinations(writer, option.destinations);
	writer.close(mark);
}
