/** Polls until `check` holds; fails with `what` after `withinMs`. Only for waiting on processes we did not write. */
export async function waitFor(
	what: string,
	withinMs: number,
	check: () => boolean | Promise<boolean>,
	everyMs = 25,
): Promise<number> {
	const began = performance.now();
	for (;;) {
		if (await check()) return performance.now() - began;
		if (performance.now() - began > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, everyMs));
	}
}
