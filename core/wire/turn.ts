/** TurnServer: the value of Kind TURN-SERVICE (RFC 6940 §9). */
import type { Refused } from "../machine.ts";
import { type IpAddressPort, readIpAddressPort, writeIpAddressPort } from "./address.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface TurnServer {
	/** The d of its Resource Name, Node-ID || d ([D-3]). */
	readonly iteration: number;
	readonly serverAddress: IpAddressPort;
}

export function readTurnServer(bytes: Uint8Array): TurnServer | Refused {
	const reader = new WireReader(bytes);
	const iteration = reader.u8();
	return whole(reader, { iteration, serverAddress: readIpAddressPort(reader) });
}

export function writeTurnServer(writer: WireWriter, server: TurnServer): void {
	writer.u8(server.iteration);
	writeIpAddressPort(writer, server.serverAddress);
}
