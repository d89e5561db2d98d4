/** A neighbour that is a link and a pen: it sends what a test writes, well-formed or not, and shows what comes back. */

import { type LocalIdentity, signMessage } from "../../../../core/identity/signer.ts";
import { Link } from "../../../../core/link/link.ts";
import { RFC_PROFILE } from "../../../../core/overlay/profile.ts";
import { EMPTY } from "../../../../core/wire/bytes.ts";
import { encodeMessageContents, type MessageExtension } from "../../../../core/wire/contents.ts";
import type { Destination } from "../../../../core/wire/destination.ts";
import { readErrorResponse } from "../../../../core/wire/error.ts";
import { type ForwardingHeader, forwardingHeader } from "../../../../core/wire/forwarding.ts";
import { type Message, readMessage, writeMessage } from "../../../../core/wire/message.ts";
import { good } from "./household.ts";
import type { Member, World } from "./world.ts";

export interface Draft {
	readonly code: number;
	readonly body?: Uint8Array;
	readonly to: readonly Destination[];
	readonly extensions?: readonly MessageExtension[];
	/** Who signs; the peer itself when absent. */
	readonly as?: LocalIdentity;
	readonly certificates?: readonly Uint8Array[];
	/** Changes to the header. */
	readonly header?: Partial<ForwardingHeader>;
	readonly transaction?: { readonly high: number; readonly low: number };
}

/** A signed message. */
export function compose(world: World, from: LocalIdentity, draft: Draft): Uint8Array {
	const { crypto, config } = world.household;
	const contents = encodeMessageContents({
		messageCode: draft.code,
		messageBody: draft.body ?? EMPTY,
		extensions: draft.extensions ?? [],
	});
	const high = draft.transaction?.high ?? world.household.random.below(2 ** 32);
	const low = draft.transaction?.low ?? world.household.random.below(2 ** 32);
	const overlay = draft.header?.overlay ?? config.overlay;
	const security = signMessage(draft.as ?? from, overlay, high, low, contents, crypto, draft.certificates);
	const header = forwardingHeader({
		overlay,
		configurationSequence: config.sequence,
		ttl: config.initialTtl,
		transactionIdHigh: high,
		transactionIdLow: low,
		destinationList: draft.to,
	});
	return writeMessage({ ...header, ...draft.header }, contents, security);
}

export class WirePeer {
	readonly world: World;
	readonly member: Member;
	readonly identity: LocalIdentity;
	readonly number: number;
	readonly link: Link;
	/** Messages received, as octets. */
	readonly raw: Uint8Array[] = [];
	/** Octets are lost instead of being taken. */
	silent = false;

	/** Links a made-up neighbour to `member`. */
	constructor(world: World, member: Member, identity = world.household.enroll(), shows = identity.chain) {
		this.world = world;
		this.member = member;
		this.identity = identity;
		this.link = new Link({ maxMessageSize: 1_000_000, timers: RFC_PROFILE, now: world.now });
		this.number = world.tap(member, (bytes) => this.#take(bytes));
		member.input({ type: "linkUp", link: this.number, chain: shows, address: "10.9.9.9", port: 50_000 });
	}

	get id(): Uint8Array {
		return this.identity.nodeId;
	}

	#take(bytes: Uint8Array): void {
		if (this.silent) return;
		this.link.handle({ type: "bytes", bytes }, this.world.now);
		this.#flush();
	}

	#flush(): void {
		for (let output = this.link.poll(); output !== undefined; output = this.link.poll()) {
			if (output.type === "message") this.raw.push(output.bytes.slice());
			if (output.type === "transmit" && !this.silent) {
				this.member.input({ type: "bytes", link: this.number, bytes: output.bytes.slice() });
				this.link.handle({ type: "drained" }, this.world.now);
			}
		}
	}

	/** Sends octets as one framed message. */
	raise(bytes: Uint8Array): void {
		if (!this.link.sendMessage(bytes, this.world.now)) throw new Error("the wire peer's link is full");
		this.#flush();
	}

	/** Sends a message; its octets. */
	send(draft: Draft): Uint8Array {
		const bytes = compose(this.world, this.identity, draft);
		this.raise(bytes);
		return bytes;
	}

	/** Everything received, read. */
	get messages(): Message[] {
		return this.raw.map((bytes) => good(readMessage(bytes, 16)));
	}

	/** The last message received. */
	get last(): Message {
		const { messages } = this;
		const last = messages[messages.length - 1];
		if (last === undefined) throw new Error("nothing was received");
		return last;
	}

	/** The error code of the last message received; undefined when that is no error. */
	get error(): number | undefined {
		const { contents } = this.last;
		return contents.messageCode === 0xffff ? good(readErrorResponse(contents.messageBody)).errorCode : undefined;
	}

	clear(): void {
		this.raw.length = 0;
	}
}
