/** What people do to devices: list, revoke, reset, settings. Pairing codes are invitations (`HouseholdAdmin.invite`). */
import { isRefused } from "../../../core/machine.ts";
import {
	type DeviceSettings,
	defaultDeviceSettings,
	readDeviceSettings,
} from "../../../core/usages/device-settings.ts";
import { SETTINGS_FIELDS, type SettingsField } from "../../../core/usages/device-settings-fields.ts";
import { houseAor } from "../../../core/usages/house.ts";
import { UserError } from "../state/errors.ts";
import type { HouseholdAdmin, Invitation } from "./admin.ts";
import { settingsOf, withSettings } from "./devices.ts";
import { type Household, hexOf } from "./household.ts";
import { readName } from "./names.ts";
import type { Address, Issued } from "./types.ts";

/** One device, as it is shown. */
export interface DeviceListing {
	readonly name: string;
	readonly aor: string;
	/** "waiting": a code was printed and not used yet. */
	readonly state: "paired" | "waiting" | "revoked" | "expired" | "known";
	readonly nodeId: string | undefined;
	readonly pairedMs: number | undefined;
	readonly notAfterMs: number | undefined;
	/** When the code that waits runs out. */
	readonly codeUntilMs: number | undefined;
	/** Revision of its settings; 0 before somebody has set something. */
	readonly revision: number;
}

export class DeviceAdmin {
	readonly #household: Household;
	readonly #admin: HouseholdAdmin;

	constructor(household: Household, admin: HouseholdAdmin) {
		this.#household = household;
		this.#admin = admin;
	}

	/** All devices that have settings, a certificate on record, or a code that waits. */
	list(): DeviceListing[] {
		const { devices, registry, codes, clock } = this.#household;
		const wallMs = clock.wallMs();
		const waiting = codes.list(wallMs).filter(({ role }) => role === "device");
		const issued = registry.find(({ role }) => role === "device");
		const aors = [
			...devices.list().map(({ aor }) => aor),
			...issued.map(({ userName }) => userName),
			...waiting.map(({ userName }) => userName ?? ""),
		];
		return [...new Set(aors)].sort().map((aor) => {
			const own = issued.filter(({ userName }) => userName === aor).sort((a, b) => b.issuedMs - a.issuedMs);
			const latest = own.find(({ revokedMs }) => revokedMs === undefined) ?? own[0];
			const code = waiting.find(({ userName }) => userName === aor);
			const settings = devices.get(aor);
			return {
				name: aor.slice(0, aor.indexOf("@")),
				aor,
				state: stateOf(latest, code !== undefined, wallMs),
				nodeId: latest?.nodeIds[0] === undefined ? undefined : hexOf(latest.nodeIds[0]),
				pairedMs: latest?.issuedMs,
				notAfterMs: latest?.notAfterMs,
				codeUntilMs: code?.expiresMs,
				revision: settings?.settings === undefined ? 0 : settingsOf(settings).revision,
			};
		});
	}

