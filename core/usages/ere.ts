/**
 * A small part of POSIX extended regular expressions, for the domain patterns of RFC 7904 §3.4.
 *
 * A pattern is compiled to a table of instructions and matched by following all ways at once, so the time is at most
 * (octets of the domain) x (instructions), whatever the pattern: no pattern can hang a peer.
 *
 *   understood   literals, `.`, `\c` for a literal c, `[...]` with ranges, `^` negation and the classes [:alpha:] [:digit:]
 *                [:alnum:] [:lower:] [:upper:] [:xdigit:], `*`, `+`, `?`, `{m}` `{m,}` `{m,n}`, `|`, `( )`, `^` at the start
 *                and `$` at the end
 *   not          back references, collating symbols and equivalence classes, `^` and `$` elsewhere
 *
 * Choice (RFC 7904 §3.4, D-29): the match is anchored at both ends, domains are compared without case, and a pattern that
 * cannot be compiled or passes a limit matches nothing.
 */
import {
	MAX_DOMAIN_LENGTH,
	MAX_PATTERN_DEPTH,
	MAX_PATTERN_LENGTH,
	MAX_PATTERN_PROGRAM,
	MAX_PATTERN_REPEAT,
} from "./limits.ts";

/** One instruction: consumes one octet of a set, or goes on in one or two places. */
type Instruction =
	| { readonly op: "set"; readonly set: Uint8Array }
	| { readonly op: "split"; first: number; second: number }
	| { readonly op: "jump"; to: number }
	| { readonly op: "match" };

/** A compiled pattern. */
export interface Ere {
	readonly program: readonly Instruction[];
}

const END = -1;
const code = (text: string): number => text.charCodeAt(0);
const BACKSLASH = code("\\");
const PIPE = code("|");
const OPEN = code("(");
const CLOSE = code(")");
const STAR = code("*");
const PLUS = code("+");
const QUESTION = code("?");
const LEFT_BRACE = code("{");
const RIGHT_BRACE = code("}");
const LEFT_BRACKET = code("[");
const RIGHT_BRACKET = code("]");
const COLON = code(":");
const CARET = code("^");
const DOLLAR = code("$");
const DOT = code(".");
const DASH = code("-");
const COMMA = code(",");

/** Compiles a pattern; `undefined` when it is not one we understand or it is too big. */
export function compileEre(pattern: string): Ere | undefined {
	if (pattern.length > MAX_PATTERN_LENGTH) return undefined;
	let from = 0;
	let to = pattern.length;
	// The match is anchored anyway, so anchors at the ends say nothing new.
	if (pattern.charCodeAt(0) === CARET) from = 1;
	if (to > from && pattern.charCodeAt(to - 1) === DOLLAR && !isEscaped(pattern, to - 1)) to--;
	const compiler = new Compiler(pattern, from, to);
	return compiler.compile();
}

