/** Namespaces of configuration documents, and the prefixes they go by. RFC 6940 §11.1, RFC 7904 §3.4, RFC 7374 §8, RFC 7363 §7. */

export const Namespace = Object.freeze({
	base: "urn:ietf:params:xml:ns:p2p:config-base",
	chord: "urn:ietf:params:xml:ns:p2p:config-chord",
	sip: "urn:ietf:params:xml:ns:p2p:config-base:sip",
	redir: "urn:ietf:params:xml:ns:p2p:redir",
	selfTuning: "urn:ietf:params:xml:ns:p2p:self-tuning",
	/** Ours: `profile`, the choice between the timers of RFC 6940 and those of a house. */
	ringlet: "urn:ringlet:config",
} as const);

/** Prefix of each namespace in what we write; and the only one we take when it is declared outside of the signed octets. */
export const PREFIXES: readonly (readonly [prefix: string, namespace: string])[] = Object.freeze([
	Object.freeze(["", Namespace.base] as const),
	Object.freeze(["chord", Namespace.chord] as const),
	Object.freeze(["sip", Namespace.sip] as const),
	Object.freeze(["redir", Namespace.redir] as const),
	Object.freeze(["self-tuning", Namespace.selfTuning] as const),
	Object.freeze(["ringlet", Namespace.ringlet] as const),
]);

/** ` xmlns="..." xmlns:chord="..."` and so on, for a start tag. */
export function namespaceDeclarations(): string {
	let text = "";
	for (const [prefix, namespace] of PREFIXES) text += ` xmlns${prefix === "" ? "" : `:${prefix}`}="${namespace}"`;
	return text;
}

/** What may stand in mandatory-extension without keeping this node out. */
export const SUPPORTED_EXTENSIONS: readonly string[] = Object.freeze([
	Namespace.chord,
	Namespace.sip,
	Namespace.redir,
	Namespace.selfTuning,
	Namespace.ringlet,
]);
