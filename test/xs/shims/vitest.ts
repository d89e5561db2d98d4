/** As much of vitest as the pure suites use, for XS: collects the tests, runs one by its number, compares as `expect` does. */

type Body = (...args: readonly unknown[]) => unknown;
interface Case {
	readonly name: string;
	readonly run: () => unknown;
}

const cases: Case[] = [];
const path: string[] = [];
const before: { readonly depth: string; readonly body: Body }[] = [];
const after: { readonly depth: string; readonly body: Body }[] = [];
/** Whether the test that runs counted its assertions in vain. */
const SEPARATOR = " > ";

/** The tests' names, in order. */
export function collected(): string[] {
	return cases.map((one) => one.name);
}

/** Runs one test; its promise, when it is asynchronous. */
export function run(index: number): unknown {
	const one = cases[index];
	if (one === undefined) throw new Error(`no test ${index}`);
	return one.run();
}

/** Options (a timeout, a number of repetitions) are the real vitest's matter. */
function bodyOf(first: unknown, second: unknown): Body {
	return (typeof first === "function" ? first : second) as Body;
}

function add(name: string, first: unknown, second: unknown, args: readonly unknown[]): void {
	const body = bodyOf(first, second);
	const depth = path.join(SEPARATOR);
	const whole = [...path, name].join(SEPARATOR);
	const around = (hooks: typeof before) => hooks.filter((hook) => depth.startsWith(hook.depth));
	const run = (): unknown => {
		for (const hook of around(before)) hook.body();
		const finish = () => {
			for (const hook of around(after)) hook.body();
		};
		let result: unknown;
		try {
			result = body(...args);
		} catch (error) {
			finish();
			throw error;
		}
		if (!isPromise(result)) {
			finish();
			return undefined;
		}
		return result.then(finish, (error: unknown) => {
			finish();
			throw error;
		});
	};
	cases.push({ name: whole, run });
}

function isPromise(value: unknown): value is Promise<unknown> {
	return typeof value === "object" && value !== null && typeof (value as Promise<unknown>).then === "function";
}

