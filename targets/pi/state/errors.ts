/** Errors that are meant for the person at the keyboard: one line that names what is wrong, where, and what to do. */
export class UserError extends Error {
	/** What to do about it; empty when there is nothing to do. */
	readonly fix: string;

	/** `what` names the file, key or name concerned; `fix` is an instruction. */
	constructor(what: string, fix = "") {
		super(fix === "" ? what : `${what}; ${fix}`);
		this.name = "UserError";
		this.fix = fix;
	}
}

/** The text of anything that was thrown, on one line. */
export function errorText(error: unknown): string {
	return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");
}

/** The `code` of an error of Node's ("ENOENT"), or an empty string. */
export function errorCode(error: unknown): string {
	const code = (error as { code?: unknown } | undefined)?.code;
	return typeof code === "string" ? code : "";
}
