/**
 * Finding peers on the local network: announces and browses DNS-SD services over multicast DNS (RFC 6762, RFC 6763). A peer
 * announces `_reload-config._tcp.local` (its enrollment server) and `_p2psip._tcp.local` (its overlay port); whoever starts asks.
 *
 *   PTR   _p2psip._tcp.local              -> <instance>._p2psip._tcp.local
 *   SRV   <instance>._p2psip._tcp.local   -> port, <host>.local
 *   TXT   <instance>._p2psip._tcp.local   -> overlay=<instance name>, ...
 *   A     <host>.local                    -> the address of the interface it is said on
 *
 * What is found is a hint and nothing more: the TLS handshake proves who is there.
 */
import { BlockList, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import makeMdns from "multicast-dns";
import { FOUND_SERVICES, MDNS_INTERFACES } from "./limits.ts";

/** Service types of RELOAD. */
export const RELOAD_CONFIG_SERVICE = "_reload-config._tcp.local";
export const P2PSIP_SERVICE = "_p2psip._tcp.local";

/** What this node offers. */
export interface AnnouncedService {
	readonly type: string;
	/** One DNS label, unique on the network: the Node-ID in hex is. */
	readonly instance: string;
	readonly port: number;
	readonly text?: Readonly<Record<string, string>>;
}

/** What another node offers. */
export interface FoundService {
	readonly type: string;
	readonly instance: string;
	/** IPv4, on the local network or private. */
	readonly address: string;
	readonly port: number;
	readonly text: Readonly<Record<string, string>>;
}

export interface DiscoveryOptions {
	/** Addresses of the interfaces to speak on, and no others. Empty: off. */
	readonly interfaces: readonly string[];
	/** False: off, as if there were no interfaces. */
	readonly enabled?: boolean;
	readonly announce?: readonly AnnouncedService[];
	/** Service types to look for. */
	readonly browse?: readonly string[];
	/** 5353, unless in a test. */
	readonly port?: number;
	/** A service appeared, or its address, port or text changed. */
	onFound?(service: FoundService): void;
	/** A service said goodbye, or was not heard of for its time to live. */
	onLost?(service: FoundService): void;
	/** Speaking on an interface failed; the others go on. */
	onError?(error: Error, address: string): void;
}

/** RFC 6762 §10: 120 s for records that hold a host's name or address; shared records could live longer, ours need not. */
const TTL_S = 120;
/** Nothing is believed for longer, whatever it says. */
const LONGEST_TTL_S = 4_500;
/** RFC 6762 §5.2: questions at 0, 1, 3, 9, ... s, then once in a while. */
const QUERY_AFTER_MS: readonly number[] = [0, 1_000, 3_000, 9_000, 27_000];
const QUERY_EVERY_MS = 60_000;
/** RFC 6762 §8.3: at least two announcements, a second apart. */
const ANNOUNCE_AFTER_MS: readonly number[] = [0, 1_000];
const SWEEP_EVERY_MS = 5_000;
/** Characters of a TXT record that are kept. */
const TEXT_CHARACTERS = 2_048;

type Mdns = ReturnType<typeof makeMdns>;
type Packet = { answers?: readonly DnsRecord[]; additionals?: readonly DnsRecord[]; questions?: readonly Question[] };
type Question = { readonly name: string; readonly type: string };
type DnsRecord = { readonly name: string; readonly type: string; readonly ttl?: number; readonly data?: unknown };

interface Known {
	readonly service: FoundService;
	readonly expiresAt: number;
}

/** Addresses a found service may have: private and link-local. Anything else is replaced by the sender's own address. */
function privateAddresses(): BlockList {
	const list = new BlockList();
	list.addSubnet("10.0.0.0", 8);
	list.addSubnet("172.16.0.0", 12);
	list.addSubnet("192.168.0.0", 16);
	list.addSubnet("169.254.0.0", 16);
	list.addSubnet("100.64.0.0", 10);
	list.addSubnet("127.0.0.0", 8);
	return list;
}

/** Announces and browses until closed. Without interfaces it does nothing at all. */
export class Discovery {
	readonly #options: DiscoveryOptions;
	readonly #sockets = new Map<string, Mdns>();
	readonly #known = new Map<string, Known>();
	readonly #timers = new Set<NodeJS.Timeout>();
	readonly #private = privateAddresses();
	#announced: readonly AnnouncedService[];
	#closed = false;

	constructor(options: DiscoveryOptions) {
		this.#options = options;
		this.#announced = options.announce ?? [];
		if (options.enabled === false) return;
		for (const address of options.interfaces.slice(0, MDNS_INTERFACES)) this.#open(address);
		if (this.#sockets.size === 0) return;
		for (const afterMs of QUERY_AFTER_MS) this.#after(afterMs, () => this.query());
		for (const afterMs of ANNOUNCE_AFTER_MS) this.#after(afterMs, () => this.#sayAll(TTL_S));
		this.#every(QUERY_EVERY_MS, () => this.query());
		this.#every(SWEEP_EVERY_MS, () => this.#sweep());
	}

	/** All services known now. */
	get services(): FoundService[] {
		return [...this.#known.values()].map((known) => known.service);
	}

	/** Replaces what is announced; what is not in the new list says goodbye. */
	announce(services: readonly AnnouncedService[]): void {
		const old = this.#announced;
		this.#announced = services;
		for (const service of old) {
			if (!services.some((other) => instanceName(other) === instanceName(service))) this.#say(service, 0);
		}
		this.#sayAll(TTL_S);
	}

	/** Asks again now. */
	query(): void {
		const questions = (this.#options.browse ?? []).map((name) => ({ name, type: "PTR" as const }));
		if (questions.length === 0) return;
		for (const mdns of this.#sockets.values()) mdns.query(questions);
	}

	/** Says goodbye and stops; `onClosed` when the sockets are closed. No callback is called any more. May be called twice. */
	close(onClosed?: () => void): void {
		if (!this.#closed) this.#sayAll(0);
		this.#closed = true;
		for (const timer of this.#timers) clearTimeout(timer);
		this.#timers.clear();
		const open = [...this.#sockets.values()];
		this.#sockets.clear();
		let left = open.length;
		if (left === 0 && onClosed !== undefined) setImmediate(onClosed);
		for (const mdns of open) {
			// The goodbye is handed to the kernel a turn later.
			setImmediate(() =>
				mdns.destroy(() => {
					left--;
					if (left === 0) onClosed?.();
				}),
			);
		}
	}

	#open(address: string): void {
		if (!isIPv4(address) || this.#sockets.has(address)) return;
		const mdns = makeMdns({
			interface: address,
			// Bound to its own address a socket would receive no multicast.
			bind: "0.0.0.0",
			ttl: 255,
			loopback: true,
			...(this.#options.port === undefined ? {} : { port: this.#options.port }),
		});
		const onLink = subnetOf(address);
		mdns.on("query", (packet: Packet, from: { address: string }) => {
			if (onLink.check(from.address)) this.#onQuery(address, packet);
		});
		mdns.on("response", (packet: Packet, from: { address: string }) => {
			if (onLink.check(from.address)) this.#onResponse(packet, from.address);
		});
		// A datagram that is not DNS: RFC 6762 §18 says to ignore it.
		mdns.on("warning", () => undefined);
		mdns.on("error", (error: Error) => {
			if (this.#closed || !this.#sockets.delete(address)) return;
			mdns.destroy();
			this.#options.onError?.(error, address);
		});
		this.#sockets.set(address, mdns);
	}

	#after(milliseconds: number, action: () => void): void {
		const timer = setTimeout(() => {
			this.#timers.delete(timer);
			action();
		}, milliseconds);
		this.#timers.add(timer.unref());
	}

	#every(milliseconds: number, action: () => void): void {
		this.#timers.add(setInterval(action, milliseconds).unref());
	}

	#onQuery(address: string, packet: Packet): void {
		if (this.#closed) return;
		for (const service of this.#announced) {
			const names = [service.type, instanceName(service), hostName(service)].map((name) => name.toLowerCase());
			const isAsked = (packet.questions ?? []).some((question) => names.includes(question.name.toLowerCase()));
			if (isAsked) this.#sockets.get(address)?.respond(recordsOf(service, address, TTL_S));
		}
	}

	#sayAll(ttlS: number): void {
		for (const service of this.#announced) this.#say(service, ttlS);
	}

	#say(service: AnnouncedService, ttlS: number): void {
		for (const [address, mdns] of this.#sockets) mdns.respond(recordsOf(service, address, ttlS));
	}

	#onResponse(packet: Packet, from: string): void {
		if (this.#closed) return;
		const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])];
		for (const pointer of records) {
			const type = (this.#options.browse ?? []).find((name) => name === pointer.name.toLowerCase());
			if (type === undefined || pointer.type !== "PTR" || typeof pointer.data !== "string") continue;
			const instance = instanceOf(pointer.data, type);
			if (instance === undefined || this.#isOwn(type, instance)) continue;
			const ttlS = Math.min(pointer.ttl ?? TTL_S, LONGEST_TTL_S);
			if (ttlS === 0) this.#lose(pointer.data.toLowerCase());
			else this.#learn(type, instance, pointer.data.toLowerCase(), records, from, ttlS);
		}
	}

	#isOwn(type: string, instance: string): boolean {
		return this.#announced.some((service) => service.type === type && service.instance.toLowerCase() === instance);
	}

	#learn(
		type: string,
		instance: string,
		name: string,
		records: readonly DnsRecord[],
		from: string,
		ttlS: number,
	): void {
		const target = records.find((record) => record.type === "SRV" && record.name.toLowerCase() === name);
		const data = target?.data as { port?: unknown; target?: unknown } | undefined;
		if (typeof data?.port !== "number" || data.port === 0 || typeof data.target !== "string") return;
		const host = data.target.toLowerCase();
		const said = records.find((record) => record.type === "A" && record.name.toLowerCase() === host)?.data;
		const isUsable = typeof said === "string" && isIPv4(said) && this.#private.check(said);
		const text = readText(records.find((record) => record.type === "TXT" && record.name.toLowerCase() === name)?.data);
		const service: FoundService = { type, instance, address: isUsable ? said : from, port: data.port, text };
		const before = this.#known.get(name)?.service;
		if (before === undefined && this.#known.size >= FOUND_SERVICES) return;
		this.#known.set(name, { service, expiresAt: performance.now() + ttlS * 1_000 });
		if (before === undefined || JSON.stringify(before) !== JSON.stringify(service)) this.#options.onFound?.(service);
	}

	#lose(name: string): void {
		const known = this.#known.get(name);
		if (known === undefined) return;
		this.#known.delete(name);
		this.#options.onLost?.(known.service);
	}

	#sweep(): void {
		const now = performance.now();
		for (const [name, known] of this.#known) if (known.expiresAt <= now) this.#lose(name);
	}
}

function instanceName(service: AnnouncedService): string {
	return `${service.instance}.${service.type}`;
}

function hostName(service: AnnouncedService): string {
	return `ringlet-${service.instance.slice(0, 32)}.local`;
}

/** The label in front of the type, in lower case; `undefined` when the name is not of this type. */
function instanceOf(name: string, type: string): string | undefined {
	const lower = name.toLowerCase();
	const instance = lower.endsWith(`.${type}`) ? lower.slice(0, -type.length - 1) : "";
	return instance.length > 0 && instance.length <= 63 ? instance : undefined;
}

function recordsOf(service: AnnouncedService, address: string, ttl: number): Parameters<Mdns["respond"]>[0] {
	const name = instanceName(service);
	const text = Object.entries(service.text ?? {}).map(([key, value]) => `${key}=${value}`);
	return {
		answers: [
			{ name: service.type, type: "PTR", ttl, data: name },
			{ name, type: "SRV", ttl, data: { port: service.port, target: hostName(service), priority: 0, weight: 0 } },
			{ name, type: "TXT", ttl, data: text },
			{ name: hostName(service), type: "A", ttl, data: address },
		],
	};
}

/** RFC 6763 §6.4: key=value strings; the first of a key counts, case does not. */
function readText(data: unknown): Record<string, string> {
	const text: Record<string, string> = Object.create(null) as Record<string, string>;
	if (!Array.isArray(data)) return text;
	let left = TEXT_CHARACTERS;
	for (const item of data) {
		const line = Buffer.isBuffer(item) ? item.toString() : String(item);
		left -= line.length;
		const equals = line.indexOf("=");
		const key = line.slice(0, equals).toLowerCase();
		if (left < 0 || equals < 1 || key in text) continue;
		text[key] = line.slice(equals + 1);
	}
	return text;
}

/** The network an interface is on, by its address; only the address itself when the machine does not know it. */
function subnetOf(address: string): BlockList {
	const list = new BlockList();
	for (const addresses of Object.values(networkInterfaces())) {
		for (const each of addresses ?? []) {
			const prefix = Number(each.cidr?.split("/")[1]);
			if (each.address === address && Number.isInteger(prefix)) list.addSubnet(address, prefix);
		}
	}
	list.addAddress(address);
	return list;
}
