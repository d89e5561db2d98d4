/** What the daemon answers on its control socket: the other half of `tools/cli`. */

import { readAor } from "../../core/usages/aor.ts";
import { fromHex, toHex } from "../../core/wire/bytes.ts";
import { type Destination, nodeDestination, resourceDestination } from "../../core/wire/destination.ts";
import pkg from "../../package.json" with { type: "json" };
import { writeEndpoint } from "./addresses.ts";
import { capture } from "./capture-session.ts";
import { householdCommands, memberCommands } from "./household/commands.ts";
import { OverlayError } from "./overlay-host.ts";
import type { Peer } from "./peer.ts";
import { errorHint, errorLine } from "./refusals.ts";
import type { ControlArgs, ControlHandler } from "./state/control-socket.ts";
import { UserError } from "./state/errors.ts";
import { nodeTimers } from "./state/timers.ts";

/** A contact that has not answered a Ping by then is called not reachable by `lookup`. */
const REACHABLE_WITHIN_MS = 1_500;

export function registerCommands(peer: Peer): void {
	peer.control.registerAll({
		status: () => status(peer),
		lookup: (args) => lookup(peer, text(args, "aor")),
		ping: (args) => ping(peer, text(args, "node")),
		trace: (args) => trace(peer, text(args, "target")),
		capture: (args, { signal }) => capture(peer.host, text(args, "file"), seconds(args), signal),
		...(peer.household === undefined
			? memberCommands(peer.sync, peer.state, peer.options.clock)
			: withAddresses(householdCommands(peer.household), peer.enrollment.map(writeEndpoint))),
	});
}

/** Invitations name where the enrollment server listens, from the first moment on. */
function withAddresses(
	commands: Readonly<Record<string, ControlHandler>>,
	addresses: readonly string[],
): Record<string, ControlHandler> {
	const changed: Record<string, ControlHandler> = { ...commands };
	for (const name of ["invite", "device.add", "device.reset", "account.code"]) {
		const command = commands[name];
		if (command !== undefined) changed[name] = (args, context) => command({ addresses, ...args }, context);
	}
	return changed;
}

function text(args: ControlArgs, name: string): string {
	const value = args[name];
	if (typeof value !== "string" || value === "") throw new UserError(`${name} is missing`, "see `ringlet help`");
	return value;
}

function seconds(args: ControlArgs): number | undefined {
	return typeof args.seconds === "number" && args.seconds > 0 ? args.seconds : undefined;
}

function status(peer: Peer): unknown {
	const { host, edge, sync, connections, ready } = peer;
	const node = host.command((overlay, now) => overlay.status(now));
	return {
		version: pkg.version,
		pid: process.pid,
		domain: node.overlay,
		nodeId: toHex(node.nodeId),
		userName: sync.identity.userName,
		founder: peer.founder,
		inOverlay: node.inOverlay,
		uptimeS: node.uptimeS,
		sequence: node.sequence,
		link: ready.link,
		http: ready.http,
		sip: ready.sip,
		enrollment: peer.founder ? "here" : sync.isConnected ? "connected" : "not reachable",
		accounts: sync.accounts.length,
		registrations: edge.registrations(),
		calls: edge.calls,
		house: edge.house(),
		connections: connections.size,
		links: node.links.map((link) => ({
			nodeId: link.nodeId === undefined ? "" : toHex(link.nodeId),
			address: writeEndpoint(link),
			state: link.state,
			rttMs: link.rttMs,
		})),
		topology: node.topology,
		stored: { resources: node.storedResources, values: node.storedValues },
		responsiblePercent: node.responsiblePpb / 1e7,
		counters: { ...node.counters, ...edge.counters() },
	};
}

async function lookup(peer: Peer, name: string): Promise<unknown> {
	const aor = name.includes("@") ? name : `${name}@${peer.membership.overlayName}`;
	const report = await explained(() => peer.edge.resolver.lookup(aor));
	const { contacts } = report.resolution;
	const reachable = await Promise.all(contacts.map(({ destinations }) => isReachable(peer, destinations)));
	return {
		aor: report.aor,
		resourceId: toHex(report.resourceId),
		answeredBy: toHex(report.answeredBy),
		hops: report.hops,
		tookMs: report.tookMs,
		ignored: report.resolution.ignored,
		contacts: contacts.map((contact, i) => ({
			signedBy: contact.aor,
			nodeId: toHex(contact.nodeId),
			route: contact.destinations.map(destinationText),
			preferences: contact.contactPrefs,
			storedMs: contact.storageTimeMs,
			lifetimeS: Math.max(0, Math.round((contact.expiresMs - peer.options.clock.wallMs()) / 1000)),
			reachable: reachable[i] === true,
		})),
		external: report.resolution.external,
	};
}

/** A registration outlives a peer that died by minutes: does whoever it names answer a Ping? */
async function isReachable(peer: Peer, destinations: readonly Destination[]): Promise<boolean> {
	let stop = (): void => undefined;
	const silence = new Promise<boolean>((resolve) => {
		stop = nodeTimers.after(REACHABLE_WITHIN_MS, () => resolve(false));
	});
	const answered = peer.host.ping(destinations).then(
		() => true,
		() => false,
	);
	const isThere = await Promise.race([answered, silence]);
	stop();
	return isThere;
}

function destinationText(destination: Destination): string {
	if ("nodeId" in destination) return toHex(destination.nodeId);
	if ("resourceId" in destination) return `resource:${toHex(destination.resourceId)}`;
	return "opaque";
}

/** A Node-ID, "resource:<hex>", or an AOR (as a resource). */
function target(peer: Peer, name: string): Destination {
	const isResource = name.startsWith("resource:");
	const id = fromHex(isResource ? name.slice("resource:".length) : name);
	if (id?.length === 16) return isResource ? resourceDestination(id) : nodeDestination(id);
	// An account's name as people type it; a mistyped Node-ID must not be taken for one.
	const isName = name.includes("@") || (/^[a-z0-9._-]+$/.test(name) && !/^[0-9a-f]{16,}$/.test(name));
	const aor = isName ? readAor(name.includes("@") ? name : `${name}@${peer.membership.overlayName}`) : undefined;
	if (aor === undefined)
		throw new UserError(
			`${name}: neither a Node-ID nor an AOR`,
			"give 32 hex digits, resource:<32 hex digits>, or name@domain",
		);
	return resourceDestination(peer.edge.resolver.resourceOf(aor));
}

async function ping(peer: Peer, name: string): Promise<unknown> {
	const answer = await explained(() => peer.host.ping([target(peer, name)]));
	return { from: toHex(answer.from.nodeId), userName: answer.from.userName, rttMs: answer.rttMs, hops: answer.hops };
}

async function trace(peer: Peer, name: string): Promise<unknown> {
	const { body } = await explained(() => peer.host.trace(target(peer, name)));
	const here = toHex(peer.membership.identity.nodeId);
	const asked = body.hops.map((hop) => ({ nodeId: toHex(hop.nodeId), rttMs: hop.rttMs }));
	const hops = asked[0]?.nodeId === here ? asked : [{ nodeId: here, rttMs: 0 }, ...asked];
	return { hops, complete: body.complete };
}

/** An overlay error as one line for people. */
async function explained<T>(run: () => Promise<T>): Promise<T> {
	try {
		return await run();
	} catch (error) {
		if (!(error instanceof OverlayError)) throw error;
		const hint = errorHint(error.errorCode);
		throw new UserError(
			errorLine(error.errorCode, error.message),
			hint === "" ? "see `ringlet status` for the peer's links" : hint,
		);
	}
}
