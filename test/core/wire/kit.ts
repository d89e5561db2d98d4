/** What the tests of this folder share: the golden vectors, the Kinds' data models, hex. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fromHex } from "../../../core/wire/bytes.ts";
import type { DataModel } from "../../../core/wire/stored-data.ts";

const VECTORS = new URL("../../vectors/", import.meta.url);

/** One golden vector; `fields` holds the decoded values under the RFC's names. */
export interface Vector {
	readonly name: string;
	readonly kind: "message" | "framed";
	readonly length: number;
	readonly hex: string;
	readonly parts?: Readonly<Record<string, string>> & { readonly stored_data_signature_inputs?: readonly string[] };
	readonly fields: Record<string, unknown>;
	readonly context?: { readonly overlay_name: string; readonly node_id_length: number };
}

export function readVectors(kind: Vector["kind"]): Vector[] {
	const names = readdirSync(VECTORS).filter((name) => name.endsWith(".json"));
	const vectors = names.sort().map((name) => JSON.parse(readFileSync(new URL(name, VECTORS), "utf8")) as Vector);
	return vectors.filter((vector) => vector.kind === kind);
}

export function readFunctions(): Record<string, unknown> {
	const file = JSON.parse(readFileSync(new URL("00-functions.json", VECTORS), "utf8"));
	return file.functions as Record<string, unknown>;
}

/** Octets of hex that the test itself wrote; spaces are for the eye. */
export function hex(text: string): Uint8Array {
	const bytes = fromHex(text.replaceAll(/\s/g, ""));
	if (bytes === undefined) throw new Error(`not hex: ${text}`);
	return bytes;
}

export function modelOf(kind: number): DataModel | undefined {
	const models: Record<number, DataModel> = {
		1: "dictionary",
		2: "single",
		3: "array",
		4: "array",
		16: "array",
		260: "dictionary",
	};
	return models[kind];
}

export function sha1(data: Uint8Array): Uint8Array {
	return new Uint8Array(createHash("sha1").update(data).digest());
}

export function sha256(data: Uint8Array): Uint8Array {
	return new Uint8Array(createHash("sha256").update(data).digest());
}

export const NODE_ID_LENGTH = 16;
export const NODE_A = hex("8a0c5b7e1f2d4a6993c1d0e2b4f60718");
export const NODE_B = hex("4e3d2c1b0a99887766554433221100ff");
export const NODE_C = hex("c0ffee00112233445566778899aabbcc");
export const ALICE = hex("6df379fb05075b13ada5f9d9ae9fbaa0");
