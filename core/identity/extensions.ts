/** Certificate extensions. Before editing read RFC 5280 §4.2 and RFC 6940 §11.3. */
import { isRefused } from "../machine.ts";
import { toHex } from "../wire/bytes.ts";
import { context, DerReader, Tag } from "./der.ts";
import { ALT_NAMES, EXTENSIONS, NODE_IDS, USER_NAME_CHARACTERS } from "./limits.ts";
import { Oid } from "./oids.ts";
import { isReloadUri, readReloadUri } from "./reload-uri.ts";

/** The part of `Certificate` that stands in extensions. */
export interface CertificateExtensions {
	readonly userName: string | undefined;
	readonly nodeIds: readonly Uint8Array[];
	readonly overlayName: string | undefined;
	readonly dnsNames: readonly string[];
	readonly isCa: boolean;
	readonly pathLength: number | undefined;
	readonly keyUsage: number | undefined;
	readonly subjectKeyId: Uint8Array | undefined;
	readonly authorityKeyId: Uint8Array | undefined;
}

interface Found {
	userName: string | undefined;
	nodeIds: Uint8Array[];
	overlayName: string | undefined;
	dnsNames: string[];
	isCa: boolean;
	pathLength: number | undefined;
	keyUsage: number | undefined;
	subjectKeyId: Uint8Array | undefined;
	authorityKeyId: Uint8Array | undefined;
}

/** Reads `[3] EXPLICIT Extensions OPTIONAL` of a tbsCertificate. */
export function readExtensions(reader: DerReader): CertificateExtensions {
	const found = emptyFound();
	if (reader.peek() !== context(3)) return found;
	reader.open(context(3));
	readExtensionList(reader, found);
	reader.close();
	return found;
}

/** Reads the ExtensionReq attribute value of a certification request: the same list, without the tag around it. */
export function readRequestedExtensions(reader: DerReader): CertificateExtensions {
	const found = emptyFound();
	readExtensionList(reader, found);
	return found;
}

function emptyFound(): Found {
	return {
		userName: undefined,
		nodeIds: [],
		overlayName: undefined,
		dnsNames: [],
		isCa: false,
		pathLength: undefined,
		keyUsage: undefined,
		subjectKeyId: undefined,
		authorityKeyId: undefined,
	};
}

function readExtensionList(reader: DerReader, found: Found): void {
	const seen: string[] = [];
	reader.open(Tag.sequence);
	while (reader.more()) {
		const at = reader.at;
		reader.open(Tag.sequence);
		const oid = reader.oid();
		const critical = reader.peek() === Tag.boolean ? reader.boolean() : false;
		const value = reader.contents(Tag.octetString);
		reader.close();
		// RFC 5280 §4.2 MUST NOT: two instances of one extension.
		if (seen.includes(oid)) reader.refuse("certificate extension given twice", at);
		if (seen.length === EXTENSIONS) reader.refuse("too many certificate extensions", at);
		seen.push(oid);
		readExtension(reader, at, oid, critical, value, found);
	}
	reader.close();
}

function readExtension(
	reader: DerReader,
	at: number,
	oid: string,
	critical: boolean,
	value: Uint8Array,
	found: Found,
): void {
	const inner = new DerReader(value);
	switch (oid) {
		case Oid.subjectAltName:
			readSubjectAltName(inner, found);
			break;
		case Oid.basicConstraints:
			inner.open(Tag.sequence);
			if (inner.peek() === Tag.boolean) found.isCa = inner.boolean();
			if (inner.peek() === Tag.integer) found.pathLength = inner.smallInteger();
			inner.close();
			break;
		case Oid.keyUsage: {
			const bits = inner.contents(Tag.bitString);
			if (bits.length < 2 || bits.length > 3) inner.refuse("malformed keyUsage");
			found.keyUsage = bits[1] ?? 0;
			break;
		}
		case Oid.subjectKeyIdentifier:
			found.subjectKeyId = inner.contents(Tag.octetString);
			break;
		case Oid.authorityKeyIdentifier:
			inner.open(Tag.sequence);
			if (inner.peek() === context(0, false)) found.authorityKeyId = inner.contents(context(0, false));
			while (inner.more()) inner.element();
			inner.close();
			break;
		default:
			// RFC 5280 §4.2 MUST: a critical extension that is not recognized makes the certificate unusable.
			if (critical) reader.refuse(`unknown critical certificate extension (OID octets ${oid})`, at);
			return;
	}
	const fault = inner.end();
	if (fault !== undefined) reader.refuse(fault.refused, at);
}

/** RFC 5280 §4.2.1.6; RFC 6940 §11.3: RELOAD URIs and one rfc822Name. Other names are kept (dNSName) or passed over. */
function readSubjectAltName(reader: DerReader, found: Found): void {
	let names = 0;
	reader.open(Tag.sequence);
	while (reader.more()) {
		const at = reader.at;
		const tag = reader.peek();
		const name = tag === RFC822_NAME || tag === DNS_NAME || tag === URI ? asciiText(reader, tag) : "";
		if (tag === RFC822_NAME) addUserName(reader, at, name, found);
		else if (tag === DNS_NAME) found.dnsNames.push(name);
		else if (tag === URI) addUri(reader, at, name, found);
		else reader.element();
		names++;
		if (names > ALT_NAMES) reader.refuse("too many names in subjectAltName", at);
	}
	reader.close();
}

/** GeneralName tags (RFC 5280 §4.2.1.6). */
const RFC822_NAME = context(1, false);
const DNS_NAME = context(2, false);
const URI = context(6, false);

function addUserName(reader: DerReader, at: number, name: string, found: Found): void {
	// RFC 6940 §11.3 MUST: exactly one rfc822Name.
	if (found.userName !== undefined) reader.refuse("certificate with two user names", at);
	if (!isUserName(name)) reader.refuse("malformed user name (rfc822Name) in a certificate", at);
	found.userName = name;
}

function addUri(reader: DerReader, at: number, uri: string, found: Found): void {
	if (!isReloadUri(uri)) return;
	const reload = readReloadUri(uri);
	if (isRefused(reload)) {
		reader.refuse(reload.refused, at);
		return;
	}
	// Choice (§11.3): one certificate belongs to one overlay, so that its name says which.
	if (found.overlayName !== undefined && found.overlayName !== reload.overlayName)
		reader.refuse("certificate with Node-IDs of two overlays", at);
	if (found.nodeIds.length === NODE_IDS) reader.refuse("too many Node-IDs in a certificate", at);
	if (found.nodeIds.some((nodeId) => toHex(nodeId) === toHex(reload.nodeId)))
		reader.refuse("certificate names a Node-ID twice", at);
	found.overlayName = reload.overlayName;
	found.nodeIds.push(reload.nodeId);
}

/** An rfc822Name that can be a RELOAD user name: `local@domain` of printable ASCII. */
export function isUserName(name: string): boolean {
	if (name.length > USER_NAME_CHARACTERS) return false;
	const at = name.indexOf("@");
	if (at < 1 || at === name.length - 1 || name.indexOf("@", at + 1) >= 0) return false;
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i);
		if (code < 0x21 || code > 0x7e) return false;
	}
	return true;
}

/** IA5String contents; anything outside ASCII, and NUL, is a fault. */
function asciiText(reader: DerReader, tag: number): string {
	const at = reader.at;
	const contents = reader.contents(tag);
	let text = "";
	for (let i = 0; i < contents.length; i++) {
		const octet = contents[i]!;
		if (octet === 0 || octet > 0x7f) reader.refuse("name in a certificate is not ASCII", at);
		text += String.fromCharCode(octet);
	}
	return text;
}
