/** node:fs for tests that read vectors: the process around the engine reads them, below test/ only. */
import { ask } from "../../../tools/xs-host/xs/ask.ts";

export function readFileSync(file: { readonly href: string } | string, encoding?: string): Uint8Array | string {
	const { bytes } = ask({ op: "read", file: typeof file === "string" ? file : file.href });
	return encoding === undefined ? bytes : new TextDecoder().decode(bytes);
}

export function readdirSync(folder: { readonly href: string }): string[] {
	return ask({ op: "list", file: folder.href }).head.names as string[];
}
