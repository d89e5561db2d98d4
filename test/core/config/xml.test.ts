import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { XmlReader } from "../../../core/config/xml.ts";
import { readXml, trimmedText, type XmlElement } from "../../../core/config/xml-tree.ts";
import { isRefused } from "../../../core/machine.ts";
import { good, why } from "../identity/house.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => good(readXml(utf8(text)));
const slice = (text: string, element: XmlElement) =>
	new TextDecoder().decode(utf8(text).subarray(element.start, element.end));

describe("the tree", () => {
	test("elements, attributes, text, and the octets they stand on", () => {
		const text = `<?xml version="1.0" encoding="utf-8"?>\n<!-- a --><a x="1" y='2'>\n <b/>t<c>ä</c>\n</a> <?pi ?>\n`;
		const root = parse(text);
		expect(root.attributes).toEqual([
			{ name: "x", value: "1" },
			{ name: "y", value: "2" },
		]);
		expect(root.children.map((child) => child.name)).toEqual(["b", "c"]);
		expect(slice(text, root)).toBe(`<a x="1" y='2'>\n <b/>t<c>ä</c>\n</a>`);
		expect(slice(text, root.children[0] as XmlElement)).toBe("<b/>");
		expect(slice(text, root.children[1] as XmlElement)).toBe("<c>ä</c>");
		expect(trimmedText(root)).toBe("t");
	});

	test("a byte order mark is passed over, offsets still count it", () => {
		const root = good(readXml(new Uint8Array([0xef, 0xbb, 0xbf, ...utf8("<a/>")])));
		expect([root.start, root.end]).toEqual([3, 7]);
	});

	test("entities, character references, CDATA, comments inside text, line ends", () => {
		expect(parse("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;</a>").text).toBe(`<&>"'A\u{1F600}`);
		expect(parse("<a>x<![CDATA[<&]]>y<!-- z -->z</a>").text).toBe("x<&yz");
		expect(parse("<a>1\r\n2\r3\n4</a>").text).toBe("1\n2\n3\n4");
		expect(parse(`<a b="1\r\n2\t3 &#10;"/>`).attributes[0]?.value).toBe("1 2 3 \n");
		expect(parse(`<a b="x > y 'z'"/>`).attributes[0]?.value).toBe("x > y 'z'");
	});

	test("namespaces: default, prefixed, inherited, redeclared, taken back", () => {
		const root = parse(
			`<a xmlns="A" xmlns:p="P"><b/><p:b/><c xmlns="C" xmlns:p="Q"><d/><p:d/></c><e xmlns=""/><f/></a>`,
		);
		const names = (element: XmlElement): string[] => [
			`${element.namespace}|${element.name}`,
			...element.children.flatMap(names),
		];
		expect(names(root)).toEqual(["A|a", "A|b", "P|b", "C|c", "C|d", "Q|d", "|e", "A|f"]);
		expect(parse(`<xml:a/>`).namespace).toBe("http://www.w3.org/XML/1998/namespace");
	});
});

