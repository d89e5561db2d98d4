/**
 * The bundle `ringlet/secure`: TLS connections of the device. A bundle of its own, so that on a PC (where XS has no `ssl/*`) the host's
 * TLS can stand in its place with everything else unchanged.
 */
import TCP from "embedded:io/socket/tcp";
import Timer from "timer";
import type { SecureConnection, SecureConnectOptions, Timers } from "../device.ts";
import { SecureLink, type SecureParts } from "./secure-link.ts";
import { XsTlsSession } from "./session.ts";

const TIMERS: Timers = Object.freeze({
	set: (callback: () => void, ms: number) => Timer.set(callback, ms),
	clear: (timer: object | number) => Timer.clear(timer as unknown as Timer),
});

const PARTS: SecureParts = Object.freeze({
	timers: TIMERS,
	connect(address: string, port: number, link: SecureLink) {
		const socket = new TCP({
			address,
			port,
			nodelay: true,
			format: "buffer",
			onReadable: (count) => link.onReadable(count),
			onWritable: (room) => link.onWritable(room),
			onError: () => link.onError(),
		});
		return socket;
	},
	session: (options: SecureConnectOptions) => new XsTlsSession(options),
	caught: (where: string, error: unknown) => trace(`${where}: ${String(error)}\n`),
});

export function connectSecure(options: SecureConnectOptions): SecureConnection {
	return new SecureLink(options, PARTS);
}
