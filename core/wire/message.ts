/**
 * A whole message: ForwardingHeader | MessageContents | SecurityBlock (RFC 6940 §6.3), and what its signature covers.
 */
import { type Refused, refuse } from "../machine.ts";
import { concatBytes } from "./bytes.ts";
import { type MessageContents, readMessageContents } from "./contents.ts";
import {
	type ForwardingHeader,
	isWhole,
	LENGTH_OFFSET,
	readForwardingHeader,
	writeForwardingHeader,
} from "./forwarding.ts";
import { WireReader } from "./reader.ts";
import { readCertificates, readSignature, type SecurityBlock, writeSecurityBlock } from "./security.ts";
import { WireWriter } from "./writer.ts";

export interface Message {
	readonly header: ForwardingHeader;
	readonly contents: MessageContents;
	readonly security: SecurityBlock;
	/** MessageContents as received: the signature covers these octets, never a re-encoding. */
	readonly contentsBytes: Uint8Array;
	/** SignerIdentity as received, type and length included. */
	readonly identityBytes: Uint8Array;
	/** The whole message as received. */
	readonly bytes: Uint8Array;
}

/**
 * Reads a whole message (after reassembly). All octet strings of the result are views into `bytes`. The body stays encoded:
 * read it with the function of its code once the signature is verified.
 */
export function readMessage(bytes: Uint8Array, nodeIdLength: number): Message | Refused {
	const reader = new WireReader(bytes);
	const header = readForwardingHeader(reader, nodeIdLength);
	if (reader.failedAt < 0) {
		if (header.length !== bytes.length) return refuse("length is not that of the message", LENGTH_OFFSET);
		if (!isWhole(header.fragment)) return refuse("a fragment, not a whole message", 12);
	}
	const contentsAt = reader.at;
	const contents = readMessageContents(reader);
	const contentsBytes = reader.since(contentsAt);
	const certificates = readCertificates(reader);
	const identityAt = reader.at + 2;
	const signature = readSignature(reader);
	// RFC 6940 §6.3: nothing follows the security block.
	reader.end();
	const refused = reader.refused;
	if (refused !== undefined) return refused;
	const identityEnd = bytes.length - 2 - signature.signatureValue.length;
	const identityBytes = new Uint8Array(bytes.buffer, bytes.byteOffset + identityAt, identityEnd - identityAt);
	return { header, contents, security: { certificates, signature }, contentsBytes, identityBytes, bytes };
}

/** Writes a message; `header.length` is computed. `contentsBytes` are the octets that were signed. */
export function writeMessage(header: ForwardingHeader, contentsBytes: Uint8Array, security: SecurityBlock): Uint8Array {
	const writer = new WireWriter(contentsBytes.length + expectedOctets(header, security));
	writeForwardingHeader(writer, header);
	writer.bytes(contentsBytes);
	writeSecurityBlock(writer, security);
	writer.patch32(LENGTH_OFFSET, writer.length);
	return writer.take();
}

/** About the octets of header and security block together, so that the writer need neither grow nor copy. */
function expectedOctets(header: ForwardingHeader, security: SecurityBlock): number {
	let octets = 96 + 24 * (header.viaList.length + header.destinationList.length);
	octets += security.signature.signatureValue.length;
	for (let i = 0; i < header.options.length; i++) octets += 4 + header.options[i]!.value.length;
	for (let i = 0; i < security.certificates.length; i++) octets += 3 + security.certificates[i]!.certificate.length;
	return octets;
}

/**
 * What the signature of a message covers (RFC 6940 §6.3.4):
 * overlay(4) | transaction_id(8) | MessageContents | SignerIdentity.
 */
export function signatureInput(
	overlay: number,
	transactionIdHigh: number,
	transactionIdLow: number,
	contentsBytes: Uint8Array,
	identityBytes: Uint8Array,
): Uint8Array {
	const writer = new WireWriter(12 + contentsBytes.length + identityBytes.length);
	writer.u32(overlay);
	writer.u32(transactionIdHigh);
	writer.u32(transactionIdLow);
	writer.bytes(contentsBytes);
	writer.bytes(identityBytes);
	return writer.view();
}

/** `signatureInput` of a received message. */
export function messageSignatureInput(message: Message): Uint8Array {
	const { overlay, transactionIdHigh, transactionIdLow } = message.header;
	return signatureInput(overlay, transactionIdHigh, transactionIdLow, message.contentsBytes, message.identityBytes);
}

/**
 * What a SignerIdentity hashes (RFC 6940 §6.3.4): the certificate for cert_hash, the raw Node-ID followed by the certificate for
 * cert_hash_node_id.
 */
export function certificateHashInput(certificate: Uint8Array, nodeId?: Uint8Array): Uint8Array {
	return nodeId === undefined ? certificate : concatBytes(nodeId, certificate);
}
