/** Why a request is answered at once, and with what. */
export interface Refusal {
	readonly status: number;
	/** "": the usual phrase. */
	readonly reason: string;
	/** Whole header lines. */
	readonly headers: string;
}

/** A refusal, as a value. */
export function refusal(status: number, reason = "", headers = ""): Refusal {
	return { status, reason, headers };
}

/** Tells a refusal from a result. */
export function isRefusal<T extends object>(result: T | Refusal): result is Refusal {
	return "status" in result;
}
