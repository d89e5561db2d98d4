/** Timers as the parts of the daemon ask for them; tests put virtual ones in their place. */
export interface Timers {
	/** Calls `action` once after `delayMs`, unless the returned function is called before. */
	after(delayMs: number, action: () => void): () => void;
}

/** Node's timers; they do not keep the process alive. */
export const nodeTimers: Timers = Object.freeze({
	after(delayMs: number, action: () => void): () => void {
		const timer = setTimeout(action, delayMs);
		timer.unref();
		return () => clearTimeout(timer);
	},
});