/** `%s %d %i %j %o %#` and `$field` of vitest's titles. */
function title(name: string, args: readonly unknown[], index: number): string {
	let at = 0;
	let text = name.replace(/%([sdifjo#%])/g, (whole: string, letter: string) => {
		if (letter === "%") return "%";
		if (letter === "#") return String(index);
		if (at >= args.length) return whole;
		const value = args[at++];
		return letter === "j" || letter === "o" ? JSON.stringify(value) : String(value);
	});
	const first = args[0];
	if (typeof first === "object" && first !== null) {
		text = text.replace(/\$([A-Za-z_][\w.]*)/g, (_whole: string, field: string) => {
			let value: unknown = first;
			for (const part of field.split(".")) value = (value as Record<string, unknown> | undefined)?.[part];
			return typeof value === "string" ? value : show(value);
		});
	}
	return text;
}

function each(rows: readonly unknown[], call: (name: string, args: readonly unknown[], body: Body) => void) {
	return (name: string, first: unknown, second?: unknown): void => {
		rows.forEach((row, index) => {
			const args = Array.isArray(row) ? row : [row];
			call(title(name, args, index), args, bodyOf(first, second));
		});
	};
}

interface TestFunction {
	(name: string, first: unknown, second?: unknown): void;
	each(rows: readonly unknown[]): (name: string, first: unknown, second?: unknown) => void;
}

export const test: TestFunction = Object.assign(
	(name: string, first: unknown, second?: unknown) => add(name, first, second, []),
	{ each: (rows: readonly unknown[]) => each(rows, (name, args, body) => add(name, body, undefined, args)) },
);
export const it = test;

function group(name: string, args: readonly unknown[], body: Body): void {
	path.push(name);
	body(...args);
	path.pop();
}

export const describe: TestFunction = Object.assign(
	(name: string, first: unknown, second?: unknown) => group(name, [], bodyOf(first, second)),
	{ each: (rows: readonly unknown[]) => each(rows, group) },
);

export function beforeEach(body: Body): void {
	before.push({ depth: path.join(SEPARATOR), body });
}
export function afterEach(body: Body): void {
	after.push({ depth: path.join(SEPARATOR), body });
}

/** A value that decides itself whether another matches. */
class Asymmetric {
	readonly matches: (value: unknown) => boolean;
	readonly name: string;
	constructor(name: string, matches: (value: unknown) => boolean) {
		this.name = name;
		this.matches = matches;
	}
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
	return typeof value === "object" && value !== null;
}

/** Own keys that have a value: `undefined` is as good as absent, except to `toStrictEqual`. */
function keysOf(value: Record<PropertyKey, unknown>, isStrict: boolean): string[] {
	return Object.keys(value).filter((key) => isStrict || value[key] !== undefined);
}

function kindOf(value: unknown): string {
	return Object.prototype.toString.call(value);
}

function equals(actual: unknown, expected: unknown, isStrict: boolean): boolean {
	if (expected instanceof Asymmetric) return expected.matches(actual);
	if (Object.is(actual, expected)) return true;
	if (!isObject(actual) || !isObject(expected)) return false;
	if (kindOf(actual) !== kindOf(expected)) return false;
	if (isStrict && Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
	if (ArrayBuffer.isView(actual) || Array.isArray(actual)) {
		const left = actual as unknown as ArrayLike<unknown>;
		const right = expected as unknown as ArrayLike<unknown>;
		if (left.length !== right.length) return false;
		for (let i = 0; i < left.length; i++) if (!equals(left[i], right[i], isStrict)) return false;
		return true;
	}
	if (actual instanceof Map) return equals([...actual], [...(expected as unknown as Map<unknown, unknown>)], isStrict);
	if (actual instanceof Set) {
		const other = [...(expected as unknown as Set<unknown>)];
		return actual.size === other.length && [...actual].every((a) => other.some((b) => equals(a, b, isStrict)));
	}
	if (actual instanceof Date) return actual.getTime() === (expected as unknown as Date).getTime();
	if (actual instanceof Error) return actual.message === (expected as unknown as Error).message;
	const keys = keysOf(expected, isStrict);
	if (keysOf(actual, isStrict).length !== keys.length) return false;
	return keys.every((key) => Object.hasOwn(actual, key) && equals(actual[key], expected[key], isStrict));
}

/** Every field of `expected`, as deep as it goes, is in `actual`; arrays have the same length. */
function includes(actual: unknown, expected: unknown): boolean {
	if (expected instanceof Asymmetric) return expected.matches(actual);
	if (!isObject(expected) || ArrayBuffer.isView(expected)) return equals(actual, expected, false);
	if (!isObject(actual)) return false;
	if (Array.isArray(expected)) {
		if (!Array.isArray(actual) || actual.length !== expected.length) return false;
		return expected.every((item, index) => includes(actual[index], item));
	}
	return Object.keys(expected).every((key) => includes(actual[key], expected[key]));
}

function contains(actual: unknown, item: unknown, isSame: (a: unknown, b: unknown) => boolean): boolean {
	if (typeof actual === "string") return actual.includes(String(item));
	for (const one of actual as Iterable<unknown>) if (isSame(one, item)) return true;
	return false;
}

function property(actual: unknown, name: string): { readonly has: boolean; readonly value: unknown } {
	let value = actual;
	for (const part of name.split(".")) {
		if (value === null || value === undefined || !(part in Object(value))) return { has: false, value: undefined };
		value = (value as Record<string, unknown>)[part];
	}
	return { has: true, value };
}

/** Whether what was thrown is what was expected: any error, a part of its text, a pattern, or a class. */
function isThrown(actual: unknown, expected: unknown): boolean {
	try {
		(actual as () => unknown)();
	} catch (error) {
		const text = error instanceof Error ? error.message : String(error);
		if (expected === undefined) return true;
		if (expected instanceof RegExp) return expected.test(text);
		if (typeof expected === "function") return error instanceof expected;
		return text.includes(String(expected));
	}
	return false;
}

type Spy = Body & { readonly mock: { readonly calls: (readonly unknown[])[] }; mockRestore(): void };

function callsOf(spy: unknown): readonly (readonly unknown[])[] {
	return (spy as Spy).mock.calls;
}

function spy(inner: Body, restore: () => void): Spy {
	const calls: (readonly unknown[])[] = [];
	const outer = (...args: readonly unknown[]): unknown => {
		calls.push(args);
		return inner(...args);
	};
	return Object.assign(outer, { mock: { calls }, mockRestore: restore });
}

export const vi = {
	fn: (inner: Body = () => undefined) => spy(inner, () => {}),
	spyOn(of: Record<string, Body>, name: string): Spy {
		const inner = of[name]!;
		const put = (body: Body) =>
			Object.defineProperty(of, name, { value: body, configurable: true, writable: true, enumerable: true });
		const made = spy(inner.bind(of), () => put(inner));
		put(made);
		return made;
	},
};

/** matcher -> whether it holds */
const MATCHERS: Readonly<Record<string, (actual: unknown, ...args: readonly unknown[]) => boolean>> = Object.freeze({
	toBe: (actual, expected) => Object.is(actual, expected),
	toEqual: (actual, expected) => equals(actual, expected, false),
	toStrictEqual: (actual, expected) => equals(actual, expected, true),
	toMatchObject: includes,
	toContain: (actual, item) => contains(actual, item, Object.is),
	toContainEqual: (actual, item) => contains(actual, item, (a, b) => equals(a, b, false)),
	toBeUndefined: (actual) => actual === undefined,
	toBeDefined: (actual) => actual !== undefined,
	toBeNull: (actual) => actual === null,
	toBeTruthy: (actual) => Boolean(actual),
	toBeFalsy: (actual) => !actual,
	toBeNaN: (actual) => Number.isNaN(actual),
	toBeTypeOf: (actual, name) => typeof actual === name,
	toBeInstanceOf: (actual, type) => actual instanceof (type as new () => unknown),
	toHaveLength: (actual, length) => (actual as ArrayLike<unknown>).length === length,
	toHaveProperty: (actual, name, ...value) => {
		const found = property(actual, String(name));
		return found.has && (value.length === 0 || equals(found.value, value[0], false));
	},
	toMatch: (actual, pattern) =>
		pattern instanceof RegExp ? pattern.test(String(actual)) : String(actual).includes(String(pattern)),
	toBeGreaterThan: (actual, than) => (actual as number) > (than as number),
	toBeGreaterThanOrEqual: (actual, than) => (actual as number) >= (than as number),
	toBeLessThan: (actual, than) => (actual as number) < (than as number),
	toBeLessThanOrEqual: (actual, than) => (actual as number) <= (than as number),
	toBeCloseTo: (actual, to, digits = 2) =>
		Math.abs((actual as number) - (to as number)) < 10 ** -(digits as number) / 2,
	toHaveBeenCalled: (spy) => callsOf(spy).length > 0,
	toHaveBeenCalledTimes: (spy, times) => callsOf(spy).length === times,
	toHaveBeenCalledWith: (spy, ...args) => callsOf(spy).some((call) => equals(call, args, false)),
	toThrow: isThrown,
	toThrowError: isThrown,
});

const SHOWN = 600;

function show(value: unknown): string {
	let text: string;
	try {
		text =
			typeof value === "function"
				? `function ${value.name}`
				: (JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ??
					String(value));
	} catch {
		text = String(value);
	}
	return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}

type Matchers = Record<string, (...args: readonly unknown[]) => void>;

function matchers(actual: unknown, message: string | undefined, isNegated: boolean): Matchers {
	const all: Matchers = {};
	for (const name of Object.keys(MATCHERS)) {
		all[name] = (...args) => {
			if (MATCHERS[name]!(actual, ...args) !== isNegated) return;
			const told = `${message === undefined ? "" : `${message}: `}${isNegated ? "not " : ""}${name}`;
			throw new Error(`${told}\n  is        ${show(actual)}\n  expected  ${args.map(show).join(", ")}`);
		};
	}
	return all;
}

function expectation(actual: unknown, message?: string): Matchers & { readonly not: Matchers } {
	return Object.assign(matchers(actual, message, false) as Matchers & { not: Matchers }, {
		not: matchers(actual, message, true),
	});
}

export const expect = Object.assign(expectation, {
	fail(message?: string): never {
		throw new Error(message ?? "fail");
	},
	stringContaining: (part: string) =>
		new Asymmetric("stringContaining", (value) => typeof value === "string" && value.includes(part)),
	stringMatching: (pattern: RegExp | string) =>
		new Asymmetric("stringMatching", (value) => typeof value === "string" && new RegExp(pattern).test(value)),
	objectContaining: (part: unknown) => new Asymmetric("objectContaining", (value) => includes(value, part)),
	arrayContaining: (part: readonly unknown[]) =>
		new Asymmetric("arrayContaining", (value) =>
			part.every((item) => contains(value, item, (a, b) => equals(a, b, false))),
		),
	any: (type: unknown) =>
		new Asymmetric("any", (value) =>
			Object(value) === value ? value instanceof (type as new () => unknown) : Object(value).constructor === type,
		),
	anything: () => new Asymmetric("anything", (value) => value !== undefined && value !== null),
});
