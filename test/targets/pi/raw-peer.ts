/** A neighbour over real TLS that sends what a test writes, well-formed or not, and shows what comes back. */
import { onTestFinished } from "vitest";
import { type LocalIdentity, signMessage, signStored } from "../../../core/identity/signer.ts";
import { Link } from "../../../core/link/link.ts";
import { RFC_PROFILE } from "../../../core/overlay/profile.ts";
import { type Aor, aorResourceName, readAor } from "../../../core/usages/aor.ts";
import { hostedDestinations, registerRoute } from "../../../core/usages/sip.ts";
import { bytesToUtf8 } from "../../../core/wire/bytes.ts";
import { KindId, MessageCode } from "../../../core/wire/codes.ts";
import { encodeMessageContents } from "../../../core/wire/contents.ts";
import { type Destination, resourceDestination } from "../../../core/wire/destination.ts";
import { readErrorResponse } from "../../../core/wire/error.ts";
import { forwardingHeader } from "../../../core/wire/forwarding.ts";
import { type Message, readMessage, writeMessage } from "../../../core/wire/message.ts";
import { errorCodeName, messageCodeName } from "../../../core/wire/names.ts";
import { writeStoreReq } from "../../../core/wire/store.ts";
import { encode } from "../../../core/wire/writer.ts";
import { SecureStream } from "../../../hal/node/secure-stream.ts";
import { Happenings } from "../../hal/node/waiting.ts";
import type { OverlayPeer } from "./composed.ts";
import { crypto, DOMAIN, good } from "./realm.ts";

export class RawPeer {
	readonly peer: OverlayPeer;
	readonly identity: LocalIdentity;
	/** "up", "end", and what came: "PingAns", "Error_Forbidden: ...". */
	readonly heard = new Happenings();
	readonly messages: Message[] = [];
	readonly stream: SecureStream;
	readonly #link = new Link({ maxMessageSize: 1_000_000, timers: RFC_PROFILE, now: 0 });
	#transactions = 1;

	private constructor(peer: OverlayPeer, identity: LocalIdentity) {
		this.peer = peer;
		this.identity = identity;
		const raw = this;
		this.stream = new SecureStream({
			identity,
			...peer.endpoint,
			serverName: DOMAIN,
			onWritable() {
				if (!raw.heard.list.includes("up")) raw.heard.add("up");
			},
			onReadable() {
				for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) raw.#take(bytes);
			},
			onError: () => this.heard.add("end"),
		});
		onTestFinished(() => this.stream.close());
	}

	/** Connects; resolves when TLS is up, whatever the other end thinks of it. */
	static async connect(peer: OverlayPeer, identity: LocalIdentity): Promise<RawPeer> {
		const raw = new RawPeer(peer, identity);
		await raw.heard.until(() => raw.heard.list.length > 0);
		return raw;
	}

	get isOpen(): boolean {
		return !this.heard.list.includes("end");
	}

	#take(bytes: Uint8Array): void {
		this.#link.handle({ type: "bytes", bytes }, 0);
		for (let output = this.#link.poll(); output !== undefined; output = this.#link.poll()) {
			if (output.type === "transmit") this.#write(output.bytes);
			if (output.type !== "message") continue;
			const message = good(readMessage(output.bytes.slice(), 16));
			this.messages.push(message);
			this.heard.add(nameOf(message));
		}
	}

	#write(bytes: Uint8Array): void {
		this.stream.write(bytes);
		this.#link.handle({ type: "drained" }, 0);
	}

	/** Octets as one well-formed frame. */
	raise(bytes: Uint8Array): void {
		this.#link.sendMessage(bytes, 0);
		for (let output = this.#link.poll(); output !== undefined; output = this.#link.poll())
			if (output.type === "transmit") this.#write(output.bytes);
	}

	/** A signed request. */
	compose(code: number, body: Uint8Array, to: readonly Destination[], as = this.identity): Uint8Array {
		const { config } = this.peer.realm;
		const contents = encodeMessageContents({ messageCode: code, messageBody: body, extensions: [] });
		const [high, low] = [0x52617720, this.#transactions++];
		const security = signMessage(as, config.overlay, high, low, contents, crypto);
		const header = forwardingHeader({
			overlay: config.overlay,
			configurationSequence: config.sequence,
			ttl: config.initialTtl,
			transactionIdHigh: high,
			transactionIdLow: low,
			destinationList: to,
		});
		return writeMessage(header, contents, security);
	}

	/** Waits for the next message from the peer, by its name. */
	async next(): Promise<string> {
		const before = this.messages.length;
		await this.heard.until(() => this.messages.length > before || !this.isOpen);
		return this.heard.list.at(-1) ?? "";
	}

	/** Sends a request and gives the name of what comes back. */
	async ask(bytes: Uint8Array): Promise<string> {
		const answer = this.next();
		this.raise(bytes);
		return await answer;
	}

	/** A Store of one SIP registration. */
	storeRegistration(options: RegistrationStore = {}): Uint8Array {
		const { signer = this.identity, sender = this.identity, at = signer.userName, key = signer.nodeId } = options;
		const aor = readAor(at) as Aor;
		const resource = this.peer.host.node.resourceId(aorResourceName(aor));
		const route = good(
			registerRoute(
				{ userName: at, nodeId: signer.nodeId, resourceHash: () => resource },
				{ destinations: hostedDestinations(signer.nodeId, signer.nodeId), contactPrefs: "", lifetimeS: 600 },
			),
		);
		const value = options.value ?? route.kinds[0]?.values[0]?.value ?? new Uint8Array(0);
		const storageTime = options.storageTime ?? Date.now();
		const stored = signStored(
			signer,
			resource,
			KindId.sipRegistration,
			{ storageTime, lifetimeS: 600, value: { model: "dictionary", key, value: { exists: true, value } } },
			crypto,
		);
		const kindData = [{ kind: KindId.sipRegistration, generationCounter: 0, values: [stored] }];
		const body = encode(writeStoreReq, { resource, replicaNumber: 0, kindData });
		return this.compose(MessageCode.storeReq, body, [resourceDestination(resource)], sender);
	}
}

export interface RegistrationStore {
	/** Who signs the value; default: the peer itself. */
	readonly signer?: LocalIdentity;
	/** Who signs the request. */
	readonly sender?: LocalIdentity;
	/** The AOR at which it is stored. */
	readonly at?: string;
	readonly key?: Uint8Array;
	readonly value?: Uint8Array;
	readonly storageTime?: number;
}

function nameOf(message: Message): string {
	const { messageCode, messageBody } = message.contents;
	if (messageCode !== MessageCode.error) return messageCodeName(messageCode);
	const error = good(readErrorResponse(messageBody));
	return `${errorCodeName(error.errorCode)}: ${bytesToUtf8(error.errorInfo)}`;
}
