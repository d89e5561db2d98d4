/** Runs the openssl program on files of a temporary directory. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface OpensslRun {
	readonly ok: boolean;
	/** Standard output and error together. */
	readonly text: string;
}

/** `files` are written first; their names may be used in `args`. A DER certificate or request ends in `.der`. */
export function openssl(args: readonly string[], files: Readonly<Record<string, Uint8Array | string>>): OpensslRun {
	const folder = mkdtempSync(join(tmpdir(), "ringlet-openssl-"));
	try {
		for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents);
		const run = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
		if (run.error !== undefined)
			throw new Error("this test needs the openssl program (apt: openssl)", { cause: run.error });
		return { ok: run.status === 0, text: `${run.stdout}${run.stderr}` };
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** PEM, as `openssl verify` wants it. */
export function pem(label: string, der: Uint8Array): string {
	const text = Buffer.from(der).toString("base64");
	const lines: string[] = [];
	for (let at = 0; at < text.length; at += 64) lines.push(text.slice(at, at + 64));
	return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
