/** Numbers of what the host holds for the engine, and who is told of its events. */
import { ask } from "./ask.ts";

export type Handler = (event: Readonly<Record<string, unknown>>, bytes: Uint8Array) => void;

const handlers = new Map<number, Handler>();
let next = 1;

/** A number for something of the host; its events go to `handler` until `forget`. */
export function wire(handler: Handler): number {
	const id = next++;
	handlers.set(id, handler);
	return id;
}

export function forget(id: number): void {
	handlers.delete(id);
}

/** An event of the host. */
export function deliver(event: Readonly<Record<string, unknown>>, bytes: Uint8Array): void {
	handlers.get(event.id as number)?.(event, bytes);
}

/** Octets of a buffer or a view of one. */
export function octets(data: ArrayBuffer | Uint8Array): Uint8Array {
	return data instanceof Uint8Array ? data : new Uint8Array(data);
}

/** Cuts octets by the lengths that came with them. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
	let at = 0;
	return lengths.map((length) => {
		const part = bytes.slice(at, at + length);
		at += length;
		return part;
	});
}

export { ask };
