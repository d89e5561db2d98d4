/** A UDP socket as a device has it: bound at once, so that its port can go into an offer. */
import { createSocket } from "node:dgram";
import { isIPv4 } from "node:net";
import type { DatagramSocket } from "../../device.ts";

/** `undefined`: the port is taken. */
export function openDatagrams(
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
	socket.bind(port, "0.0.0.0");
	let bound: number;
	try {
		bound = socket.address().port;
	} catch {
		return undefined;
	}
	if (fault !== undefined) return undefined;
	return {
		port: bound,
		send(bytes, address, to) {
			// The stream's buffer is used again for the next packet.
			if (isOpen && isIPv4(address) && to > 0) socket.send(Buffer.from(bytes), to, address);
		},
		close() {
			if (!isOpen) return;
			isOpen = false;
			socket.close();
		},
	};
}
