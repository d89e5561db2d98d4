/** What scenarios need besides the world: registrations, and whether they can be read. */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { utf8ToBytes } from "../../core/wire/bytes.ts";
import { KindId } from "../../core/wire/codes.ts";
import type { Member } from "../../targets/sim/member.ts";
import type { World } from "../../targets/sim/world.ts";

export interface Registration {
	readonly user: LocalIdentity;
	readonly resourceId: Uint8Array;
}

/** A hosted user of this peer registers: its contact is stored in the overlay, signed by the user. */
export function register(world: World, host: Member, name: string): Registration {
	const user = world.household.enroll(`${name}@${world.household.overlayName}`);
	host.do((node) => node.addIdentity(user));
	const resourceId = host.node.resourceId(utf8ToBytes(user.userName));
	const value = { key: user.nodeId, exists: true, value: utf8ToBytes(`sip:${user.userName}`), lifetimeS: 86_400 };
	const result = host.ask((node, now) =>
		node.store(resourceId, [{ kind: KindId.sipRegistration, values: [value] }], now, { as: user.nodeId }),
	);
	if (!result.ok) throw new Error(`${name} could not register: ${result.errorCode} ${result.info}`);
	return { user, resourceId };
}

/** So many users on each of these peers. */
export function registerAll(world: World, hosts: readonly Member[], each: number): Registration[] {
	const all: Registration[] = [];
	for (const host of hosts) {
		for (let i = 0; i < each; i++) all.push(register(world, host, `user${all.length + 1}.${host.name}`));
	}
	return all;
}

/** True when the asker finds the registration, verified. */
export function isFound(from: Member, { user, resourceId }: Registration): boolean {
	const result = from.ask((node, now) =>
		node.fetch(resourceId, [{ kind: KindId.sipRegistration, keys: [user.nodeId] }], now),
	);
	if (!result.ok || result.body.type !== "fetch") return false;
	const values = result.body.kinds[0]?.values ?? [];
	return values.some(({ stored, signer }) => {
		return signer !== undefined && stored.value.value.exists && stored.value.value.value.length > 0;
	});
}

/** User names nobody can be found by any more. */
export function lost(from: Member, registrations: readonly Registration[]): string[] {
	return registrations.filter((registration) => !isFound(from, registration)).map(({ user }) => user.userName);
}