function isEscaped(pattern: string, at: number): boolean {
	let backslashes = 0;
	while (at - 1 - backslashes >= 0 && pattern.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
	return backslashes % 2 === 1;
}

/** True when the whole of `text` (ASCII) matches. */
export function matchesEre(ere: Ere, text: string): boolean {
	if (text.length > MAX_DOMAIN_LENGTH) return false;
	const program = ere.program;
	let current: number[] = [];
	const seen = new Int32Array(program.length).fill(-1);
	follow(program, 0, current, seen, 0);
	for (let i = 0; i < text.length; i++) {
		const octet = lower(text.charCodeAt(i));
		const next: number[] = [];
		if (octet < 128) {
			for (let s = 0; s < current.length; s++) {
				const instruction = program[current[s]!]!;
				if (instruction.op === "set" && instruction.set[octet] === 1) {
					follow(program, current[s]! + 1, next, seen, i + 1);
				}
			}
		}
		if (next.length === 0) return false;
		current = next;
	}
	for (let s = 0; s < current.length; s++) if (program[current[s]!]!.op === "match") return true;
	return false;
}

/** Adds every state reachable without consuming; `seen` holds the step in which a state was last added. */
function follow(
	program: readonly Instruction[],
	start: number,
	states: number[],
	seen: Int32Array,
	step: number,
): void {
	const stack = [start];
	while (stack.length > 0) {
		const at = stack.pop()!;
		if (seen[at] === step) continue;
		seen[at] = step;
		const instruction = program[at]!;
		if (instruction.op === "jump") stack.push(instruction.to);
		else if (instruction.op === "split") stack.push(instruction.second, instruction.first);
		else states.push(at);
	}
}

function lower(octet: number): number {
	return octet >= 65 && octet <= 90 ? octet + 32 : octet;
}

/** Recursive descent over the pattern; failure sticks in `#bad`. */
class Compiler {
	readonly #pattern: string;
	readonly #to: number;
	#at: number;
	#depth = 0;
	#bad = false;
	#program: Instruction[] = [];

	constructor(pattern: string, from: number, to: number) {
		this.#pattern = pattern;
		this.#at = from;
		this.#to = to;
	}

	compile(): Ere | undefined {
		this.#alternatives();
		if (this.#at !== this.#to) this.#bad = true;
		this.#emit({ op: "match" });
		return this.#bad ? undefined : { program: this.#program };
	}

	#peek(): number {
		return this.#at < this.#to ? this.#pattern.charCodeAt(this.#at) : END;
	}

	#emit(instruction: Instruction): number {
		if (this.#program.length >= MAX_PATTERN_PROGRAM) this.#bad = true;
		else this.#program.push(instruction);
		return this.#program.length - 1;
	}

	/** branch | branch | ... */
	#alternatives(): void {
		const start = this.#program.length;
		this.#branch();
		const ends: { op: "jump"; to: number }[] = [];
		while (!this.#bad && this.#peek() === PIPE) {
			this.#at++;
			// Everything of this group so far becomes the first way of a split in front of it.
			this.#insert(start, { op: "split", first: start + 1, second: this.#program.length + 2 });
			const end: { op: "jump"; to: number } = { op: "jump", to: 0 };
			this.#emit(end);
			ends.push(end);
			this.#branch();
		}
		for (const end of ends) end.to = this.#program.length;
	}

	/** Opens a gap of one instruction at `at`; targets behind it move along. */
	#insert(at: number, instruction: Instruction): void {
		if (this.#program.length >= MAX_PATTERN_PROGRAM) {
			this.#bad = true;
			return;
		}
		for (let i = 0; i < this.#program.length; i++) {
			// What stands before and goes on at the gap now meets the new instruction; what stands behind moved with its target.
			const moved = i < at ? at + 1 : at;
			const other = this.#program[i]!;
			if (other.op === "jump" && other.to >= moved) other.to++;
			else if (other.op === "split") {
				if (other.first >= moved) other.first++;
				if (other.second >= moved) other.second++;
			}
		}
		this.#program.splice(at, 0, instruction);
	}

	#branch(): void {
		while (!this.#bad) {
			const next = this.#peek();
			if (next === END || next === PIPE || next === CLOSE) return;
			this.#piece();
		}
	}

	/** One atom with its repetition. The atom's source is compiled again for each copy that {m,n} asks for. */
	#piece(): void {
		const atomAt = this.#at;
		const start = this.#program.length;
		this.#atom();
		while (!this.#bad) {
			const next = this.#peek();
			if (next === LEFT_BRACE) this.#bounds(atomAt, start);
			if (!this.#isRepetition(next)) return;
			this.#at++;
			if (next === QUESTION) this.#optional(start);
			else this.#loop(start, next === STAR ? 0 : 1);
		}
	}

	/** What stands from `start` on, `least` (0 or 1) or more times. */
	#loop(start: number, least: number): void {
		if (least === 0) {
			this.#insert(start, { op: "split", first: start + 1, second: this.#program.length + 2 });
			this.#emit({ op: "jump", to: start });
		} else {
			this.#emit({ op: "split", first: start, second: this.#program.length + 1 });
		}
	}

	#optional(start: number): void {
		this.#insert(start, { op: "split", first: start + 1, second: this.#program.length + 1 });
	}

	#bounds(atomAt: number, start: number): void {
		if (
			this.#at > atomAt &&
			this.#isRepetition(this.#pattern.charCodeAt(this.#at - 1)) &&
			!isEscaped(this.#pattern, this.#at - 1)
		) {
			this.#bad = true; // `a*{2}`: undefined in POSIX
			return;
		}
		this.#at++;
		const least = this.#number();
		let most = least;
		if (this.#peek() === COMMA) {
			this.#at++;
			most = this.#peek() === RIGHT_BRACE ? END : this.#number();
		}
		if (this.#peek() !== RIGHT_BRACE || least < 0 || (most !== END && most < least)) this.#bad = true;
		if (this.#bad) return;
		const after = this.#at + 1;
		this.#program.length = start;
		for (let i = 0; i < least && !this.#bad; i++) this.#again(atomAt);
		if (most === END) {
			const loop = this.#program.length;
			this.#again(atomAt);
			this.#loop(loop, 0);
		} else {
			for (let i = least; i < most && !this.#bad; i++) {
				const copy = this.#program.length;
				this.#again(atomAt);
				this.#optional(copy);
			}
		}
		this.#at = after;
		const next = this.#peek();
		if (this.#isRepetition(next) || next === LEFT_BRACE) this.#bad = true;
	}

	#isRepetition(octet: number): boolean {
		return octet === STAR || octet === PLUS || octet === QUESTION;
	}

	#again(atomAt: number): void {
		this.#at = atomAt;
		this.#atom();
	}

	#number(): number {
		let value = END;
		while (!this.#bad) {
			const digit = this.#peek() - 48;
			if (digit < 0 || digit > 9) break;
			value = Math.max(value, 0) * 10 + digit;
			if (value > MAX_PATTERN_REPEAT) this.#bad = true;
			this.#at++;
		}
		if (value < 0) this.#bad = true;
		return value;
	}

	#atom(): void {
		const octet = this.#peek();
		this.#at++;
		if (octet === OPEN) {
			this.#group();
		} else if (octet === LEFT_BRACKET) {
			this.#brackets();
		} else if (octet === DOT) {
			this.#emit({ op: "set", set: new Uint8Array(128).fill(1) });
		} else if (octet === BACKSLASH) {
			const literal = this.#peek();
			this.#at++;
			// Choice: `\1` and `\d` are undefined in POSIX; refused, so that nobody relies on them.
			if (literal === END || isWord(literal)) this.#bad = true;
			else this.#literal(literal);
		} else if (
			this.#isRepetition(octet) ||
			octet === LEFT_BRACE ||
			octet === CARET ||
			octet === DOLLAR ||
			octet === END
		) {
			this.#bad = true;
		} else {
			this.#literal(octet);
		}
	}

	#group(): void {
		if (++this.#depth > MAX_PATTERN_DEPTH) this.#bad = true;
		if (!this.#bad) this.#alternatives();
		if (this.#peek() !== CLOSE) this.#bad = true;
		this.#at++;
		this.#depth--;
	}

	#literal(octet: number): void {
		if (octet >= 128) this.#bad = true;
		const set = new Uint8Array(128);
		if (!this.#bad) set[lower(octet)] = 1;
		this.#emit({ op: "set", set });
	}

	/** `[abc]`, `[a-z0-9]`, `[^.]`, `[[:alpha:]-]`; `]` first is a literal. */
	#brackets(): void {
		const set = new Uint8Array(128);
		const negated = this.#peek() === CARET;
		if (negated) this.#at++;
		let first = true;
		while (!this.#bad) {
			const octet = this.#peek();
			if (octet === END || octet >= 128) this.#bad = true;
			else if (octet === RIGHT_BRACKET && !first) break;
			else if (octet === LEFT_BRACKET && this.#pattern.charCodeAt(this.#at + 1) === COLON) this.#characterClass(set);
			else this.#range(set, octet);
			first = false;
		}
		this.#at++;
		if (negated) for (let i = 0; i < 128; i++) set[i] = set[i] === 1 ? 0 : 1;
		this.#emit({ op: "set", set });
	}

	#range(set: Uint8Array, from: number): void {
		this.#at++;
		let to = from;
		const following = this.#at + 1 < this.#to ? this.#pattern.charCodeAt(this.#at + 1) : END;
		if (this.#peek() === DASH && following !== RIGHT_BRACKET && following !== END) {
			to = following;
			this.#at += 2;
		}
		if (to < from || to >= 128) this.#bad = true;
		for (let i = from; i <= to && !this.#bad; i++) set[lower(i)] = 1;
	}

	#characterClass(set: Uint8Array): void {
		const end = this.#pattern.indexOf(":]", this.#at + 2);
		const name = end < 0 || end >= this.#to ? "" : this.#pattern.slice(this.#at + 2, end);
		const digits = name === "digit" || name === "alnum" || name === "xdigit";
		const letters = name === "alpha" || name === "alnum" || name === "lower" || name === "upper";
		if (!digits && !letters) this.#bad = true;
		if (digits) for (let i = 48; i < 58; i++) set[i] = 1;
		if (letters) for (let i = 97; i < 123; i++) set[i] = 1;
		if (name === "xdigit") for (let i = 97; i < 103; i++) set[i] = 1;
		this.#at = end + 2;
	}
}

function isWord(octet: number): boolean {
	return (octet >= 48 && octet <= 57) || (octet >= 65 && octet <= 90) || (octet >= 97 && octet <= 122);
}
