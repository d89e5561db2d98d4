/** Where this machine listens, and what it tells others. */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Endpoint } from "../../core/overlay/node-types.ts";
import { errorCode, errorText, UserError } from "./state/errors.ts";

/** "192.0.2.1:6084", "[2001:db8::1]:6084", "[::]:6084"; throws a `UserError` that names `what`. */
export function readEndpoint(text: string, what: string): Endpoint {
	const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
	const address = match?.[1] ?? match?.[2] ?? "";
	const port = Number(match?.[3] ?? -1);
	if (isIP(address) === 0 || port < 0 || port > 65535)
		throw new UserError(`${what}: ${text} is not ADDRESS:PORT`, "write for instance 192.168.1.10:6084 or [::]:6084");
	return { address, port };
}

/** "192.168.1.10", "2001:db8::1"; throws a `UserError` that names `what`. */
export function readAddress(text: string, what: string): string {
	if (isIP(text) === 0 || isWildcard(text))
		throw new UserError(`${what}: ${text} is not an IP address`, "write for instance 192.168.1.10");
	return text;
}

export function writeEndpoint({ address, port }: Endpoint): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function isWildcard(address: string): boolean {
	return address === "0.0.0.0" || address === "::";
}

/**
 * The addresses of this machine that an address to listen on stands for: itself, or, for a wildcard, those of all interfaces, the
 * loopback's last. Link-local IPv6 is left out: it means nothing without an interface.
 */
export function expand(address: string): string[] {
	if (!isWildcard(address)) return [address];
	const outside: string[] = [];
	const inside: string[] = [];
	for (const addresses of Object.values(networkInterfaces())) {
		for (const one of addresses ?? []) {
			if (one.family === "IPv6" && (address === "0.0.0.0" || /^fe[89ab]/i.test(one.address))) continue;
			(one.internal ? inside : outside).push(one.address);
		}
	}
	return [...outside.sort(byFamily), ...inside.sort(byFamily)];
}

/** What to tell others: the expansion without loopback, unless there is nothing else. */
export function advertised(address: string): string[] {
	const all = expand(address);
	const outside = all.filter((one) => one !== "::1" && !one.startsWith("127."));
	return outside.length > 0 || !isWildcard(address) ? (outside.length > 0 ? outside : all) : all.slice(0, 1);
}

/** IPv4 first: every phone has it. */
function byFamily(a: string, b: string): number {
	return isIP(a) - isIP(b) || a.localeCompare(b);
}

/** Opens a port, or the next one that is free, at most `tries` further on. `open` rejects when its port cannot be had. */
export async function openNear<T>(port: number, tries: number, open: (port: number) => Promise<T>): Promise<T> {
	for (let i = 0; ; i++) {
		try {
			return await open(port + i);
		} catch (error) {
			if (i >= tries || port === 0 || port + i >= 65535) throw error;
		}
	}
}

/** What to do about a port that could not be opened. `what`: the place as people wrote it; `flag`: the setting that names it. */
export function portError(error: unknown, what: string, flag: string): UserError {
	const text = `${what}: ${errorText(error)}`;
	switch (errorCode(error)) {
		case "EADDRINUSE":
			return new UserError(text, `another program has this port: stop it, or choose another with ${flag}`);
		case "EACCES":
			return new UserError(text, `ports below 1024 need permission: choose a higher one with ${flag}`);
		case "EADDRNOTAVAIL":
			return new UserError(text, `this machine has no such address: choose one of its own with ${flag}`);
		default:
			return new UserError(text, `choose another place with ${flag}`);
	}
}
