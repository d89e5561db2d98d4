/** A household with its enrollment server on an ephemeral port of the loopback. */
import { onTestFinished } from "vitest";
import type { Log } from "../../../../hal/hal.ts";
import { EnrollmentClient } from "../../../../targets/pi/enrollment/client.ts";
import { type Answer, type HttpsCall, HttpsClient } from "../../../../targets/pi/enrollment/https-client.ts";
import { EnrollmentServer } from "../../../../targets/pi/enrollment/server.ts";
import type { Founding } from "../../../../targets/pi/household/found.ts";
import type { Address } from "../../../../targets/pi/household/types.ts";
import { crypto, foundHouse, HOME, type TestHouse } from "../support.ts";

export interface ServedHouse extends TestHouse {
	readonly server: EnrollmentServer;
	readonly address: Address;
	readonly client: EnrollmentClient;
	/** Events logged by the server. */
	readonly events: string[];
	call(call: HttpsCall): Promise<Answer>;
}

export async function serveHouse(founding: Partial<Founding> = {}): Promise<ServedHouse> {
	const house = await foundHouse(founding);
	const { household, issuing, timers, clock } = house;
	const events: string[] = [];
	const log: Log = (_level, event) => events.push(event);
	const server = new EnrollmentServer({ household, issuing, timers, log });
	const port = await server.listen({ port: 0, host: "127.0.0.1", hosts: ["127.0.0.1"] });
	const address = { address: "127.0.0.1", port };
	void household.announce(household.founder, { link: [{ address: "127.0.0.1", port: 6084 }], enrollment: [address] });
	await household.addresses.flush();
	const https = new HttpsClient({
		address,
		overlayName: founding.overlayName ?? HOME,
		roots: [household.authority.root.der],
	});
	onTestFinished(async () => {
		https.close();
		await server.close();
	});
	const client = new EnrollmentClient({ crypto, clock });
	return { ...house, server, address, client, events, call: (call) => https.call(call) };
}
