/**
 * What the flash keeps of releases: the last ones (who, when, how), and by which commands, so that none is carried out twice, also
 * not when it is repeated after a power cut.
 *
 * Both are kept as the octets they are in flash: a list of objects would cost a hundred slots.
 *
 *     "releases": version (1) | entries, the oldest first: length (2) | wallMs (8) | how (1) | digest of the command (8, else 0) | who, by, door (length (1) + UTF-8)
 *     "commands": digests (8 octets each), the oldest first
 */
import { bytesToUtf8, concatBytes, EMPTY, equalBytes, isUtf8, utf8ToBytes } from "../wire/bytes.ts";
import { WireReader } from "../wire/reader.ts";
import { WireWriter } from "../wire/writer.ts";
import { MAX_COMMAND_IDS, MAX_RELEASE_LOG_OCTETS, MAX_RELEASE_TEXT_OCTETS } from "./limits.ts";
import type { Release, ReleaseWay } from "./types.ts";

const VERSION = 1;
const WAYS: readonly ReleaseWay[] = Object.freeze(["dtmf", "message"]);

/** The last releases. */
export class ReleaseLog {
	#bytes: Uint8Array;

	/** `bytes` from flash; what cannot be read is forgotten. */
	constructor(bytes: Uint8Array | undefined) {
		const isFine = bytes !== undefined && bytes.length <= MAX_RELEASE_LOG_OCTETS && readReleases(bytes) !== undefined;
		this.#bytes = isFine ? bytes.slice() : Uint8Array.of(VERSION);
	}

	/** As they are to be kept in flash. */
	get bytes(): Uint8Array {
		return this.#bytes;
	}

	/** The oldest first. */
	list(): Release[] {
		return readReleases(this.#bytes) ?? [];
	}

	/** True when a command is among the kept releases. */
	has(digest: Uint8Array): boolean {
		let isThere = false;
		readReleases(this.#bytes, (one) => {
			isThere ||= equalBytes(one, digest);
		});
		return isThere;
	}

	/** Adds one, with the digest of the command that caused it (empty for a code); the oldest go when there is no room. */
	add(release: Release, digest: Uint8Array): void {
		const writer = new WireWriter();
		const mark = writer.open16();
		writer.u64(release.wallMs);
		writer.u8(WAYS.indexOf(release.how));
		writer.opaque8(digest);
		writer.opaque8(cut(release.who));
		writer.opaque8(cut(release.by));
		writer.opaque8(cut(release.door));
		writer.close(mark);
		const entry = writer.view();
		let from = 1;
		while (this.#bytes.length - from + 1 + entry.length > MAX_RELEASE_LOG_OCTETS)
			from += 2 + ((this.#bytes[from]! << 8) | this.#bytes[from + 1]!);
		const kept = this.#bytes.length - from;
		const bytes = new Uint8Array(1 + kept + entry.length);
		bytes[0] = VERSION;
		bytes.set(this.#bytes.subarray(from), 1);
		bytes.set(entry, 1 + kept);
		this.#bytes = bytes;
	}
}

function readReleases(bytes: Uint8Array, onDigest?: (digest: Uint8Array) => void): Release[] | undefined {
	const reader = new WireReader(bytes);
	const releases: Release[] = [];
	if (reader.u8() !== VERSION) return undefined;
	while (reader.remaining > 0) {
		const outer = reader.enter(reader.u16());
		const wallMs = reader.u64();
		const how = WAYS[reader.u8()];
		const digest = reader.opaque8();
		const who = text(reader);
		const by = text(reader);
		const door = text(reader);
		reader.leave(outer);
		if (how === undefined) return undefined;
		onDigest?.(digest);
		releases.push({ who, wallMs, how, by, door });
	}
	return reader.refused === undefined ? releases : undefined;
}

function text(reader: WireReader): string {
	return bytesToUtf8(reader.opaque8());
}

/** UTF-8 of a text, cut off between two characters. */
function cut(text: string): Uint8Array {
	const bytes = utf8ToBytes(text);
	if (bytes.length <= MAX_RELEASE_TEXT_OCTETS) return bytes;
	let length = MAX_RELEASE_TEXT_OCTETS;
	while (length > 0 && !isUtf8(bytes.subarray(0, length))) length--;
	return bytes.subarray(0, length);
}

const DIGEST_OCTETS = 8;

/** Digests of the last commands. */
export class CommandIds {
	#bytes: Uint8Array;

	constructor(bytes: Uint8Array | undefined) {
		const isFine =
			bytes !== undefined && bytes.length % DIGEST_OCTETS === 0 && bytes.length <= MAX_COMMAND_IDS * DIGEST_OCTETS;
		this.#bytes = isFine ? bytes.slice() : EMPTY;
	}

	/** As they are to be kept in flash. */
	get bytes(): Uint8Array {
		return this.#bytes;
	}

	has(digest: Uint8Array): boolean {
		for (let at = 0; at < this.#bytes.length; at += DIGEST_OCTETS)
			if (equalBytes(this.#bytes.subarray(at, at + DIGEST_OCTETS), digest)) return true;
		return false;
	}

	/** The one that was added last; empty when there is none. */
	get newest(): Uint8Array {
		return this.#bytes.subarray(Math.max(0, this.#bytes.length - DIGEST_OCTETS));
	}

	/** Adds one; the oldest goes when there is no room. */
	add(digest: Uint8Array): void {
		const from = this.#bytes.length >= MAX_COMMAND_IDS * DIGEST_OCTETS ? DIGEST_OCTETS : 0;
		this.#bytes = concatBytes(this.#bytes.subarray(from), digest);
	}

	/** Takes back what was added last. */
	dropNewest(): void {
		this.#bytes = this.#bytes.slice(0, Math.max(0, this.#bytes.length - DIGEST_OCTETS));
	}
}

/**
 * What a command is remembered by: 8 octets of sender and id, FNV-1a twice. No cryptography is needed: a command that collides with
 * another one is refused as repeated, which helps nobody; a repeated one is always found.
 */
export function commandDigest(who: string, id: string): Uint8Array {
	const bytes = utf8ToBytes(`${who} ${id}`);
	const digest = new Uint8Array(DIGEST_OCTETS);
	for (let half = 0; half < 2; half++) {
		let hash = half === 0 ? 0x811c9dc5 : 0x2b1dcb8b;
		for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
		hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
		for (let i = 0; i < 4; i++) digest[half * 4 + i] = hash >>> (24 - 8 * i);
	}
	return digest;
}
