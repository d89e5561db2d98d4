/** Whoever comes to an overlay link's port: with openssl as a stranger would, or as a member that misbehaves. */
import { spawn } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Place } from "../../../tools/demo/sip-text.ts";

/** PEM files of a certificate with its key. */
export interface Pair {
	readonly certificate: string;
	readonly key: string;
}

/** What became of a connection by `openssl s_client`. */
export interface Visit {
	/** It was still open after the time given. */
	readonly stayed: boolean;
	readonly output: string;
}

/** Connects as `pair` (as nobody without) and waits whether the other side hangs up. */
export async function visit({ address, port }: Place, forMs: number, pair?: Pair): Promise<Visit> {
	const shown = pair === undefined ? [] : ["-cert", pair.certificate, "-key", pair.key];
	const child = spawn("openssl", ["s_client", "-connect", `${address}:${port}`, ...shown]);
	let output = "";
	for (const stream of [child.stdout, child.stderr])
		stream.on("data", (data) => {
			output += data;
		});
	child.stdin.on("error", () => undefined);
	const gone = new Promise<boolean>((resolve) => child.once("exit", () => resolve(false)));
	let timer: NodeJS.Timeout | undefined;
	const patience = new Promise<boolean>((resolve) => {
		timer = setTimeout(() => resolve(true), forMs);
	});
	const stayed = await Promise.race([gone, patience]);
	clearTimeout(timer);
	child.kill("SIGKILL");
	await gone;
	return { stayed, output };
}

/** The leaf certificate that a TLS server shows: public, for whoever asks. */
export async function certificateOf({ address, port }: Place): Promise<X509Certificate> {
	const socket = connectTls({ host: address, port, rejectUnauthorized: false });
	socket.on("error", () => undefined);
	await new Promise((resolve) => socket.once("secureConnect", resolve));
	const { raw } = socket.getPeerCertificate();
	socket.destroy();
	return new X509Certificate(raw);
}

/**
 * Somebody's certificate and a key that is not its key. Programs refuse such a pair by comparing public keys; so the public key inside
 * this private key (RFC 5915) is the certificate's, and only the secret number is another.
 */
export function stolen(certificate: X509Certificate, folder: string): Pair {
	const { x = "", y = "" } = certificate.publicKey.export({ format: "jwk" });
	const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
	const secret = randomBytes(32);
	secret[0] = 1;
	const der = Buffer.concat([
		Buffer.from("30770201010420", "hex"),
		secret,
		Buffer.from("a00a06082a8648ce3d030107a144034200", "hex"),
		point,
	]);
	const lines = der.toString("base64").replaceAll(/(.{64})/g, "$1\n");
	return writePair(
		folder,
		"stolen",
		certificate.toString(),
		`-----BEGIN EC PRIVATE KEY-----\n${lines}\n-----END EC PRIVATE KEY-----\n`,
	);
}

export function writePair(folder: string, name: string, certificate: string, key: string): Pair {
	const pair = { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
	writeFileSync(pair.certificate, certificate);
	writeFileSync(pair.key, key, { mode: 0o600 });
	return pair;
}

/** A TLS connection as a member; resolves when the handshake is done. */
export async function connectAs(place: Place, pem: string): Promise<TLSSocket> {
	const socket = connectTls({ host: place.address, port: place.port, cert: pem, key: pem, rejectUnauthorized: false });
	await new Promise<void>((resolve, reject) => {
		socket.once("error", reject);
		socket.once("secureConnect", resolve);
	});
	socket.on("error", () => undefined);
	return socket;
}

/** Resolves with true when the other side closes within the time. */
export async function closesWithin(socket: Socket, withinMs: number): Promise<boolean> {
	if (socket.destroyed) return true;
	return await new Promise<boolean>((resolve) => {
		const timer = setTimeout(() => resolve(false), withinMs);
		socket.once("close", () => {
			clearTimeout(timer);
			resolve(true);
		});
		socket.resume();
	});
}

/** Sends octets over plain TCP, and lets go after a moment. */
export async function throwAt({ address, port }: Place, octets: Uint8Array): Promise<void> {
	const socket = createConnection({ host: address, port });
	socket.on("error", () => undefined);
	socket.once("connect", () => socket.end(octets));
	await closesWithin(socket, 300);
	socket.destroy();
}
