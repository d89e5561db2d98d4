/**
 * A device without its own SIP: an overlay client that holds a TLS 1.2 connection to an edge of the house, as docs/peer-protocol.md
 * says, and a scripted phone behind it whose datagrams go through that connection.
 */
import { createSocket, type Socket } from "node:dgram";
import type { OverlayConfig } from "../../../core/config/document.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import { clientRole } from "../../../core/overlay/client.ts";
import { OverlayNode } from "../../../core/overlay/node.ts";
import type { Endpoint } from "../../../core/overlay/node-types.ts";
import { HOUSE_PROFILE } from "../../../core/overlay/profile.ts";
import { readAor } from "../../../core/usages/aor.ts";
import { writeGruu } from "../../../core/usages/gruu.ts";
import { registerForward, type SipContact } from "../../../core/usages/sip.ts";
import { ApplicationId } from "../../../core/wire/codes.ts";
import { nodeClock } from "../../../hal/node/clock.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { SecureStream } from "../../../hal/node/secure-stream.ts";
import { OverlayHost } from "../../../targets/pi/overlay-host.ts";
import { OverlayResolver } from "../../../targets/pi/resolver.ts";
import { ScriptedPhone } from "../../../tools/demo/phone.ts";

export interface FakeDeviceOptions {
	readonly identity: LocalIdentity;
	readonly config: OverlayConfig;
	readonly document: Uint8Array;
	readonly bootstrap: readonly Endpoint[];
}

const crypto = nodeCrypto();

export class FakeDevice {
	readonly aor: string;
	phone!: ScriptedPhone;
	/** Everything received over the connections. */
	received = "";
	isConnected = false;
	readonly #options: FakeDeviceOptions;
	#host!: OverlayHost;
	#resolver!: OverlayResolver;
	#udp!: Socket;
	#phonePort = 0;
	#stream: SecureStream | undefined;
	#isJoined = false;
	#buffer = "";

	private constructor(options: FakeDeviceOptions) {
		this.#options = options;
		this.aor = options.identity.userName;
	}

	/** Joins the overlay as a client; `connect` then goes to an edge. */
	static async open(options: FakeDeviceOptions): Promise<FakeDevice> {
		const device = new FakeDevice(options);
		await device.#open();
		return device;
	}

	async #open(): Promise<void> {
		const { identity, config, document, bootstrap } = this.#options;
		const clock = nodeClock();
		this.#host = await OverlayHost.open({
			identity,
			clock,
			log: () => undefined,
			onEvent: (event) => {
				if (event.type === "joined") this.#isJoined = true;
			},
			node: (more) =>
				new OverlayNode({
					...more,
					identity,
					config,
					configBytes: document,
					crypto,
					profile: HOUSE_PROFILE,
					role: clientRole(),
				}),
		});
		const { instanceName, nodeIdLength } = config;
		this.#resolver = new OverlayResolver({ host: this.#host, domain: instanceName, nodeIdLength, clock });
		this.#host.start({ first: false, bootstrap });
		await this.#openPhone(instanceName);
		while (!this.#isJoined) await new Promise((resolve) => setTimeout(resolve, 20));
	}

	async #openPhone(domain: string): Promise<void> {
		const udp = createSocket("udp4");
		this.#udp = udp;
		await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
		udp.on("message", (data, from) => {
			this.#phonePort = from.port;
			this.#stream?.write(new Uint8Array(data));
		});
		const { address, port } = udp.address();
		const user = this.aor.slice(0, this.aor.indexOf("@"));
		this.phone = await ScriptedPhone.start({ user, password: "none", domain, edge: { address, port }, address });
		this.#phonePort = this.phone.exchange.place.port;
	}

	/** The edges of the house, as the overlay says. */
	async edges(): Promise<readonly SipContact[]> {
		return (await this.#resolver.resolve(`house@${this.#options.config.instanceName}`))?.contacts ?? [];
	}

	/** Connects to an edge and registers there. */
	async connect(edge: SipContact): Promise<void> {
		const { body } = await this.#host.appAttach(edge.destinations, ApplicationId.sip, { role: "active" });
		const { address, port } = body.connect[0] as Endpoint;
		const device = this;
		const stream = await new Promise<SecureStream>((resolve, reject) => {
			new SecureStream({
				identity: this.#options.identity,
				address,
				port,
				serverName: body.serverName,
				maxVersion: "TLSv1.2",
				onWritable() {
					resolve(this);
				},
				onReadable() {
					for (let bytes = this.read(); bytes !== undefined; bytes = this.read()) device.#receive(bytes);
				},
				onError(error) {
					if (device.#stream === this) device.isConnected = false;
					reject(error);
				},
			});
		});
		this.#stream?.close();
		this.#stream = stream;
		this.isConnected = true;
		await this.register(edge);
	}

	/** Its registration: a GRUU that leads to the edge. */
	async register(edge: SipContact): Promise<void> {
		const { userName, nodeId } = this.#options.identity;
		const aor = readAor(userName);
		if (aor === undefined) throw new Error(`${userName} is no AOR`);
		const resourceHash = (name: Uint8Array): Uint8Array => this.#host.node.resourceId(name);
		const target = `sip:${writeGruu(aor, edge.destinations)}`;
		const store = registerForward({ userName, nodeId, resourceHash }, { target, lifetimeS: 600 });
		if (isRefused(store)) throw new Error(store.refused);
		await this.#host.store(store.resourceId, store.kinds);
	}

	/** What the connection is: protocol and cipher. */
	get protocol(): string {
		return this.#stream?.protocol ?? "";
	}

	/** Fetches what the overlay has of a Kind at a resource's name, for one dictionary key. */
	async fetch(name: string, kind: number, key: string): Promise<Uint8Array | undefined> {
		const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
		const { body } = await this.#host.fetch(this.#host.node.resourceId(octets(name)), [{ kind, keys: [octets(key)] }]);
		const value = body.kinds[0]?.values[0]?.stored.value;
		return value?.model === "dictionary" && value.value.exists ? value.value.value : undefined;
	}

	/** Puts octets into the connection. */
	write(text: string): void {
		this.#stream?.write(new Uint8Array(Buffer.from(text, "latin1")));
	}

	/** Drops the connection without a word. */
	disconnect(): void {
		this.#stream?.close();
		this.#stream = undefined;
		this.isConnected = false;
	}

	close(): void {
		this.disconnect();
		this.phone?.close();
		this.#udp?.close();
		this.#host?.close();
	}

	#receive(bytes: Uint8Array): void {
		const text = Buffer.from(bytes).toString("latin1");
		this.received += text;
		this.#buffer += text;
		for (;;) {
			while (this.#buffer.startsWith("\r\n")) this.#buffer = this.#buffer.slice(2);
			const end = this.#buffer.indexOf("\r\n\r\n");
			if (end < 0) return;
			const length = Number(/^content-length: *(\d+)/im.exec(this.#buffer.slice(0, end))?.[1] ?? 0);
			if (this.#buffer.length < end + 4 + length) return;
			const message = this.#buffer.slice(0, end + 4 + length);
			this.#buffer = this.#buffer.slice(message.length);
			this.#udp.send(Buffer.from(message, "latin1"), this.#phonePort, "127.0.0.1");
		}
	}
}
