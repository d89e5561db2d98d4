/** Names of accounts, groups and devices. */
import { HOUSE_NAME } from "../../../core/usages/house.ts";
import { UserError } from "../state/errors.ts";
import { MAX_NAME } from "./limits.ts";

/** Choice: lower case only, so that a name is one sequence of octets (RFC 6940 §11.3 compares octets) however it is typed. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;
/** User names of peers: `peer-` and 16 hex digits. Nobody else's name begins so. */
const PEER_PREFIX = "peer-";
const PEER_NAME = /^peer-[0-9a-f]{16}$/;
/** The configuration-signer's name. */
export const SIGNER_NAME = "configuration";
const RESERVED: readonly string[] = Object.freeze([HOUSE_NAME, SIGNER_NAME, "enrollment", "ringlet"]);

export interface Name {
	/** "alice" */
	readonly name: string;
	/** "alice@home.example" */
	readonly aor: string;
}

/** Reads a name given with or without its domain. Throws a `UserError` that says what a name looks like. */
export function readName(text: unknown, domain: string): Name {
	if (typeof text !== "string" || text === "") throw new UserError("no name given", "give a name like alice");
	const at = text.indexOf("@");
	const name = at < 0 ? text : text.slice(0, at);
	if (at >= 0 && text.slice(at + 1) !== domain)
		throw new UserError(`${text}: this household is ${domain}`, `write ${name} or ${name}@${domain}`);
	if (name.length > MAX_NAME)
		throw new UserError(`${name}: longer than ${MAX_NAME} characters`, "choose a shorter name");
	if (!NAME.test(name)) {
		const lower = name.toLowerCase();
		const fix = NAME.test(lower) ? `write ${lower}` : "use a-z, 0-9, and . _ - between them";
		throw new UserError(`${name}: not a name`, fix);
	}
	if (name.startsWith(PEER_PREFIX) || RESERVED.includes(name))
		throw new UserError(`${name}: reserved for Ringlet itself`, "choose another name");
	return { name, aor: `${name}@${domain}` };
}

/** The same without throwing, for names from the network: undefined when it is none. */
export function readNameQuietly(text: string, domain: string): Name | undefined {
	try {
		return readName(text, domain);
	} catch {
		return undefined;
	}
}

/** True for the user name of a peer of this household. */
export function isPeerUserName(userName: string, domain: string): boolean {
	const at = userName.indexOf("@");
	return at > 0 && userName.slice(at + 1) === domain && PEER_NAME.test(userName.slice(0, at));
}

/** A user name for a new peer. `random`: 8 octets. */
export function peerUserName(random: Uint8Array, domain: string): string {
	return `${PEER_PREFIX}${Buffer.from(random).toString("hex")}@${domain}`;
}
