/** Comparison of URIs: RFC 3261 §19.1.4. */
import { hexDigit } from "../wire/bytes.ts";
import { asciiLower, isAlphanumeric } from "./syntax.ts";
import type { Uri } from "./uri.ts";

/** Parameters that make two URIs differ when only one of them has it; `lr` and all others do not. */
const COUNTING: readonly string[] = Object.freeze(["user", "ttl", "method", "maddr", "transport"]);

/** True when both name the same resource. Not transitive, as the RFC says itself: a parameter in one of them only is ignored. */
export function equalUris(a: Uri, b: Uri): boolean {
	// RFC 3261 §19.1.4: a SIP and a SIPS URI are never equivalent.
	if (a.scheme !== b.scheme) return false;
	// A parameter that stands twice (which it must not) has two values: as written, a URI still equals itself.
	if (a.toString() === b.toString()) return true;
	if (!a.isSip) return a.scheme === "tel" && equalTel(a, b);
	if (!equalText(a.user, b.user) || !equalText(a.password, b.password)) return false;
	// A port left out is not the same as the default port written.
	if (a.host !== b.host || a.port !== b.port) return false;
	return equalParams(a, b) && equalHeaders(a, b);
}

/** RFC 3966 §5, simplified: visual separators do not count, parameters do. */
function equalTel(a: Uri, b: Uri): boolean {
	return withoutSeparators(a.user ?? "") === withoutSeparators(b.user ?? "") && equalParams(a, b);
}

function withoutSeparators(number: string): string {
	let bare = "";
	for (let i = 0; i < number.length; i++) {
		const code = number.charCodeAt(i);
		if (code !== 0x2d && code !== 0x2e && code !== 0x28 && code !== 0x29) bare += number[i]!;
	}
	return asciiLower(bare);
}

function equalText(a: string | undefined, b: string | undefined): boolean {
	if (a === b) return true;
	return a !== undefined && b !== undefined && normalEscapes(a) === normalEscapes(b);
}

/**
 * Escapes of characters that need none are decoded, the others get upper-case digits: so `%61` equals `a`, but `%40` and `@`,
 * `%00` and nothing, stay apart.
 */
function normalEscapes(text: string): string {
	let normal = "";
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		const high = code === 0x25 ? hexDigit(text.charCodeAt(i + 1)) : -1;
		const low = high < 0 ? -1 : hexDigit(text.charCodeAt(i + 2));
		if (low < 0) {
			normal += text[i]!;
			continue;
		}
		const value = high * 16 + low;
		normal += isUnreserved(value) ? String.fromCharCode(value) : `%${text.slice(i + 1, i + 3).toUpperCase()}`;
		i += 2;
	}
	return normal;
}

/** `unreserved` of RFC 3261 §25.1. */
function isUnreserved(code: number): boolean {
	if (isAlphanumeric(code)) return true;
	// - _ . ! ~ * ' ( )
	return (
		code === 0x2d || code === 0x5f || code === 0x2e || code === 0x21 || code === 0x7e || (code >= 0x27 && code <= 0x2a)
	);
}

function equalParams(a: Uri, b: Uri): boolean {
	for (let i = 0; i < COUNTING.length; i++) {
		const name = COUNTING[i]!;
		const left = a.param(name);
		const right = b.param(name);
		if ((left === undefined) !== (right === undefined)) return false;
		if (left !== undefined && !equalValue(left, right!)) return false;
	}
	return sharedAgree(a, b);
}

/** Every parameter of `a` that `b` has too has the same value there. */
function sharedAgree(a: Uri, b: Uri): boolean {
	const params = a.source.text.slice(a.paramsStart, a.paramsEnd).split(";");
	for (let i = 1; i < params.length; i++) {
		const param = params[i]!;
		const sign = param.indexOf("=");
		const other = b.param(asciiLower(normalEscapes(sign < 0 ? param : param.slice(0, sign))));
		if (other !== undefined && !equalValue(sign < 0 ? "" : param.slice(sign + 1), other)) return false;
	}
	return true;
}

function equalValue(a: string, b: string): boolean {
	return asciiLower(normalEscapes(a)) === asciiLower(normalEscapes(b));
}

/** URI headers are never ignored; their order does not matter. */
function equalHeaders(a: Uri, b: Uri): boolean {
	if (a.paramsEnd === a.end && b.paramsEnd === b.end) return true;
	return sortedHeaders(a) === sortedHeaders(b);
}

function sortedHeaders(uri: Uri): string {
	const parts = uri.source.text.slice(uri.paramsEnd + 1, uri.end).split("&");
	for (let i = 0; i < parts.length; i++) {
		const part = parts[i]!;
		const equals = part.indexOf("=");
		const name = equals < 0 ? part : part.slice(0, equals);
		parts[i] = `${asciiLower(normalEscapes(name))}=${equals < 0 ? "" : normalEscapes(part.slice(equals + 1))}`;
	}
	return parts.sort().join("&");
}
