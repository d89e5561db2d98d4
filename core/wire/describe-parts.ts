/** The parts that many bodies share, as `describe.ts` shows them. Names of fields are the RFCs' own. */
import type { IpAddressPort } from "./address.ts";
import { formatAddress } from "./address-text.ts";
import { bytesToUtf8, isUtf8, toHex } from "./bytes.ts";
import { DestinationType, HashAlgorithm, SignatureAlgorithm, SignerIdentityType } from "./codes.ts";
import type { Destination } from "./destination.ts";
import { codeName } from "./names.ts";
import { encodeSignerIdentity, type Signature, type SignerIdentity } from "./security.ts";
import type { ModelOf } from "./stored-data.ts";
import type { WireWriter } from "./writer.ts";
import { encode } from "./writer.ts";

/** What one field shows: a number, a text, a flag, a list, or the fields inside it in wire order. */
export type Described = string | number | boolean | readonly Described[] | DescribedFields;

export interface DescribedFields {
	readonly [name: string]: Described;
}

/** Fields under construction. */
export type FieldsInProgress = { [name: string]: Described };

export interface DescribeOptions {
	/** Octets of a Node-ID, 16..20. */
	readonly nodeIdLength: number;
	/** Data models of Kinds; values of other Kinds stay hex. */
	readonly modelOf: ModelOf;
	/** When given, certificates are shown with their SHA-256. */
	readonly sha256?: (data: Uint8Array) => Uint8Array;
}

/** "0x" and eight hex digits. */
export function hex32(value: number): string {
	return `0x${value.toString(16).padStart(8, "0")}`;
}

/** "0x" and sixteen hex digits of two words. */
export function hex64(high: number, low: number): string {
	return hex32(high) + low.toString(16).padStart(8, "0");
}

/** Text where the octets are UTF-8, else hex. */
export function textOrHex(bytes: Uint8Array): string {
	return isUtf8(bytes) ? bytesToUtf8(bytes) : toHex(bytes);
}

/** A list of described elements. */
export function each<T>(list: readonly T[], describe: (element: T) => Described): Described[] {
	const described: Described[] = [];
	for (let i = 0; i < list.length; i++) described.push(describe(list[i]!));
	return described;
}

/** Octets of the encoding, less `but`. */
export function lengthOf<T>(write: (writer: WireWriter, value: T) => void, value: T, but: number): number {
	return encode(write, value).length - but;
}

export function describeDestination(destination: Destination): DescribedFields {
	switch (destination.type) {
		case DestinationType.node:
			return { form: "tlv", type: "node", length: destination.nodeId.length, node_id: toHex(destination.nodeId) };
		case DestinationType.resource: {
			const id = destination.resourceId;
			return { form: "tlv", type: "resource", length: id.length + 1, resource_id: toHex(id) };
		}
		case DestinationType.opaqueId: {
			const opaque_id = toHex(destination.opaqueId);
			if (destination.compressed) return { form: "compressed16", type: "opaque_id_type", opaque_id };
			return { form: "tlv", type: "opaque_id_type", length: destination.opaqueId.length + 1, opaque_id };
		}
		default: {
			const { code, data } = destination;
			return { form: "tlv", type: code, length: data.length, destination_data: toHex(data) };
		}
	}
}

export function describeAddress(address: IpAddressPort): DescribedFields {
	if (address.type === 0) return { type: address.code, length: address.data.length, data: toHex(address.data) };
	return { type: address.type, addr: formatAddress(address.addr), port: address.port };
}

/** A code point and its name, when it has one. */
export function named(
	field: string,
	table: Readonly<Record<string, number>>,
	code: number,
	nameField = `${field}Name`,
): FieldsInProgress {
	const name = codeName(table, code);
	return name === undefined ? { [field]: code } : { [field]: code, [nameField]: name };
}

export function describeIdentity(identity: SignerIdentity): DescribedFields {
	const fields = named("identity_type", SignerIdentityType, identity.identityType, "identityTypeName");
	fields.length = encodeSignerIdentity(identity).length - 3;
	if (identity.other !== undefined) fields.identity = toHex(identity.other);
	else if (identity.identityType !== SignerIdentityType.none) {
		const isPlain = identity.identityType === SignerIdentityType.certHash;
		fields.hash_alg = identity.hashAlg;
		fields[isPlain ? "certificate_hash" : "certificate_node_id_hash"] = toHex(identity.certificateHash);
	}
	return fields;
}

export function describeSignature(signature: Signature): DescribedFields {
	const algorithm = named("hash", HashAlgorithm, signature.algorithm.hash);
	Object.assign(algorithm, named("signature", SignatureAlgorithm, signature.algorithm.signature));
	return {
		algorithm,
		identity: describeIdentity(signature.identity),
		signature_value: toHex(signature.signatureValue),
	};
}
