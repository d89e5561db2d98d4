/** Every setting of the daemon, once: key, form, default, meaning. Drives file, environment, flags, error texts and help. */
import * as v from "valibot";

/** How the text of a flag or a variable becomes a value before it is checked. */
export type SettingForm = "text" | "number" | "boolean" | "list";

export interface Setting<T> {
	readonly form: SettingForm;
	readonly schema: v.GenericSchema<unknown, T>;
	readonly initial: T;
	readonly help: string;
}

const DOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;

function text(initial: string, help: string): Setting<string> {
	return { form: "text", schema: v.string("must be text"), initial, help };
}

function flag(initial: boolean, help: string): Setting<boolean> {
	return { form: "boolean", schema: v.boolean("must be true or false"), initial, help };
}

function list(initial: string[], help: string): Setting<string[]> {
	const schema = v.pipe(
		v.array(v.string("must be a list of texts"), "must be a list of texts"),
		v.maxLength(16, "has more than 16 entries"),
	);
	return { form: "list", schema, initial, help };
}

function choice<const T extends string>(options: readonly T[], initial: NoInfer<T>, help: string): Setting<T> {
	const schema = v.picklist(options, `must be one of ${options.join(", ")}`);
	return { form: "text", schema, initial, help: `${help} (${options.join(", ")})` };
}

/** All settings. Key `a.b` is `b` of table `[a]` in the file, RINGLET_A_B in the environment, `--a-b` as a flag. */
export const SETTINGS = Object.freeze({
	domain: {
		form: "text",
		schema: v.pipe(
			v.string("must be text"),
			v.regex(DOMAIN, "must be a domain name in lower case with at least one dot, like home.example"),
		),
		initial: "ringlet.home.arpa",
		help: "overlay name and SIP domain of a new household",
	} as Setting<string>,
	link: text("[::]:6084", "ADDRESS:PORT of the overlay links"),
	calls: text(
		"",
		"ADDRESS:PORT of the SIP connections between peers; the address of `link` and any free port when empty",
	),
	addresses: list([], "IP addresses others reach this peer at; those of the interfaces when empty"),
	http: text("[::]:6085", "ADDRESS:PORT of the enrollment server, at the peer that founded the household"),
	sip: list(["udp://[::]:5060", "tcp://[::]:5060"], "where phones reach this peer, like udp://192.168.1.10:5060"),
	digest: choice(
		["md5", "sha-256,md5", "sha-256"],
		"md5",
		"digest algorithms offered to phones; many phones of today fail when they are offered anything but md5",
	),
	topology: choice(["mesh", "chord", "chord-self-tuning"], "mesh", "topology plug-in of a new household"),
	profile: choice(["house", "rfc"], "house", "timers of a new household"),
	mdns: flag(true, "announce and look for peers on the LAN by mDNS"),
	"log.level": choice(["debug", "info", "warn", "error"], "info", "least level that is logged"),
	"log.format": choice(["text", "json"], "text", "form of the log lines"),
} as const);

export type SettingKey = keyof typeof SETTINGS;

/** The value of every setting. */
export type SettingValues = {
	readonly [K in SettingKey]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};
