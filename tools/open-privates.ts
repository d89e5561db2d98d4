/**
 * Makes `#private` names ordinary ones in the device's bundles. In XS a private name costs a slot in each function that uses it, a private
 * method one in each instance, and its byte code is longer; the types have done their work when the bundle is made.
 *
 * A name becomes `$<tag>_<name>` with a tag of its own per class, so that a class and its base may both have a `#name`.
 */

const CODE = 0;
const TEMPLATE = 1;

const IDENTIFIER = /[A-Za-z0-9_$]/;
/** After these characters (or none) a "/" begins a regular expression. */
const BEFORE_REGEXP = "(,=:[!&|?{};+-*%<>~^";
const WORDS_BEFORE_REGEXP: readonly string[] = Object.freeze([
	"return",
	"typeof",
	"case",
	"in",
	"of",
	"void",
	"throw",
	"else",
	"do",
]);

/** `tag`: told apart from other files'. */
export function openPrivates(source: string, tag: string): string {
	let out = "";
	let at = 0;
	let classes = 0;
	/** The last character and the last word, spaces and comments aside; no word when something else came last. */
	let last = "";
	let word = "";
	/** What the braces that are open belong to: code, or `${}` of a template. */
	const braces: number[] = [];
	while (at < source.length) {
		const letter = source[at]!;
		const next = source[at + 1];
		let end = at + 1;
		if (letter === "/" && next === "/") end = until(source, at, "\n");
		else if (letter === "/" && next === "*") end = source.indexOf("*/", at) + 2;
		else if (letter === '"' || letter === "'") end = quoted(source, at, letter);
		else if (letter === "/" && (last === "" || BEFORE_REGEXP.includes(last) || WORDS_BEFORE_REGEXP.includes(word)))
			end = pattern(source, at);
		else if (letter === "`" || (letter === "}" && braces.at(-1) === TEMPLATE)) {
			if (letter === "}") braces.pop();
			end = template(source, at + 1);
			if (source[end - 1] === "{") braces.push(TEMPLATE);
		} else if (letter === "{") braces.push(CODE);
		else if (letter === "}") braces.pop();
		else if (letter === "#" && next !== undefined && IDENTIFIER.test(next)) {
			out += `$${tag}${classes.toString(36)}_`;
			last = "$";
			at++;
			continue;
		} else if (IDENTIFIER.test(letter)) {
			while (end < source.length && IDENTIFIER.test(source[end]!)) end++;
			if (source.slice(at, end) === "class") classes++;
		}
		const part = source.slice(at, end);
		out += part;
		if (part.trim() !== "" && !part.startsWith("//") && !part.startsWith("/*")) {
			last = part.at(-1)!;
			word = IDENTIFIER.test(letter) ? part : "";
		}
		at = end;
	}
	return out;
}

function until(source: string, from: number, letter: string): number {
	const at = source.indexOf(letter, from);
	return at < 0 ? source.length : at;
}

function quoted(source: string, from: number, quote: string): number {
	for (let at = from + 1; at < source.length; at++) {
		if (source[at] === "\\") at++;
		else if (source[at] === quote) return at + 1;
	}
	return source.length;
}

function pattern(source: string, from: number): number {
	let isInClass = false;
	for (let at = from + 1; at < source.length; at++) {
		if (source[at] === "\\") at++;
		else if (source[at] === "[") isInClass = true;
		else if (source[at] === "]") isInClass = false;
		else if (source[at] === "/" && !isInClass) return at + 1;
	}
	return source.length;
}

/** To the end of a template, or just behind the "{" of its next `${`. */
function template(source: string, from: number): number {
	for (let at = from; at < source.length; at++) {
		if (source[at] === "\\") at++;
		else if (source[at] === "`") return at + 1;
		else if (source[at] === "$" && source[at + 1] === "{") return at + 2;
	}
	return source.length;
}
