/** Bodies of Store, Fetch, Stat and Find, and the values of registered Kinds, as `describe.ts` shows them. */
import { isRefused, type Refused } from "../machine.ts";
import { toHex } from "./bytes.ts";
import { KindId, SipRegistrationType } from "./codes.ts";
import {
	type Described,
	type DescribedFields,
	type DescribeOptions,
	describeAddress,
	describeDestination,
	describeSignature,
	each,
	type FieldsInProgress,
	lengthOf,
	textOrHex,
} from "./describe-parts.ts";
import { type FetchAns, type FetchReq, type StoredDataSpecifier, writeStoredDataSpecifier } from "./fetch.ts";
import { kindName } from "./names.ts";
import { readRedirServiceProvider } from "./redir.ts";
import { readAccessControlListItem } from "./share.ts";
import { readSipRegistration, type SipRegistration, writeSipRegistration } from "./sip-registration.ts";
import { type MetaData, type StatAns, type StoredMetaData, writeStoredMetaData } from "./stat.ts";
import type { StoreAns, StoreReq } from "./store.ts";
import { type DataValue, type StoredData, type StoredValues, writeStoredData } from "./stored-data.ts";
import { readTurnServer } from "./turn.ts";

function kindFields(kind: number): FieldsInProgress {
	return { kind, kindName: kindName(kind) };
}

export function describeStoreReq(request: StoreReq, options: DescribeOptions): DescribedFields {
	return {
		resource: toHex(request.resource),
		replica_number: request.replicaNumber,
		kind_data: each(request.kindData, (entry) => ({
			...kindFields(entry.kind),
			generation_counter: entry.generationCounter,
			values: describeValues(entry.kind, entry, options),
		})),
	};
}

export function describeStoreAns(answer: StoreAns): DescribedFields {
	return {
		kind_responses: each(answer.kindResponses, (entry) => ({
			...kindFields(entry.kind),
			generation_counter: entry.generationCounter,
			replicas: each(entry.replicas, toHex),
		})),
	};
}

export function describeFetchReq(request: FetchReq): DescribedFields {
	return { resource: toHex(request.resource), specifiers: each(request.specifiers, describeSpecifier) };
}

/** Octets of kind, generation and length in front of a model_specifier. */
const SPECIFIER_HEAD = 14;

function describeSpecifier(specifier: StoredDataSpecifier): DescribedFields {
	const fields = kindFields(specifier.kind);
	fields.generation = specifier.generation;
	fields.length = lengthOf(writeStoredDataSpecifier, specifier, SPECIFIER_HEAD);
	if (specifier.model === undefined) fields.model_specifier = toHex(specifier.raw);
	else fields.model = specifier.model;
	if (specifier.model === "array") {
		fields.indices = each(specifier.indices, (range) => ({ first: range.first, last: range.last }));
	}
	if (specifier.model === "dictionary") fields.keys = each(specifier.keys, toHex);
	return fields;
}

export function describeFetchAns(answer: FetchAns, options: DescribeOptions): DescribedFields {
	return {
		kind_responses: each(answer.kindResponses, (entry) => ({
			...kindFields(entry.kind),
			generation: entry.generation,
			values: describeValues(entry.kind, entry, options),
		})),
	};
}

function describeValues(kind: number, list: StoredValues, options: DescribeOptions): Described {
	if (list.raw !== undefined) return toHex(list.raw);
	return each(list.values, (stored) => describeStoredData(kind, stored, options));
}

function describeStoredData(kind: number, stored: StoredData, options: DescribeOptions): DescribedFields {
	const value = describeDataValue(kind, stored.value.value, options);
	return {
		length: lengthOf(writeStoredData, stored, 4),
		storage_time: stored.storageTime,
		lifetime: stored.lifetime,
		value: inModel(stored.value, value),
		signature: describeSignature(stored.signature),
	};
}

/** The entry of a data model around a described value. */
function inModel(
	entry: { model: "single" } | { model: "array"; index: number } | { model: "dictionary"; key: Uint8Array },
	value: DescribedFields,
): DescribedFields {
	if (entry.model === "array") return { model: entry.model, index: entry.index, value };
	if (entry.model === "dictionary") return { model: entry.model, key: toHex(entry.key), value };
	return { model: entry.model, ...value };
}

