/** `ringlet device`: doors and intercoms of the household. */
import type { Command } from "commander";
import { renderUnicodeCompact } from "uqr";
import type { DeviceSettings } from "../../core/usages/device-settings.ts";
import type { Invitation } from "../../targets/pi/household/admin.ts";
import type { DeviceListing } from "../../targets/pi/household/device-admin.ts";
import { UserError } from "../../targets/pi/state/errors.ts";
import type { CommonOptions } from "./daemon.ts";
import { run } from "./household.ts";
import { bold, dim, green, print, table, yellow } from "./output.ts";

/** What is typed or scanned at the device. The QR code holds the whole line: address, code and fingerprint of the household. */
function pairing(name: string, made: Invitation): string[] {
	const minutes = Math.max(1, Math.round((made.expiresMs - Date.now()) / 60_000));
	const qr = renderUnicodeCompact(made.url, { ecc: "M", border: 2 });
	return [
		`${bold(made.code)} pairs ${bold(name)}, once, within ${minutes} minutes`,
		"",
		...qr.split("\n"),
		"",
		made.url,
		dim(`five wrong tries burn the code; again: ringlet device reset ${name}`),
	];
}

function describe(one: DeviceListing): string[] {
	const until = (ms: number | undefined): string => (ms === undefined ? "" : new Date(ms).toISOString().slice(0, 16));
	const state = one.state === "paired" ? green("paired") : yellow(one.state);
	const code = one.codeUntilMs === undefined ? "" : `code until ${until(one.codeUntilMs)}`;
	return [bold(one.aor), state, one.nodeId ?? "", code];
}

function showSettings(settings: DeviceSettings): string[] {
	const text = (value: unknown): string => {
		if (!Array.isArray(value)) return String(value);
		const one = (item: unknown): string =>
			typeof item === "string" ? item || "house" : Object.values(item as Record<string, string>).join(":");
		return value.map(one).join(", ");
	};
	return table(Object.entries(settings).map(([name, value]) => [bold(name), text(value)]));
}

/** "volume=50" of each --set. */
function changes(list: readonly string[]): Record<string, string> {
	const set: Record<string, string> = {};
	for (const one of list) {
		const at = one.indexOf("=");
		if (at < 1) throw new UserError(`${one}: no setting`, "write --set volume=50");
		set[one.slice(0, at)] = one.slice(at + 1);
	}
	return set;
}

export function addDeviceCommands(program: Command): void {
	const device = program.command("device").description("doors and intercoms of the household");
	device
		.command("add <name>")
		.description("print a one-time code (and QR code) that pairs a device")
		.option("--replace", "the device that has the name now is revoked when the code is used")
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { replace?: boolean }>();
			const made = await run<Invitation>(options, "device.add", { name, replace: options.replace === true });
			print(options.json, made, () => pairing(name, made));
		});
	device
		.command("list")
		.description("list the devices, and codes that wait for one")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const listed = await run<DeviceListing[]>(options, "device.list");
			print(options.json, listed, () =>
				listed.length === 0 ? ["no devices yet: ringlet device add NAME"] : table(listed.map(describe)),
			);
		});
	device
		.command("revoke <name>")
		.description("revoke a device's certificate and forget its settings; reaches running peers at once")
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const done = await run<{ nodeIds: string[] }>(options, "device.revoke", { name });
			print(options.json, done, () => [
				`${green("✓")} ${bold(name)} is revoked ${dim(done.nodeIds.join(" "))}`.trimEnd(),
			]);
		});
	device
		.command("reset <name>")
		.description("revoke a device's certificate and print a code for pairing it again; its settings stay")
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const made = await run<Invitation>(options, "device.reset", { name });
			print(options.json, made, () => pairing(name, made));
		});
	addSettings(device);
}

function addSettings(device: Command): void {
	const collect = (one: string, list: string[]): string[] => [...list, one];
	device
		.command("settings <name>")
		.description("show a device's settings, or change some: they reach it through the overlay")
		.option("--set <key=value>", "a setting; lists with commas, codes as name:1234 (may be given again)", collect, [])
		.option("--show", "show all settings (what is done without --set)")
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { set: string[]; show?: boolean }>();
			const set = changes(options.set);
			const settings = await run<DeviceSettings>(options, "device.settings", { name, set });
			const isChange = options.set.length > 0 && options.show !== true;
			print(options.json, settings, () =>
				isChange ? [`${green("✓")} ${bold(name)} gets revision ${settings.revision}`] : showSettings(settings),
			);
		});
}
