/** The engine itself, as the other suites rely on it. */
import { expect, test } from "vitest";
import { XsWorker } from "../../tools/xs-host/worker.ts";

test("replies with octets, at once or when a promise has settled", async () => {
	const worker = new XsWorker();
	expect((await worker.evaluate("Uint8Array.of(1, 2, 3).buffer")).bytes).toEqual(Buffer.from([1, 2, 3]));
	const later = "const r = {}; Promise.resolve().then(() => { r.result = new ArrayBuffer(5); }); r";
	expect((await worker.evaluate(later)).bytes).toHaveLength(5);
	expect(await worker.close()).toBeUndefined();
	expect(worker.stderr).toBe("");
});

test("what is thrown is told, and it goes on", async () => {
	const worker = new XsWorker();
	await expect(worker.evaluate('throw new Error("no")')).rejects.toThrow("no");
	expect((await worker.evaluate("new ArrayBuffer(1)")).bytes).toHaveLength(1);
	await worker.close();
});

test("asks and waits for the answer", async () => {
	const worker = new XsWorker({ onCall: (question) => `${question}!` });
	const { bytes } = await worker.evaluate("issueCommand(new TextEncoder().encode('well?').buffer)");
	expect(String(bytes)).toBe("well?!");
	await worker.close();
});

test("a promise that nobody ends shows on stderr", async () => {
	const worker = new XsWorker();
	await worker.evaluate('Promise.reject(new Error("lost")); 0');
	await worker.close();
	expect(worker.stderr).toContain("lost");
});

test("live slots: what is dropped is gone, what is held is counted", async () => {
	const worker = new XsWorker();
	const { slots } = await worker.heap();
	await worker.evaluate("globalThis.held = []; for (let i = 0; i < 100; i++) held.push({ a: 1, b: 2 }); 0");
	const held = await worker.heap();
	expect(held.slots - slots).toBeGreaterThanOrEqual(300);
	await worker.evaluate("delete globalThis.held; 0");
	expect((await worker.heap()).slots - slots).toBeLessThan(20);
	await worker.close();
});

test("killed: what was asked for is refused", async () => {
	const worker = new XsWorker();
	const asked = worker.evaluate("for (;;);");
	await new Promise((resolve) => setImmediate(resolve));
	const ended = worker.kill();
	await expect(asked).rejects.toThrow("SIGKILL");
	expect(await ended).toContain("SIGKILL");
});