	/** Revokes a device's certificate and forgets its settings and the codes that wait for it. Gives the Node-IDs revoked. */
	async revoke(name: unknown): Promise<{ nodeIds: string[]; sequence: number }> {
		const aor = this.#known(name);
		const nodeIds = await this.#revoke(aor);
		await this.#household.change(() => ({
			remove: [this.#household.devices.key(aor)],
			publish: true,
			apply: () => this.#household.devices.forget(aor),
			result: undefined,
		}));
		return { nodeIds, sequence: this.#household.version.sequence };
	}

	/** Revokes a device's certificate and makes a code for the next key under its name; its settings stay. */
	async reset(
		name: unknown,
		options: { readonly addresses?: readonly Address[]; readonly lifetimeMs?: number },
	): Promise<Invitation> {
		const aor = this.#known(name);
		// The settings are kept also by a device that never had any set.
		await this.#household.change(() => this.#save(this.#household.devices.wanted(aor, this.#household.clock.wallMs())));
		await this.#revoke(aor);
		return this.#admin.invite({ role: "device", name, ...options });
	}

	/** The settings of a device, after `set` (texts by name, as on a command line) was applied. */
	async settings(name: unknown, set: Readonly<Record<string, unknown>> = {}): Promise<DeviceSettings> {
		const aor = this.#known(name);
		const { devices, clock, overlayName } = this.#household;
		const changes = readChanges(set, overlayName);
		if (Object.keys(changes).length === 0) return settingsOf(devices.get(aor) ?? { aor, settings: undefined });
		return this.#household.change(() => {
			const record = withSettings(devices.wanted(aor, clock.wallMs()), changes, clock.wallMs());
			return { ...this.#save(record), publish: true, result: settingsOf(record) };
		});
	}

	#save(record: Parameters<Household["devices"]["apply"]>[0]) {
		const { devices, state } = this.#household;
		return {
			put: [state.sealed(devices.key(record.aor), record)],
			apply: () => devices.apply(record),
			result: undefined,
		};
	}

	/** The AOR of a device that is known in any way; a `UserError` else. */
	#known(name: unknown): string {
		const { aor } = readName(name, this.#household.overlayName);
		if (this.list().some((one) => one.aor === aor)) return aor;
		throw new UserError(`${aor}: no such device`, "see `ringlet device list`, or pair it by `ringlet device add`");
	}

	async #revoke(aor: string): Promise<string[]> {
		const { codes, registry, clock } = this.#household;
		for (const code of codes.list(clock.wallMs()))
			if (code.role === "device" && code.userName === aor) await codes.cancel(code.id);
		const isGood = ({ userName, revokedMs }: Issued): boolean => userName === aor && revokedMs === undefined;
		if (registry.find(isGood).length === 0) return [];
		return (await this.#admin.revoke(aor)).nodeIds;
	}
}

function stateOf(latest: Issued | undefined, isWaiting: boolean, wallMs: number): DeviceListing["state"] {
	if (latest !== undefined && latest.revokedMs === undefined) return latest.notAfterMs > wallMs ? "paired" : "expired";
	if (isWaiting) return "waiting";
	return latest === undefined ? "known" : "revoked";
}

/** Settings from texts, or from plain data as it is. Throws a `UserError` that names the setting. */
function readChanges(set: Readonly<Record<string, unknown>>, domain: string): Record<string, unknown> {
	const changes: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(set)) {
		const field = (SETTINGS_FIELDS as Readonly<Record<string, SettingsField>>)[name];
		if (field === undefined || name === "revision")
			throw new UserError(
				`${name}: no setting`,
				`the settings are ${Object.keys(SETTINGS_FIELDS).slice(1).join(", ")}`,
			);
		changes[name] = typeof value === "string" ? fromText(field, value, domain) : value;
	}
	const checked = readDeviceSettings({ ...defaultDeviceSettings(), ...changes });
	if (isRefused(checked)) throw new UserError(checked.refused, "see `ringlet device settings NAME --show`");
	return changes;
}

/** A value as it is typed; what cannot be read stays a text, and is refused with the bounds of the setting. */
function fromText(field: SettingsField, text: string, domain: string): unknown {
	switch (field.kind) {
		case "number":
			return text.trim() === "" ? text : Number(text);
		case "boolean":
			return ["true", "yes", "on"].includes(text) || (["false", "no", "off"].includes(text) ? false : text);
		case "aors":
			return listOf(text).map((one) => address(one, field.special, domain));
		case "codes":
			return listOf(text).map((one) => {
				const at = one.lastIndexOf(":");
				return { name: one.slice(0, Math.max(at, 0)), code: one.slice(at + 1) };
			});
		default:
			return text;
	}
}

function listOf(text: string): string[] {
	return text.trim() === "" ? [] : text.split(",").map((one) => one.trim());
}

/** "anna" -> "anna@home.example"; "house" where the empty text means it. */
function address(text: string, special: string, domain: string): string {
	if (text === special) return text;
	const aor = text.includes("@") ? text : `${text}@${domain}`;
	return special === "" && aor === houseAor(domain) ? "" : aor;
}
