/**
 * What runs in the engine around the device's bundles: links them, unchanged, with the host's modules, and passes on the host's events.
 * The bundles see a global object of their own, with nothing on it that the device does not have.
 */
import { hostModules, setOffset } from "./modules.ts";
import { profile } from "./profile.ts";
import { ask, deliver } from "./wiring.ts";

declare class ModuleSource {
	constructor(text: string);
}
declare class Compartment {
	constructor(options: {
		globals: Readonly<Record<string, unknown>>;
		modules: Readonly<Record<string, { readonly source?: ModuleSource; readonly namespace?: object }>>;
		resolveHook: (name: string) => string;
	});
	readonly globalThis: Record<string, unknown>;
	importNow(name: string): Record<string, unknown>;
}

interface Unit {
	status(): unknown;
	pair?(code: string): string | undefined;
	stop(): void;
	hangUp(): void;
	refreshSettings(): void;
}

const NEWLINE = 10;
const coder = new TextEncoder();
const decoder = new TextDecoder();
let unit: Unit | undefined;

/** `bundles`: module -> text. */
function link(config: { readonly isClockUnset?: boolean }, bundles: Readonly<Record<string, string>>): Compartment {
	// The engine's own gives the same sequence in every run.
	Math.random = () => ask({ op: "random" }).head.value as number;
	if (config.isClockUnset === true) setOffset(-Date.now());
	const modules: Record<string, { source?: ModuleSource; namespace?: object }> = {};
	for (const [name, namespace] of Object.entries(hostModules(config))) modules[name] = { namespace };
	for (const [name, text] of Object.entries(bundles)) modules[name] = { source: new ModuleSource(text) };
	return new Compartment({
		globals: {
			trace: (text: string) => void ask({ op: "log" }, coder.encode(text)),
			System: { restart: () => void ask({ op: "restart" }) },
			ringletEvent: (event: unknown) => void ask({ op: "event" }, coder.encode(JSON.stringify(event, plain))),
			ringletStarted: (started: Unit) => {
				unit = started;
			},
		},
		modules,
		resolveHook: (name) => name,
	});
}

/** Octets as hex: JSON has none. */
function plain(_key: string, value: unknown): unknown {
	if (!(value instanceof Uint8Array)) return value;
	return Array.from(value, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Asked by the host about the unit. */
function call(event: Readonly<Record<string, unknown>>): unknown {
	if (event.call === "status") return unit?.status() ?? null;
	if (event.call === "profile") return unit === undefined ? null : profile(unit, Number(event.depth ?? 2));
	if (event.call === "pair") return unit?.pair?.(String(event.code)) ?? null;
	if (event.call === "hangUp") unit?.hangUp();
	else if (event.call === "refreshSettings") unit?.refreshSettings();
	else if (event.call === "stop") unit?.stop();
	return null;
}

Object.assign(globalThis, {
	ringletLink: link,
	handleCommand(command: ArrayBuffer): ArrayBuffer | undefined {
		const whole = new Uint8Array(command);
		const end = whole.indexOf(NEWLINE);
		const event = JSON.parse(decoder.decode(whole.slice(0, end))) as Record<string, unknown>;
		if (event.call !== undefined) return coder.encode(JSON.stringify(call(event))).buffer as ArrayBuffer;
		deliver(event, whole.slice(end + 1));
		return undefined;
	},
});
