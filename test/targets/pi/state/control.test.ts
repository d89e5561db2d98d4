import { statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ControlClient } from "../../../../targets/pi/state/control-client.ts";
import { ControlServer } from "../../../../targets/pi/state/control-socket.ts";
import { UserError } from "../../../../targets/pi/state/errors.ts";
import {
	MAX_CONTROL_CONNECTIONS,
	MAX_CONTROL_LINE,
	MAX_CONTROL_REQUESTS,
} from "../../../../targets/pi/state/limits.ts";
import { scratch } from "../support.ts";

async function serve(): Promise<{ path: string; server: ControlServer; aborted: () => boolean }> {
	const path = join(scratch(), "c.sock");
	const server = new ControlServer({ path });
	let aborted = false;
	server.registerAll({
		echo: (args) => args,
		refuse: () => {
			throw new UserError("alice: no such account", "see the list");
		},
		crash: () => {
			throw new Error("boom\nbang");
		},
		count: (args, { emit }) => {
			for (let i = 1; i <= Number(args.to); i++) emit(i);
		},
		hang: (_args, { signal }) =>
			new Promise((resolve) =>
				signal.addEventListener("abort", () => {
					aborted = true;
					resolve(undefined);
				}),
			),
	});
	await server.listen();
	onTestFinished(() => server.close());
	return { path, server, aborted: () => aborted };
}

async function client(path: string): Promise<ControlClient> {
	const found = await ControlClient.connect(path);
	if (found === undefined) throw new Error("no daemon");
	onTestFinished(() => found.close());
	return found;
}

test("commands, events, refusals and crashes", async () => {
	const { path, server } = await serve();
	expect(statSync(path).mode & 0o777).toBe(0o600);
	expect(server.commands()).toEqual(["count", "crash", "echo", "hang", "refuse"]);
	const control = await client(path);
	expect(await control.request("echo", { a: [1, { b: "ä" }] })).toEqual({ a: [1, { b: "ä" }] });
	const events: unknown[] = [];
	expect(await control.request("count", { to: 3 }, { onEvent: (event) => events.push(event) })).toBeNull();
	expect(events).toEqual([1, 2, 3]);
	const refused = await control.request("refuse").catch((error: unknown) => error as UserError);
	expect(refused).toMatchObject({ message: "alice: no such account; see the list", fix: "see the list" });
	await expect(control.request("crash")).rejects.toThrow(/^boom bang$/);
	await expect(control.request("nonsense")).rejects.toThrow("unknown command nonsense");
	expect(() => server.register("echo", () => 0)).toThrow(/exists already/);
});

test("nobody there: connect says so without an error, also over a leftover socket file", async () => {
	const path = join(scratch(), "c.sock");
	expect(await ControlClient.connect(path)).toBeUndefined();
	writeFileSync(path, "");
	expect(await ControlClient.connect(path)).toBeUndefined();
	const server = new ControlServer({ path });
	await server.listen();
	await server.close();
	await expect(ControlClient.connect(join("/", "x".repeat(200)))).rejects.toThrow(/too long for a Unix socket/);
});

test("a client that goes away aborts its command", async () => {
	const { path, aborted } = await serve();
	const control = await client(path);
	const lost = control.request("hang");
	await control.request("echo");
	control.close();
	await expect(lost).rejects.toThrow(/closed the control connection/);
	await (await client(path)).request("echo");
	expect(aborted()).toBe(true);
});

test("a line that is no request is answered, one that is too long ends the connection", async () => {
	const { path } = await serve();
	const answers: string[] = [];
	const socket = connect(path);
	socket.on("data", (chunk: Buffer) => answers.push(chunk.toString()));
	socket.on("error", () => undefined);
	socket.write('[1]\n\n{"id":7}\n');
	await expect.poll(() => answers.join("")).toContain('"id":7');
	expect(answers.join("")).toContain("not a JSON object");
	const closed = new Promise((resolve) => socket.on("close", resolve));
	socket.write("x".repeat(MAX_CONTROL_LINE + 1));
	await closed;
});

test("limits: connections and requests at once", async () => {
	const { path } = await serve();
	const first = await client(path);
	const hanging = Array.from({ length: MAX_CONTROL_REQUESTS }, () => first.request("hang"));
	for (const one of hanging) one.catch(() => undefined);
	await expect(first.request("echo")).rejects.toThrow(/too many requests at once/);
	const others = await Promise.all(Array.from({ length: MAX_CONTROL_CONNECTIONS - 1 }, () => client(path)));
	for (const other of others) await other.request("echo");
	await expect((await client(path)).request("echo")).rejects.toThrow(/too many control connections|closed the control/);
});
