/** `ringlet capture`: taps the links of a running node and writes what passes, decrypted, to a pcapng file. */
import { createWriteStream, type WriteStream } from "node:fs";
import type { Endpoint } from "../../core/overlay/node-types.ts";
import { captureHeader, capturePacket, FrameSplitter } from "./capture.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { errorText, UserError } from "./state/errors.ts";

/** A capture that grows beyond this stops by itself. */
export const MAX_CAPTURE_OCTETS = 1 << 30;
/** Octets that the disk has not taken yet. Full: frames are left out and counted; the links never wait for the disk. */
export const MAX_UNWRITTEN_OCTETS = 1 << 24;

export interface CaptureResult {
	readonly frames: number;
	readonly octets: number;
	/** Frames that are missing because the disk was too slow. */
	readonly missing: number;
}

/** What a capture needs of an overlay host. */
export type Tapped = Pick<OverlayHost, "tap" | "listen">;

/** Captures until `signal` is aborted, or `seconds` are over. One at a time per node. Rejects when the file cannot be written. */
export async function capture(
	host: Tapped,
	file: string,
	seconds: number | undefined,
	signal: AbortSignal,
): Promise<CaptureResult> {
	if (host.tap !== undefined) throw new UserError("a capture is running already", "stop it first");
	// Taken at once: another capture may be asked for while the file is being opened.
	host.tap = () => undefined;
	try {
		const stream = await openFile(file);
		const counts = { frames: 0, octets: 0, missing: 0 };
		await new Promise<void>((resolve, reject) => {
			const timer = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
			stream.once("close", () => clearTimeout(timer));
			stream.once("error", (error) => reject(unwritable(file, error)));
			signal.addEventListener("abort", () => resolve(), { once: true });
			if (signal.aborted) resolve();
			write(stream, captureHeader(), counts);
			host.tap = tap(host.listen[0], stream, counts, resolve);
		});
		host.tap = undefined;
		await new Promise<void>((resolve, reject) => {
			stream.once("error", (error) => reject(unwritable(file, error)));
			stream.end(() => resolve());
		});
		return counts;
	} finally {
		host.tap = undefined;
	}
}

type Counts = { -readonly [K in keyof CaptureResult]: CaptureResult[K] };

function tap(own: Endpoint | undefined, stream: WriteStream, counts: Counts, full: () => void): OverlayHost["tap"] {
	const here = own ?? { address: "127.0.0.1", port: 6084 };
	const splitters = new Map<string, FrameSplitter>();
	return (sent, link, remote, bytes) => {
		const key = `${link}${sent ? ">" : "<"}`;
		const splitter = splitters.get(key) ?? new FrameSplitter();
		splitters.set(key, splitter);
		const { address, port } = remote;
		const there = { address, port };
		for (const frame of splitter.push(bytes)) {
			if (stream.writableLength > MAX_UNWRITTEN_OCTETS) {
				counts.missing++;
				continue;
			}
			write(stream, capturePacket(frame, sent ? here : there, sent ? there : here, Date.now()), counts);
			counts.frames++;
		}
		if (counts.octets > MAX_CAPTURE_OCTETS) full();
	};
}

function write(stream: WriteStream, bytes: Uint8Array, counts: Counts): void {
	stream.write(bytes);
	counts.octets += bytes.length;
}

async function openFile(file: string): Promise<WriteStream> {
	return await new Promise((resolve, reject) => {
		const stream = createWriteStream(file, { mode: 0o600 });
		stream.once("open", () => resolve(stream));
		stream.once("error", (error) => reject(unwritable(file, error)));
	});
}

function unwritable(file: string, error: unknown): UserError {
	return new UserError(`${file}: ${errorText(error)}`, "choose another file");
}
