/** IpAddressPort (RFC 6940 §6.3.1.1): type(1) | length(1) | 4 or 16 octets of address | port(2). */
import { AddressType } from "./codes.ts";
import type { WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface IpAddress {
	/** 1 = IPv4, 2 = IPv6. */
	readonly type: 1 | 2;
	/** Four or sixteen octets. */
	readonly addr: Uint8Array;
	readonly port: number;
}

/** An address type no RFC read here defines: kept byte for byte. */
export interface OtherAddress {
	/** 0 is never on the wire; it stands for "neither of the two". */
	readonly type: 0;
	/** The type as received. */
	readonly code: number;
	readonly data: Uint8Array;
}

export type IpAddressPort = IpAddress | OtherAddress;

const IPV4_OCTETS = 4;
const IPV6_OCTETS = 16;

/** The structure for an address of four or sixteen octets. */
export function ipAddressPort(addr: Uint8Array, port: number): IpAddress {
	return { type: addr.length === IPV4_OCTETS ? AddressType.ipv4 : AddressType.ipv6, addr, port };
}

/** Refused: type 0, and a length other than 6 for IPv4 or 18 for IPv6. */
export function readIpAddressPort(reader: WireReader): IpAddressPort {
	const at = reader.at;
	const type = reader.u8();
	const outer = reader.enter(reader.u8());
	let address: IpAddressPort;
	if (type === AddressType.ipv4 || type === AddressType.ipv6) {
		const addr = reader.bytes(type === AddressType.ipv4 ? IPV4_OCTETS : IPV6_OCTETS);
		address = { type, addr, port: reader.u16() };
	} else {
		if (type === AddressType.invalid) reader.refuse("address type 0 is invalid", at);
		// RFC 6940 §6.3.1.1: extensible, and its length allows to pass over it.
		address = { type: AddressType.invalid, code: type, data: reader.rest() };
	}
	reader.leave(outer);
	return address;
}

export function writeIpAddressPort(writer: WireWriter, address: IpAddressPort): void {
	if (address.type === AddressType.invalid) {
		writer.u8(address.code);
		writer.opaque8(address.data);
		return;
	}
	writer.u8(address.type);
	const mark = writer.open8();
	writer.bytes(address.addr);
	writer.u16(address.port);
	writer.close(mark);
}
