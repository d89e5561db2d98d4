/** `ringlet capture`: taps the links of a running node and writes what passes, decrypted, to a pcapng file. */
import { createWriteStream, type WriteStream } from "node:fs";
import type { Endpoint } from "../../core/overlay/node-types.ts";
import { captureHeader, capturePacket, FrameSplitter } from "./capture.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { errorText, UserError } from "./state/errors.ts";

/** A capture that grows beyond this stops by itself. */
export const MAX_CAPTURE_OCTETS = 1 << 30;

export interface CaptureResult {
	readonly frames: number;
	readonly octets: number;
}

/** Captures until `signal` is aborted, or `seconds` are over. One at a time per node. */
export async function capture(
	host: OverlayHost,
	file: string,
	seconds: number | undefined,
	signal: AbortSignal,
): Promise<CaptureResult> {
	if (host.tap !== undefined) throw new UserError("a capture is running already", "stop it first");
	const stream = await openFile(file);
	const own = host.listen[0] ?? { address: "127.0.0.1", port: 6084 };
	const splitters = new Map<string, FrameSplitter>();
	let frames = 0;
	let octets = captureHeader().length;
	stream.write(captureHeader());
	await new Promise<void>((resolve) => {
		const timer = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
		signal.addEventListener("abort", () => resolve(), { once: true });
		if (signal.aborted) resolve();
		stream.once("error", () => resolve());
		stream.once("close", () => clearTimeout(timer));
		host.tap = (sent: boolean, link: number, remote: Endpoint, bytes: Uint8Array): void => {
			const key = `${link}${sent ? ">" : "<"}`;
			const splitter = splitters.get(key) ?? new FrameSplitter();
			splitters.set(key, splitter);
			const here = { address: own.address, port: own.port };
			for (const frame of splitter.push(bytes)) {
				const packet = capturePacket(frame, sent ? here : remote, sent ? remote : here, Date.now());
				stream.write(packet);
				frames++;
				octets += packet.length;
			}
			if (octets > MAX_CAPTURE_OCTETS) resolve();
		};
	});
	host.tap = undefined;
	await new Promise<void>((resolve) => stream.end(() => resolve()));
	return { frames, octets };
}

async function openFile(file: string): Promise<WriteStream> {
	return await new Promise((resolve, reject) => {
		const stream = createWriteStream(file, { mode: 0o600 });
		stream.once("open", () => resolve(stream));
		stream.once("error", (error) => reject(new UserError(`${file}: ${errorText(error)}`, "choose another file")));
	});
}
