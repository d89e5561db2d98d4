/**
 * `npm run flash -- --device frontdoor --board esp32/esp32s3 [--wifi NAME --wifi-password-file F] [--pairing URL]`: makes the device's
 * bundles and calls the Moddable SDK's mcconfig, which builds the firmware and puts it on the board at the serial port.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { projectFolder, writeDevice } from "./device-build.ts";

/** Boards that manifest.json has sections for. */
export const BOARDS: readonly string[] = Object.freeze(["esp32", "esp32/esp32s3", "esp32/m5atom_s3_echo_base", "lin"]);

/** Something is missing on this machine, or was asked for wrongly. */
const EXIT_USAGE = 2;

interface Asked {
	readonly device: string;
	readonly board: string;
	readonly wifi?: string;
	readonly wifiPasswordFile?: string;
	readonly pairing?: string;
	readonly buildOnly?: boolean;
}

/** What mcconfig is called with. */
export function mcconfigArguments(asked: Asked, password: string | undefined): string[] {
	const config = [`device="${asked.device}"`];
	if (asked.wifi !== undefined) config.push(`wifi="${asked.wifi}"`);
	if (password !== undefined) config.push(`wifiPassword="${password}"`);
	if (asked.pairing !== undefined) config.push(`pairing="${asked.pairing}"`);
	return ["-m", "-p", asked.board, ...(asked.buildOnly === true ? ["-t", "build"] : []), ...config];
}

function fail(message: string): never {
	console.error(`flash: ${message}`);
	process.exit(EXIT_USAGE);
}

/** Why the SDK cannot be used here; undefined when it can. */
export function missingSdk(
	environment: Readonly<Record<string, string | undefined>>,
	board: string,
): string | undefined {
	const sdk = environment.MODDABLE ?? "";
	if (sdk === "" || !existsSync(join(sdk, "examples/manifest_base.json"))) {
		return "the Moddable SDK is not here: install it (https://www.moddable.com/documentation/readme), set MODDABLE to its folder, add its build/bin to PATH";
	}
	if (board.startsWith("esp32") && (environment.IDF_PATH ?? "") === "") {
		return "ESP-IDF is not here: install the version the SDK asks for, and set IDF_PATH (in its folder: . ./export.sh)";
	}
	return undefined;
}

async function flash(asked: Asked): Promise<void> {
	if (!BOARDS.includes(asked.board)) fail(`no board "${asked.board}": it is one of ${BOARDS.join(", ")}`);
	if (!/^[a-z0-9-]{1,32}$/.test(asked.device)) fail(`"${asked.device}" is no device name: a-z, 0-9 and "-" only`);
	const missing = missingSdk(process.env, asked.board);
	if (missing !== undefined) fail(missing);
	const file = asked.wifiPasswordFile;
	if (file !== undefined && !existsSync(file)) fail(`no such file: ${file}`);
	const password = file === undefined ? undefined : readFileSync(file, "utf8").trim();
	const root = projectFolder();
	await writeDevice(join(root, "dist/device"));
	const done = spawnSync("mcconfig", mcconfigArguments(asked, password), { cwd: root, stdio: "inherit" });
	if (done.error !== undefined) fail("mcconfig cannot be run: add the SDK's build/bin to PATH");
	process.exit(done.status ?? 1);
}

export async function main(argv: readonly string[]): Promise<void> {
	const program = new Command("flash")
		.description("builds the firmware of a device and puts it on the board")
		.requiredOption("--device <name>", "name of the device, as in `ringlet device add`")
		.requiredOption("--board <board>", BOARDS.join(" | "))
		.option("--wifi <name>", "Wi-Fi to join")
		.option("--wifi-password-file <file>", "its password")
		.option("--pairing <url>", "what `ringlet device add` printed; the device pairs at its first start")
		.option("--build-only", "build, and leave the board alone")
		.exitOverride();
	try {
		program.parse([...argv], { from: "user" });
	} catch (error) {
		process.exit(error instanceof CommanderError && error.exitCode === 0 ? 0 : EXIT_USAGE);
	}
	await flash(program.opts<Asked>());
}

if (process.argv[1]?.endsWith("flash.js") === true) await main(process.argv.slice(2));
