/** The `kind-block` and `kind` elements. RFC 6940 §11.1; domain restrictions of SIP registrations: RFC 7904 §3.4. */
import { type Refused, refuse } from "../machine.ts";
import { KindId } from "../wire/codes.ts";
import type { DataModel } from "../wire/stored-data.ts";
import { fromBase64 } from "./base64.ts";
import {
	ACCESS_CONTROL_POLICIES,
	type DomainRestrictions,
	type KindBlock,
	type KindDefinition,
	registeredKind,
} from "./kinds.ts";
import { DOMAIN_PATTERNS } from "./limits.ts";
import { Namespace } from "./namespaces.ts";
import { booleanValue, integerValue } from "./values.ts";
import { attribute, trimmed, trimmedText, type XmlElement } from "./xml-tree.ts";

const UINT_MAX = 0xffffffff;
/** [D-3]: i of NODE-MULTIPLE is one octet. */
const NODE_MULTIPLE_MOST = 255;

/** Reads one `kind-block` of the document `bytes`; a fault as text. */
export function readKindBlockElement(element: XmlElement, bytes: Uint8Array): KindBlock | string {
	const child = onlyChild(element, "kind");
	// RFC 6940 §11.1: a single kind, and its signature.
	if (child === undefined) return "kind-block without exactly one kind";
	const kind = readKindElement(child);
	if ("refused" in kind) return `kind: ${kind.refused}`;
	const signatureElement = onlyChild(element, "kind-signature");
	const signature = signatureElement === undefined ? undefined : fromBase64(signatureElement.text);
	if (signatureElement !== undefined && signature === undefined) return "kind-signature: not base64";
	return { kind, signedBytes: bytes.subarray(child.start, child.end), signature };
}

/** Reads one `kind`. For a registered Kind, model and policy are those of the registration. */
export function readKindElement(element: XmlElement): KindDefinition | Refused {
	const identity = readIdentity(element);
	if ("refused" in identity) return identity;
	const { id, name } = identity;
	const model = dataModelOf(childText(element, "data-model") ?? "");
	const policy = childText(element, "access-control");
	const maxCount = integerValue(childText(element, "max-count") ?? "", 0, UINT_MAX);
	const maxSize = integerValue(childText(element, "max-size") ?? "", 0, UINT_MAX);
	if (maxCount === undefined || maxSize === undefined) return refuse("max-count or max-size is missing or no number");
	const registered = registeredKind(id);
	// RFC 6940 §11.1 MUST: for a registered Kind the document's model and policy are ignored in favour of the registration.
	const dataModel = registered?.dataModel ?? model;
	const accessControl = registered?.accessControl ?? policy;
	if (dataModel === undefined) return refuse("data-model is none of SINGLE, ARRAY, DICTIONARY");
	if (accessControl === undefined || !ACCESS_CONTROL_POLICIES.includes(accessControl))
		return refuse("access-control is not a policy this version knows");
	const multiple = readNodeMultiple(element, accessControl, registered?.maxNodeMultiple);
	if (typeof multiple === "object") return multiple;
	const domains = id === KindId.sipRegistration ? readDomainRestrictions(element) : undefined;
	if (domains !== undefined && "refused" in domains) return domains;
	return {
		id,
		name,
		dataModel,
		accessControl,
		maxCount,
		maxSize,
		maxNodeMultiple: multiple,
		domainRestrictions: domains,
		signedBy: undefined,
	};
}

/** `name` of a registered Kind or `id` in decimal; when both are there they must agree. */
function readIdentity(element: XmlElement): { id: number; name: string | undefined } | Refused {
	const name = attribute(element, "name");
	const idText = attribute(element, "id");
	const registered = name === undefined ? undefined : registeredKind(trimmed(name));
	if (name !== undefined && registered === undefined && idText === undefined)
		return refuse(`a Kind named ${trimmed(name)} is not known to this version`);
	if (idText === undefined)
		return registered === undefined ? refuse("neither name nor id") : { id: registered.id, name: registered.name };
	// RFC 6940 §14.6: 0, 0x7fffffff and 0xffffffff are no Kinds.
	const id = integerValue(trimmed(idText), 1, 0xfffffffe);
	if (id === undefined || id === 0x7fffffff) return refuse("id is not a Kind-ID");
	const known = registered ?? registeredKind(id);
	if (known !== undefined && known.id !== id) return refuse("name and id are of different Kinds");
	return { id, name: known?.name };
}

/** RFC 6940 §11.1 MUST: max-node-multiple with NODE-MULTIPLE, greater than 0. A registration's number is the most. */
function readNodeMultiple(
	element: XmlElement,
	accessControl: string,
	most: number | undefined,
): number | undefined | Refused {
	if (accessControl !== "NODE-MULTIPLE") return undefined;
	const text = childText(element, "max-node-multiple");
	if (text === undefined) return most ?? refuse("max-node-multiple is missing");
	const multiple = integerValue(text, 1, NODE_MULTIPLE_MOST);
	if (multiple === undefined) return refuse(`max-node-multiple is not of 1 to ${NODE_MULTIPLE_MOST}`);
	return most !== undefined && multiple > most ? most : multiple;
}

/** [D-29]: the element of the text and that of the grammar. */
function readDomainRestrictions(element: XmlElement): DomainRestrictions | undefined | Refused {
	for (const child of element.children) {
		if (child.namespace !== Namespace.sip) continue;
		if (child.name !== "domain-restriction" && child.name !== "domain-restrictions") continue;
		const enableText = attribute(child, "enable");
		const enable = enableText === undefined ? false : booleanValue(trimmed(enableText));
		if (enable === undefined) return refuse("enable of the domain restriction is neither true nor false");
		const patterns: string[] = [];
		for (const pattern of child.children) {
			if (pattern.namespace !== Namespace.sip || pattern.name !== "pattern") continue;
			if (patterns.length === DOMAIN_PATTERNS) return refuse(`more than ${DOMAIN_PATTERNS} domain patterns`);
			patterns.push(trimmedText(pattern));
		}
		return { enable, patterns };
	}
	return undefined;
}

/** Text of the only child with this name; `undefined` when there is none or more than one. */
function childText(element: XmlElement, name: string): string | undefined {
	const child = onlyChild(element, name);
	return child === undefined ? undefined : trimmedText(child);
}

function onlyChild(parent: XmlElement, name: string): XmlElement | undefined {
	let found: XmlElement | undefined;
	for (const child of parent.children) {
		if (child.namespace !== Namespace.base || child.name !== name) continue;
		if (found !== undefined) return undefined;
		found = child;
	}
	return found;
}

function dataModelOf(text: string): DataModel | undefined {
	switch (text) {
		case "SINGLE":
			return "single";
		case "ARRAY":
			return "array";
		case "DICTIONARY":
			return "dictionary";
		default:
			return undefined;
	}
}

/** The registry's spelling. */
export function dataModelText(model: DataModel): string {
	return model === "single" ? "SINGLE" : model === "array" ? "ARRAY" : "DICTIONARY";
}
