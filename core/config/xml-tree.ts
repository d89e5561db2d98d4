/** A small XML document as a tree, with namespaces resolved and the octets each element stands on. */
import { type Refused, refuse } from "../machine.ts";
import { XML_ELEMENTS, XML_NAMESPACES } from "./limits.ts";
import { type XmlAttribute, XmlReader } from "./xml.ts";

export interface XmlElement {
	/** Namespace name; "" for none. */
	readonly namespace: string;
	/** Local name. */
	readonly name: string;
	/** As written; namespace declarations included. */
	readonly attributes: readonly XmlAttribute[];
	/** Child elements in order. */
	readonly children: XmlElement[];
	/** Text directly inside, in one piece, white space kept. */
	text: string;
	/** Offsets of its `<` and behind its `>`. */
	readonly start: number;
	end: number;
}

/** A declaration in force: prefix ("" = the default) and namespace name. */
interface Binding {
	readonly prefix: string;
	readonly namespace: string;
	readonly depth: number;
}

const XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace";

/** Parses a whole document. */
export function readXml(bytes: Uint8Array): XmlElement | Refused {
	const reader = new XmlReader(bytes);
	const bindings: Binding[] = [{ prefix: "xml", namespace: XML_NAMESPACE, depth: 0 }];
	const open: XmlElement[] = [];
	let root: XmlElement | undefined;
	let count = 0;
	for (let event = reader.next(); event !== "end"; event = reader.next()) {
		const parent = open[open.length - 1];
		if (event === "text") {
			if (parent !== undefined) parent.text += reader.text;
		} else if (event === "close") {
			if (parent !== undefined) parent.end = reader.at;
			open.pop();
			while (bindings[bindings.length - 1]!.depth > open.length) bindings.pop();
		} else {
			if (++count > XML_ELEMENTS) reader.refuse("too many XML elements");
			const element = openElement(reader, bindings, open.length + 1);
			if (parent === undefined) root = element;
			else parent.children.push(element);
			open.push(element);
		}
	}
	return reader.refused ?? root ?? refuse("XML document without an element");
}

/** Value of an attribute without prefix. */
export function attribute(element: XmlElement, name: string): string | undefined {
	for (const one of element.attributes) if (one.name === name) return one.value;
	return undefined;
}

/** Text without the white space around it (RFC 6940 §11.1: values are trimmed). */
export function trimmedText(element: XmlElement): string {
	return trimmed(element.text);
}

export function trimmed(text: string): string {
	let start = 0;
	let end = text.length;
	while (start < end && isSpace(text.charCodeAt(start))) start++;
	while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
	return text.slice(start, end);
}

function openElement(reader: XmlReader, bindings: Binding[], depth: number): XmlElement {
	for (const { name, value } of reader.attributes) {
		const prefix = name === "xmlns" ? "" : name.startsWith("xmlns:") ? name.slice(6) : undefined;
		if (prefix === undefined) continue;
		// Namespaces in XML 1.0 §2.2, §3: a prefix is not taken back, `xml` and `xmlns` are not given away.
		if ((value === "" && prefix !== "") || prefix === "xml" || prefix === "xmlns" || prefix.includes(":"))
			reader.refuse("malformed XML namespace declaration", reader.start);
		if (bindings.length >= XML_NAMESPACES) reader.refuse("too many XML namespaces", reader.start);
		bindings.push({ prefix, namespace: value, depth });
	}
	const colon = reader.name.indexOf(":");
	const prefix = colon < 0 ? "" : reader.name.slice(0, colon);
	const name = reader.name.slice(colon + 1);
	const namespace = lookUp(bindings, prefix);
	if (namespace === undefined || name === "" || name.includes(":") || colon === 0)
		reader.refuse("XML name with an undeclared prefix", reader.start);
	const { attributes, start, at } = reader;
	return { namespace: namespace ?? "", name, attributes, children: [], text: "", start, end: at };
}

function lookUp(bindings: readonly Binding[], prefix: string): string | undefined {
	for (let i = bindings.length - 1; i >= 0; i--) if (bindings[i]!.prefix === prefix) return bindings[i]!.namespace;
	return prefix === "" ? "" : undefined;
}

function isSpace(code: number): boolean {
	return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}
