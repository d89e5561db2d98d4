/** The elements of `configuration`. Before editing read RFC 6940 §11.1. */
import { readCertificate } from "../identity/certificate.ts";
import { isRefused } from "../machine.ts";
import { fromBase64 } from "./base64.ts";
import { DEFAULT_BOOTSTRAP_PORT, type Draft } from "./draft.ts";
import { readKindBlockElement } from "./kind-element.ts";
import * as limits from "./limits.ts";
import { Namespace } from "./namespaces.ts";
import { integerValue, isAddressText } from "./values.ts";
import { attribute, trimmed, trimmedText, type XmlElement } from "./xml-tree.ts";

const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;

/** Reads all children of `configuration` into `draft`, in whatever order they stand. */
export function readElements(draft: Draft, configuration: XmlElement): void {
	// node-id-length first: it says how long the Node-IDs of the others are.
	for (const child of configuration.children) {
		if (child.namespace === Namespace.base && child.name === "node-id-length")
			draft.nodeIdLength = draft.integer(child, 16, 20);
	}
	for (const child of configuration.children) {
		if (child.namespace === Namespace.base) readBase(draft, child);
		else readForeign(draft, child);
		if (draft.fault !== undefined) return;
	}
}

function readBase(draft: Draft, element: XmlElement): void {
	switch (element.name) {
		case "topology-plugin":
			draft.topologyPlugin = draft.word(element);
			break;
		case "root-cert":
			readRootCert(draft, element);
			break;
		case "enrollment-server":
			readEnrollmentServer(draft, element);
			break;
		case "self-signed-permitted":
			readSelfSignedPermitted(draft, element);
			break;
		case "bootstrap-node":
			readBootstrapNode(draft, element);
			break;
		case "turn-density":
			draft.turnDensity = draft.integer(element, 0, 255);
			break;
		case "clients-permitted":
			draft.clientsPermitted = draft.boolean(element);
			break;
		case "no-ice":
			draft.noIce = draft.boolean(element);
			break;
		case "shared-secret":
			draft.sharedSecret = draft.word(element);
			break;
		case "max-message-size":
			draft.maxMessageSize = draft.integer(element, limits.MESSAGE_SIZE_LEAST, limits.MESSAGE_SIZE_MOST);
			break;
		case "initial-ttl":
			// RFC 6940 §6.3.2: ttl is one octet.
			draft.initialTtl = draft.integer(element, 1, 255);
			break;
		case "overlay-reliability-timer":
			// RFC 6940 §11.1 MUST: not below 200 ms.
			draft.overlayReliabilityTimerMs = draft.integer(element, 200, INT_MAX);
			break;
		case "overlay-link-protocol":
			draft.add(draft.overlayLinkProtocols, limits.LINK_PROTOCOLS, element, trimmedText(element));
			break;
		case "kind-signer":
			draft.nodeId(draft.kindSigners, limits.SIGNERS, element);
			break;
		case "configuration-signer":
			draft.nodeId(draft.configurationSigners, limits.SIGNERS, element);
			break;
		case "bad-node":
			draft.nodeId(draft.badNodes, limits.BAD_NODES, element);
			break;
		case "mandatory-extension":
			draft.add(draft.mandatoryExtensions, limits.MANDATORY_EXTENSIONS, element, trimmedText(element));
			break;
		case "required-kinds":
			readRequiredKinds(draft, element);
			break;
		default:
			// Choice (§11.1): an element of the base namespace that the RFC does not have is passed over, like a foreign one.
			break;
	}
}

/** RFC 6940 §11.1: elements of other namespaces; unknown ones are passed over. */
function readForeign(draft: Draft, element: XmlElement): void {
	switch (`${element.namespace} ${element.name}`) {
		case `${Namespace.chord} chord-update-interval`:
			draft.chordUpdateIntervalS = draft.integer(element, 1, INT_MAX);
			break;
		case `${Namespace.chord} chord-ping-interval`:
			draft.chordPingIntervalS = draft.integer(element, 1, INT_MAX);
			break;
		case `${Namespace.chord} chord-reactive`:
			draft.chordReactive = draft.boolean(element);
			break;
		case `${Namespace.redir} branching-factor`:
			draft.redirBranchingFactor = draft.integer(element, 2, 0xffff);
			break;
		case `${Namespace.selfTuning} number-of-peers-to-probe`:
			draft.numberOfPeersToProbe = draft.integer(element, 0, UINT_MAX);
			break;
		case `${Namespace.ringlet} profile`: {
			const name = draft.word(element);
			if (name === "house" || name === "rfc") draft.profile = name;
			else draft.refuse(element, "neither house nor rfc");
			break;
		}
		default:
			break;
	}
}

function readRootCert(draft: Draft, element: XmlElement): void {
	const der = fromBase64(element.text);
	const certificate = der === undefined ? undefined : readCertificate(der, draft.crypto);
	if (der === undefined || certificate === undefined) draft.refuse(element, "not base64");
	else if (isRefused(certificate)) draft.refuse(element, certificate.refused);
	else draft.add(draft.rootCerts, limits.ROOT_CERTS, element, der);
}

/** RFC 6940 §11.1, §11.3: enrollment is by HTTPS only. */
function readEnrollmentServer(draft: Draft, element: XmlElement): void {
	const uri = trimmedText(element);
	if (uri.slice(0, 8).toLowerCase() !== "https://" || uri.length === 8) draft.refuse(element, "not an https URL");
	else draft.add(draft.enrollmentServers, limits.ENROLLMENT_SERVERS, element, uri);
}

function readSelfSignedPermitted(draft: Draft, element: XmlElement): void {
	if (!draft.boolean(element)) return;
	const digest = trimmed(attribute(element, "digest") ?? "");
	if (digest === "sha1" || digest === "sha256") draft.selfSignedPermitted = digest;
	else draft.refuse(element, "digest is neither sha1 nor sha256");
}

function readBootstrapNode(draft: Draft, element: XmlElement): void {
	const address = trimmed(attribute(element, "address") ?? "");
	const portText = attribute(element, "port");
	const port = portText === undefined ? DEFAULT_BOOTSTRAP_PORT : integerValue(trimmed(portText), 1, 65_535);
	if (!isAddressText(address)) draft.refuse(element, "address is neither IPv4 nor IPv6");
	else if (port === undefined) draft.refuse(element, "port is not of 1 to 65535");
	else draft.add(draft.bootstrapNodes, limits.BOOTSTRAP_NODES, element, { address, port });
}

/** [D-27]: inside a signed configuration a kind-block needs no kind-signature; the configuration's covers it. */
function readRequiredKinds(draft: Draft, element: XmlElement): void {
	draft.once(element);
	for (const child of element.children) {
		if (child.namespace !== Namespace.base || child.name !== "kind-block") continue;
		const block = readKindBlockElement(child, draft.bytes);
		if (typeof block === "string") draft.refuse(child, block);
		else if (draft.requiredKinds.some((other) => other.id === block.kind.id)) draft.refuse(child, "a Kind given twice");
		else {
			draft.add(draft.requiredKinds, limits.KINDS, child, block.kind);
			draft.kindBlocks.push(block);
		}
		readKindParameters(draft, child);
	}
}

/** RFC 7374 §8: branching-factor stands in the kind by the text, in the configuration by the grammar; both are read. */
function readKindParameters(draft: Draft, block: XmlElement): void {
	for (const kind of block.children)
		for (const parameter of kind.children) if (parameter.namespace === Namespace.redir) readForeign(draft, parameter);
}
