/**
 * What an invitation looks like, on paper, in a QR code or on a command line (no character needs quoting in a shell):
 *
 *     ringlet://192.168.1.10:6085,[fd00::1]:6085/home.example/K7QF-3M9X-2TPD/<fingerprint>[/<name>]
 *
 * Addresses of the enrollment server, overlay name, one-time code, SHA-256 of the household CA's public key (base64url of the
 * SubjectPublicKeyInfo's digest, 43 characters), and, when the code is bound to a name, that name.
 */
import { isIP } from "node:net";
import { isOverlayName } from "../../../core/identity/reload-uri.ts";
import { UserError } from "../state/errors.ts";
import { readCode, showCode } from "./codes.ts";
import { hostPort } from "./compose.ts";
import { MAX_ADDRESSES_PER_PEER } from "./limits.ts";
import type { Address } from "./types.ts";

const SCHEME = "ringlet://";
const FINGERPRINT = /^[A-Za-z0-9_-]{43}$/;
const DEFAULT_PORT = 6085;
const MAX_URL = 1024;

export interface JoinUrl {
	readonly addresses: readonly Address[];
	readonly overlayName: string;
	/** As people read it: "K7QF-3M9X-2TPD". */
	readonly code: string;
	readonly fingerprint: string;
	/** "frontdoor"; undefined when the code is bound to no name (a peer's). */
	readonly name: string | undefined;
}

export function writeJoinUrl(url: JoinUrl): string {
	const hosts = url.addresses.map(hostPort).join(",");
	const name = url.name === undefined ? "" : `/${url.name}`;
	return `${SCHEME}${hosts}/${url.overlayName}/${url.code}/${url.fingerprint}${name}`;
}

/** Throws a `UserError` that says which part is wrong. */
export function readJoinUrl(text: string): JoinUrl {
	const fix = "copy the whole line that `ringlet invite` printed";
	if (text.length > MAX_URL || !text.startsWith(SCHEME)) throw new UserError("not an invitation (ringlet://...)", fix);
	const [hosts = "", overlayName = "", code = "", fingerprint = "", name, ...more] = text
		.slice(SCHEME.length)
		.split("/");
	const addresses = hosts.split(",").map(readHostPort);
	if (more.length > 0 || addresses.length === 0 || addresses.length > MAX_ADDRESSES_PER_PEER)
		throw new UserError("the invitation has too many parts", fix);
	const good = addresses.filter((address) => address !== undefined);
	if (good.length !== addresses.length) throw new UserError(`the invitation's address ${hosts} is wrong`, fix);
	if (!isOverlayName(overlayName)) throw new UserError(`the invitation's household name ${overlayName} is wrong`, fix);
	const letters = readCode(code);
	if (letters === undefined) throw new UserError(`the invitation's code ${code} is wrong`, fix);
	if (!FINGERPRINT.test(fingerprint)) throw new UserError("the invitation's fingerprint is wrong", fix);
	return { addresses: good, overlayName, code: showCode(letters), fingerprint, name: name === "" ? undefined : name };
}

/** "192.0.2.1:6085", "[2001:db8::1]:6085", "pi.local"; undefined when it is none of these. */
export function readHostPort(text: string): Address | undefined {
	const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/.exec(text);
	const address = match?.[1] ?? match?.[2];
	const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
	if (address === undefined || port < 1 || port > 65535) return undefined;
	if (match?.[1] !== undefined ? isIP(address) !== 6 : isIP(address) !== 4 && !isOverlayName(address)) return undefined;
	return { address, port };
}
