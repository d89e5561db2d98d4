/**
 * One process of the bare chain: TLS in, TLS or UDP out, nothing looked at. Forked by press.ts with the place of the next one.
 *
 *   door == TLS ==> this == TLS ==> this -- UDP --> phone, and back
 */
import { createSocket } from "node:dgram";
import { connect, createServer, type TLSSocket } from "node:tls";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { secureContextOptions } from "../../hal/node/secure.ts";
import { BenchHousehold } from "./household.ts";

const HOST = "127.0.0.1";
const [next = "", port = "0"] = process.argv.slice(2);
const identity = new BenchHousehold(nodeCrypto(), "EXP-OVERLAY").identity("edge@bench.example");
const VERSION = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;

/** What the other side sends is given back by `receive`. */
function onward(receive: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
	if (next === "udp") {
		const socket = createSocket({ type: "udp4", lookup: (host, _options, found) => found(null, host, 4) });
		socket.bind(0, HOST);
		socket.on("message", receive);
		return (bytes) => socket.send(bytes, Number(port), HOST);
	}
	const socket = connect({
		host: HOST,
		port: Number(port),
		...secureContextOptions(identity, VERSION),
		rejectUnauthorized: false,
	});
	socket.setNoDelay(true);
	socket.on("data", receive);
	socket.on("error", () => process.exit(0));
	return (bytes) => void socket.write(bytes);
}

let back: TLSSocket | undefined;
const send = onward((bytes) => void back?.write(bytes));
const server = createServer(
	{ ...secureContextOptions(identity, VERSION), requestCert: true, rejectUnauthorized: false },
	(socket) => {
		back = socket;
		socket.setNoDelay(true);
		socket.on("data", send);
		socket.on("error", () => undefined);
	},
);
server.listen(0, HOST, () => process.send?.({ port: (server.address() as { port: number }).port }));
process.once("disconnect", () => process.exit(0));
