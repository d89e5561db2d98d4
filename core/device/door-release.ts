/**
 * Who may release the door, and the pulse of its relay.
 *
 *   code in a talk ----> entry right? not locked? ------------------------+--> spacing over? --> relay on .. off, record, save "releases"
 *   command (MESSAGE) -> allowed? fresh? new id? --> save "commands" --ok-+
 *
 * A command's id is in flash before the relay moves: a power cut between the two loses the release, and never makes two of one. The
 * sender of such a command is told that it was interrupted, and sends a new one.
 */
import type { DeviceSettings } from "../usages/device-settings.ts";
import { EMPTY, equalBytes } from "../wire/bytes.ts";
import { CodeEntry, EntryResult } from "./code-entry.ts";
import type { Command } from "./command.ts";
import { COMMAND_AGE_MS, SAVE_MS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { CommandIds, commandDigest, ReleaseLog } from "./release-log.ts";
import type { ReleaseWay } from "./types.ts";

/** What digits came to, for the talk they came in. */
export type DigitResult = "nothing" | "opened" | "refused" | "hangUp";

/** A command whose id is being saved. */
interface Pending {
	readonly id: string;
	readonly digest: Uint8Array;
	readonly replyTo: string;
	readonly who: string;
	readonly giveUpAt: number;
}

export class DoorRelease {
	readonly #out: Outbox;
	readonly #releases: ReleaseLog;
	readonly #ids: CommandIds;
	readonly #entry = new CodeEntry();
	/** The newest id came into flash, and its release did not. */
	#isNewestInterrupted: boolean;
	#settings: DeviceSettings;
	#pending: Pending | undefined;
	#relayOffAt = Number.POSITIVE_INFINITY;
	#nextAt = Number.NEGATIVE_INFINITY;
	#wrong = 0;
	/** No code counts before. */
	#lockedUntil = Number.NEGATIVE_INFINITY;
	/** Wrong codes are forgotten then. */
	#forgetAt = Number.POSITIVE_INFINITY;

	constructor(out: Outbox, settings: DeviceSettings, releases: Uint8Array | undefined, ids: Uint8Array | undefined) {
		this.#out = out;
		this.#settings = settings;
		this.#releases = new ReleaseLog(releases);
		this.#ids = new CommandIds(ids);
		this.#isNewestInterrupted = this.#ids.bytes.length > 0 && !this.#releases.has(this.#ids.newest);
		// Whatever the pin was before we started: the door is shut.
		out.put({ type: "relay", isOn: false });
	}

	set settings(settings: DeviceSettings) {
		this.#settings = settings;
		this.#entry.clear();
	}

	/** The last releases, the oldest first. */
	get releases(): ReleaseLog {
		return this.#releases;
	}

	/** True while the relay is on. */
	get isOpen(): boolean {
		return this.#relayOffAt !== Number.POSITIVE_INFINITY;
	}

	/** True when no digit waits for the rest of its code. */
	get isEntryEmpty(): boolean {
		return this.#entry.isEmpty;
	}

	/** Another talk begins, or none: digits of the last one do not count. */
	clearEntry(): void {
		this.#entry.clear();
	}

	/** A digit in a talk with `who`; `wallMs` 0 when the clock is not set. */
	digit(code: number, who: string, wallMs: number, now: number): DigitResult {
		return this.#judge(this.#entry.digit(code, this.#settings.codes, now), who, wallMs, now);
	}

	#judge(result: number, who: string, wallMs: number, now: number): DigitResult {
		if (result === EntryResult.more || result === EntryResult.nothing) return "nothing";
		if (now < this.#lockedUntil) {
			this.#out.warn("release.locked", who);
			return "refused";
		}
		if (result === EntryResult.wrong) return this.#wrongCode(who, now);
		this.#wrong = 0;
		return this.#open("dtmf", who, this.#settings.codes[result]!.name, EMPTY, wallMs, now) ? "opened" : "refused";
	}

	#wrongCode(who: string, now: number): DigitResult {
		this.#wrong++;
		this.#forgetAt = now + this.#settings.lockS * 1000;
		this.#out.warn("release.wrongCode", who);
		if (this.#wrong < this.#settings.wrongCodes) return "refused";
		this.#wrong = 0;
		this.#lockedUntil = this.#forgetAt;
		this.#out.warn("release.locked", `${this.#settings.lockS} s`);
		return "hangUp";
	}

	/** A command "open". It is answered now, or when its id is in flash. True when the flash is asked. */
	command(command: Command, replyTo: string, isAllowed: boolean, wallMs: number, now: number): boolean {
		const { id, who } = command;
		const digest = commandDigest(who, id);
		if (!isAllowed) {
			this.#out.warn("release.notAllowed", who);
			this.#reply(replyTo, 403, "you may not open this door");
		} else if (this.#ids.has(digest)) this.#repeated(id, digest, replyTo);
		else if (command.door !== "" && command.door !== this.#settings.doorName) this.#reply(replyTo, 404, "no such door");
		else if (command.madeAtMs > 0 && wallMs === 0) this.#reply(replyTo, 503, "the clock is not set");
		else if (command.madeAtMs > 0 && Math.abs(wallMs - command.madeAtMs) > COMMAND_AGE_MS) {
			this.#reply(replyTo, 403, "the command is too old, or a clock is wrong");
		} else if (this.#pending !== undefined || now < this.#nextAt) this.#tooSoon(who, replyTo);
		else {
			this.#ids.add(digest);
			this.#isNewestInterrupted = false;
			this.#pending = { id, digest, replyTo, who, giveUpAt: now + SAVE_MS };
			this.#out.put({ type: "save", key: "commands", bytes: this.#ids.bytes });
			return true;
		}
		return false;
	}

	#repeated(id: string, digest: Uint8Array, replyTo: string): void {
		// The first copy is still being saved: its answer is the answer.
		if (this.#pending !== undefined && equalBytes(this.#pending.digest, digest)) return;
		this.#out.log("release.repeated", id);
		if (this.#isNewestInterrupted && equalBytes(this.#ids.newest, digest)) {
			this.#reply(replyTo, 500, "interrupted by a restart: send a new command");
		} else this.#reply(replyTo, 200, "done before");
	}

	#tooSoon(who: string, replyTo: string): void {
		this.#out.log("release.tooSoon", who);
		this.#reply(replyTo, 503, "too soon after the last release");
	}

	/** The flash has answered. True when the door was released. */
	saved(isSaved: boolean, wallMs: number, now: number): boolean {
		const pending = this.#pending;
		if (pending === undefined) return false;
		this.#pending = undefined;
		if (!isSaved) {
			// An id that is not in flash could be repeated after a power cut: better no release than two.
			this.#ids.dropNewest();
			this.#out.warn("release.notSaved", pending.who);
			this.#reply(pending.replyTo, 500, "the flash cannot remember the command: use a code in a call");
			return false;
		}
		if (!this.#open("message", pending.who, pending.id, pending.digest, wallMs, now)) {
			this.#reply(pending.replyTo, 503, "too soon after the last release");
			return false;
		}
		this.#reply(pending.replyTo, 200, "open");
		return true;
	}

	#reply(id: string, status: number, text: string): void {
		this.#out.put({ type: "reply", id, status, text });
	}

	#open(how: ReleaseWay, who: string, by: string, digest: Uint8Array, wallMs: number, now: number): boolean {
		if (now < this.#nextAt) {
			this.#out.log("release.tooSoon", who);
			return false;
		}
		const { releaseMs, releaseSpacingMs, doorName } = this.#settings;
		this.#relayOffAt = now + releaseMs;
		// A pulse longer than the spacing ends before the next begins.
		this.#nextAt = now + Math.max(releaseSpacingMs, releaseMs);
		const release = { who, wallMs, how, by, door: doorName };
		this.#out.put({ type: "relay", isOn: true });
		this.#out.put({ type: "record", release });
		this.#out.log("release.opened", `${how} ${who}`);
		this.#releases.add(release, digest);
		this.#out.put({ type: "save", key: "releases", bytes: this.#releases.bytes });
		return true;
	}

	/** What the end of an entry came to. */
	expire(who: string, wallMs: number, now: number): DigitResult {
		if (now >= this.#relayOffAt) {
			this.#relayOffAt = Number.POSITIVE_INFINITY;
			this.#out.put({ type: "relay", isOn: false });
		}
		if (this.#pending !== undefined && now >= this.#pending.giveUpAt) this.saved(false, wallMs, now);
		if (now >= this.#forgetAt) {
			this.#wrong = 0;
			this.#forgetAt = Number.POSITIVE_INFINITY;
		}
		return this.#judge(this.#entry.expire(this.#settings.codes, now), who, wallMs, now);
	}

	deadline(): number {
		const saved = this.#pending === undefined ? Number.POSITIVE_INFINITY : this.#pending.giveUpAt;
		return Math.min(this.#relayOffAt, this.#forgetAt, this.#entry.deadline(), saved);
	}
}
