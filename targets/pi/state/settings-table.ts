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

const portSchema = v.pipe(
	v.number("must be a number"),
	v.integer("must be a whole number"),
	v.minValue(0, "must be 0 (off, or any free port) to 65535"),
	v.maxValue(65535, "must be 0 (off, or any free port) to 65535"),
);

function text(initial: string, help: string): Setting<string> {
	return { form: "text", schema: v.string("must be text"), initial, help };
}

function port(initial: number, help: string): Setting<number> {
	return { form: "number", schema: portSchema, initial, help };
}

function flag(initial: boolean, help: string): Setting<boolean> {
	return { form: "boolean", schema: v.boolean("must be true or false"), initial, help };
}

function list(help: string): Setting<string[]> {
	const schema = v.pipe(
		v.array(v.string("must be a list of texts"), "must be a list of texts"),
		v.maxLength(16, "has more than 16 entries"),
	);
	return { form: "list", schema, initial: [], help };
}

function choice<const T extends string>(options: readonly T[], initial: NoInfer<T>, help: string): Setting<T> {
	const schema = v.picklist(options, `must be one of ${options.join(", ")}`);
	return { form: "text", schema, initial, help: `${help} (${options.join(", ")})` };
}

/** All settings. Key `a.b-c` is `b-c` of table `[a]` in the file, RINGLET_A_B_C in the environment, `--a-b-c` as a flag. */
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
	"overlay.port": port(6084, "TCP port of the overlay links"),
	"overlay.bind": text("::", "address the overlay listens on"),
	"overlay.addresses": list("addresses others reach this peer at; found by itself when empty"),
	"overlay.topology": choice(["mesh", "chord", "chord-self-tuning"], "mesh", "topology plug-in of a new household"),
	"overlay.profile": choice(["house", "rfc"], "house", "timers of a new household"),
	"enrollment.port": port(6085, "TCP port of the enrollment server"),
	"enrollment.bind": text("::", "address the enrollment server listens on"),
	"sip.bind": text("::", "address the SIP edge listens on"),
	"sip.udp": port(5060, "UDP port of the SIP edge"),
	"sip.tcp": port(5060, "TCP port of the SIP edge"),
	"sip.tls": port(5061, "TLS port of the SIP edge"),
	"sip.websocket": port(5066, "port of SIP over WebSocket"),
	"web.port": port(8080, "port of the dashboard"),
	"web.bind": text("127.0.0.1", "address the dashboard listens on"),
	"mqtt.url": text("", "MQTT broker, like mqtt://homeassistant.local:1883; empty = no MQTT"),
	"mqtt.username": text("", "user name at the broker"),
	"mqtt.password": text("", "password at the broker; better in RINGLET_MQTT_PASSWORD than in a flag"),
	"mqtt.prefix": text("ringlet", "first part of every MQTT topic"),
	mdns: flag(true, "announce and look for peers on the LAN by mDNS"),
	"log.level": choice(["debug", "info", "warn", "error"], "info", "least level that is logged"),
	"log.format": choice(["text", "json"], "text", "form of the log lines"),
} as const);

export type SettingKey = keyof typeof SETTINGS;

/** The value of every setting. */
export type SettingValues = {
	readonly [K in SettingKey]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};