describe("refused documents", () => {
	test.each([
		["", "without an element"],
		["   ", "without an element"],
		["<!-- -->", "without an element"],
		["x<a/>", "text outside"],
		["<a/>x", "text outside"],
		["<![CDATA[x]]><a/>", "text outside"],
		["<a/><b/>", "two root elements"],
		["<a>", "ends inside an element"],
		["<a><b></a></b>", "does not match"],
		["</a>", "does not match"],
		["<a", "'>' expected"],
		["<a/", "'>' expected"],
		["<a b>", "'=' expected"],
		["<a b=1/>", "without quotes"],
		[`<a b="1/>`, "without an end"],
		[`<a b="1"c="2"/>`, "white space between"],
		[`<a b="1" b="2"/>`, "given twice"],
		[`<a b="<"/>`, "'<' in an XML attribute"],
		["<1a/>", "name is missing"],
		["< a/>", "name is missing"],
		["<a>&nbsp;</a>", "entity"],
		["<a>&amp</a>", "entity"],
		["<a>&#0;</a>", "entity"],
		["<a>&#xD800;</a>", "entity"],
		["<a>&#x110000;</a>", "entity"],
		["<a>&#;</a>", "entity"],
		["<a>&#x;</a>", "entity"],
		["<a>&#12a;</a>", "entity"],
		["<a>&#99999999999999;</a>", "entity"],
		["<a>]]></a>", "']]>'"],
		["<a>\u0001</a>", "control character"],
		["<a><![CDATA[\u0001]]></a>", "control character"],
		["<a><![CDATA[x</a>", "CDATA section without an end"],
		["<a><!-- x</a>", "comment without an end"],
		["<a><!-- x -- y --></a>", "'--' in an XML comment"],
		["<a><?pi </a>", "instruction without an end"],
		["<!DOCTYPE a><a/>", "document type declaration"],
		[`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "document type declaration"],
		[`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "encoding other than UTF-8"],
		["<p:a/>", "undeclared prefix"],
		["<:a/>", "undeclared prefix"],
		[`<p: xmlns:p="x"/>`, "undeclared prefix"],
		[`<p:a:b xmlns:p="x"/>`, "undeclared prefix"],
		[`<a xmlns:p=""/>`, "namespace declaration"],
		[`<a xmlns:xml="x"/>`, "namespace declaration"],
		[`<a xmlns:xmlns="x"/>`, "namespace declaration"],
		[`<a>${"<b>".repeat(20)}`, "nested too deep"],
		[`<a>${"<b/>".repeat(9000)}</a>`, "too many XML elements"],
		[`<a ${Array.from({ length: 40 }, (_, i) => `a${i}=""`).join(" ")}/>`, "too many XML attributes"],
		[
			`<a ${Array.from({ length: 30 }, (_, i) => `xmlns:a${i}="x"`).join(" ")}><a ${Array.from({ length: 30 }, (_, i) => `xmlns:b${i}="x"`).join(" ")}><a xmlns:c="x" xmlns:d="x" xmlns:e="x" xmlns:f="x"/></a></a>`,
			"too many XML namespaces",
		],
		[`<${"a".repeat(200)}/>`, "name too long"],
		[`<a>${" ".repeat(300_000)}</a>`, "too large"],
	])("%.40s", (text, reason) => {
		expect(why(readXml(utf8(text)))).toContain(reason);
	});

	test("what is not UTF-8", () => {
		expect(why(readXml(new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e])))).toContain("not UTF-8");
		expect(why(readXml(new Uint8Array(Buffer.from("<a/>", "utf16le"))))).not.toBe("");
	});

	test("the offset of the fault is told", () => {
		const refused = readXml(utf8("<a><b>&x;</b></a>"));
		expect(isRefused(refused) && refused.at).toBe(6);
	});

	test("a million laughs do not start: no entity can be declared", () => {
		const bomb = `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>`;
		expect(why(readXml(utf8(bomb)))).toContain("document type declaration");
	});
});

describe("hostile octets", () => {
	const pieces = fc.constantFrom(
		..."<>/=&;!?-[]'\" \n".split(""),
		"a",
		"xmlns",
		"xmlns:p",
		"p:",
		"<a>",
		"</a>",
		"<a/>",
		"<!--",
		"-->",
		"<![CDATA[",
		"]]>",
		"&#65;",
		"&lt;",
		"<?xml",
		"?>",
		"ä",
		"\u0000",
	);

	test("any text made of XML's own pieces ends, read or refused", () => {
		fc.assert(
			fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
				const bytes = utf8(parts.join(""));
				readXml(bytes);
				const reader = new XmlReader(bytes);
				let events = 0;
				while (reader.next() !== "end") expect(++events).toBeLessThanOrEqual(2 * bytes.length + 1);
				expect(reader.next()).toBe("end");
			}),
			{ numRuns: 4000, seed: 6 },
		);
	});

	test("any octets, any octet changed, any end cut off", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => {
				readXml(octets);
			}),
			{ numRuns: 1000, seed: 7 },
		);
		const whole = utf8(`<?xml version="1.0"?><a xmlns="A" b='c'>t&amp;<!-- c --><![CDATA[d]]><p:e xmlns:p="P"/></a>`);
		for (let at = 0; at < whole.length; at++) {
			expect(isRefused(readXml(whole.subarray(0, at)))).toBe(true);
			for (const value of [0x00, 0x20, 0x22, 0x26, 0x3c, 0x3e, 0xff]) {
				const changed = whole.slice();
				changed[at] = value;
				readXml(changed);
			}
		}
	});
});
