/** A UDP socket as a device has it: bound at once, so that its port can go into an offer. */
import { createSocket } from "node:dgram";
import { isIPv4 } from "node:net";
import type { DatagramSocket } from "../../device.ts";

/** `undefined`: the port is taken. `address`: our own, so that the other end sees where it was told we are. */
export function openDatagrams(
	address: string,
	port: number,
	onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
): DatagramSocket | undefined {
	const socket = createSocket({
		type: "udp4",
		// Addresses are literal; a look-up that answers at once makes `bind` bind at once.
		lookup: (host, _options, found) => found(null, host, 4),
	});
	let isOpen = true;
	let fault: Error | undefined;
	socket.on("error", (error) => {
		fault = error;
	});
	socket.on("message", (bytes, from) => {
		if (isOpen) onDatagram(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), from.address, from.port);
	});
	socket.bind(port, address);
	let bound: number;
	try {
		bound = socket.address().port;
	} catch {
		return undefined;
	}
	if (fault !== undefined) return undefined;
	return {
		port: bound,
		send(bytes, remote, to) {
			// The stream's buffer is used again for the next packet.
			if (isOpen && isIPv4(remote) && to > 0) socket.send(Buffer.from(bytes), to, remote);
		},
		close() {
			if (!isOpen) return;
			isOpen = false;
			socket.close();
		},
	};
}