function describeDataValue(kind: number, data: DataValue, options: DescribeOptions): DescribedFields {
	const fields: FieldsInProgress = { exists: data.exists, value: toHex(data.value) };
	if (!data.exists) return fields;
	const decoded = describeKindValue(kind, data.value, options);
	if (decoded === undefined) return fields;
	fields.decoded = isRefused(decoded) ? `refused: ${decoded.refused}, at octet ${decoded.at} of the value` : decoded;
	return fields;
}

/** The value of a registered Kind, why it is not one, or `undefined` for Kinds whose values have no structure. */
function describeKindValue(
	kind: number,
	value: Uint8Array,
	options: DescribeOptions,
): DescribedFields | Refused | undefined {
	switch (kind) {
		case KindId.sipRegistration: {
			const registration = readSipRegistration(value, options.nodeIdLength);
			return isRefused(registration) ? registration : describeSipRegistration(registration);
		}
		case KindId.turnService: {
			const server = readTurnServer(value);
			if (isRefused(server)) return server;
			return { iteration: server.iteration, server_address: describeAddress(server.serverAddress) };
		}
		case KindId.accessControlList:
			return describeAccessControlListItem(value);
		case KindId.redir:
			return describeRedir(value, options.nodeIdLength);
		default:
			return undefined;
	}
}

function describeSipRegistration(registration: SipRegistration): DescribedFields {
	const code = registration.type === 0 ? registration.code : registration.type;
	const name = code === SipRegistrationType.uri ? "sip_registration_uri" : "sip_registration_route";
	const fields: FieldsInProgress = registration.type === 0 ? { type: code } : { type: code, typeName: name };
	fields.length = lengthOf(writeSipRegistration, registration, 3);
	if (registration.type === SipRegistrationType.uri) fields.uri = textOrHex(registration.uri);
	else if (registration.type === SipRegistrationType.route) {
		fields.contact_prefs = textOrHex(registration.contactPrefs);
		fields.destination_list = each(registration.destinationList, describeDestination);
	} else fields.data = toHex(registration.data);
	return fields;
}

/** Whether a ResourceNameExtension stands in front is not on the wire: the plain form is tried first. */
function describeAccessControlListItem(value: Uint8Array): DescribedFields | Refused {
	const plain = readAccessControlListItem(value, false);
	const item = isRefused(plain) ? readAccessControlListItem(value, true) : plain;
	if (isRefused(item)) return plain as Refused;
	const fields: FieldsInProgress = {};
	const extension = item.resNameExt;
	if (extension !== undefined) {
		fields.res_name_ext =
			extension.type === 0
				? { type: extension.code, data: toHex(extension.data) }
				: { type: extension.type, typeName: "pattern", resource_name: textOrHex(extension.resourceName) };
	}
	fields.to_user = textOrHex(item.toUser);
	Object.assign(fields, kindFields(item.kind));
	fields.allow_delegation = item.allowDelegation;
	return fields;
}

function describeRedir(value: Uint8Array, nodeIdLength: number): DescribedFields | Refused {
	const provider = readRedirServiceProvider(value, nodeIdLength);
	if (isRefused(provider)) return provider;
	return {
		type: provider.type,
		destination_list: each(provider.destinationList, describeDestination),
		namespace: textOrHex(provider.namespace),
		level: provider.level,
		node: provider.node,
		length: provider.extension.length,
		extension: toHex(provider.extension),
	};
}

export function describeStatAns(answer: StatAns): DescribedFields {
	return {
		kind_responses: each(answer.kindResponses, (entry) => ({
			...kindFields(entry.kind),
			generation: entry.generation,
			values: entry.raw !== undefined ? toHex(entry.raw) : each(entry.values, describeStoredMetaData),
		})),
	};
}

function describeStoredMetaData(stored: StoredMetaData): DescribedFields {
	return {
		length: lengthOf(writeStoredMetaData, stored, 4),
		storage_time: stored.storageTime,
		lifetime: stored.lifetime,
		metadata: inModel(stored.metadata, describeMetaData(stored.metadata.value)),
	};
}

function describeMetaData(value: MetaData): DescribedFields {
	return {
		exists: value.exists,
		value_length: value.valueLength,
		hash_algorithm: value.hashAlgorithm,
		hash_value: toHex(value.hashValue),
	};
}
