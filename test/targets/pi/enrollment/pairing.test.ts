/** The device's half of pairing against the real enrollment server, over real TLS as a device speaks it. */
import { expect, test } from "vitest";
import {
	Pairing,
	type PairingInput,
	type PairingOutcome,
	type PairingOutput,
} from "../../../../core/device/pairing.ts";
import { type PairingCode, readPairingCode } from "../../../../core/device/pairing-code.ts";
import { enrollmentAddresses } from "../../../../core/device/renewal.ts";
import { readCertificate } from "../../../../core/identity/certificate.ts";
import type { SecureConnection } from "../../../../hal/device.ts";
import type { PrivateKey } from "../../../../hal/hal.ts";
import { NodeSecure } from "../../../../hal/node/device/secure.ts";
import { good } from "../realm.ts";
import { crypto, HOME } from "../support.ts";
import { type ServedHouse, serveHouse } from "./support.ts";

const DOOR = `frontdoor@${HOME}`;

/** What one pairing came to. */
interface Ending {
	readonly outcome?: PairingOutcome;
	readonly fault?: string;
	readonly log: readonly string[];
}

/** Carries a pairing's outputs out until it is over. `losesAnswer`: power is cut when the answer comes. */
function run(pairing: Pairing, losesAnswer = false): Promise<Ending> {
	return new Promise((resolve) => {
		const log: string[] = [];
		let connection: SecureConnection | undefined;
		let isOver = false;
		const end = (ending: Omit<Ending, "log">): void => {
			isOver = true;
			connection?.close();
			resolve({ ...ending, log });
		};
		const give = (input: PairingInput): void => {
			pairing.handle(input, performance.now());
			drain();
		};
		const carryOut = (output: PairingOutput): void => {
			switch (output.type) {
				case "storeKey":
					pairing.handle({ type: "keyStored", isStored: true }, performance.now());
					break;
				case "connect":
					connection = new NodeSecure({
						address: output.address,
						port: output.port,
						serverName: output.serverName,
						verify: (chain) => pairing.isHousehold(chain),
						onUp: () => give({ type: "up" }),
						onBytes: (bytes) => (losesAnswer ? end({ fault: "cut" }) : give({ type: "bytes", bytes })),
						onDrained: () => undefined,
						onClosed: (reason) => give({ type: "closed", reason }),
					});
					break;
				case "transmit":
					expect(connection?.write(output.bytes)).toBe(true);
					break;
				case "close":
					connection?.close();
					break;
				case "log":
					log.push(`${output.event} ${output.detail}`);
					break;
				case "browse":
					// All addresses have failed; a test waits for nothing.
					if (output.isOn) end({ fault: "paused" });
					break;
				case "done":
					end({ outcome: output.outcome });
					break;
				case "failed":
					end({ fault: output.fault });
					break;
				default:
			}
		};
		const drain = (): void => {
			for (let output = pairing.poll(); output !== undefined && !isOver; output = pairing.poll()) carryOut(output);
		};
		pairing.start(performance.now());
		drain();
	});
}

async function invite(house: ServedHouse): Promise<PairingCode> {
	const { url } = await house.admin.invite({ role: "device", name: "frontdoor", addresses: [house.address] });
	return good(readPairingCode(url));
}

function pair(invitation: PairingCode, key?: PrivateKey): Pairing {
	return new Pairing({ crypto, invitation, wallMs: Date.now(), ...(key === undefined ? {} : { key }) });
}

test("a device pairs: certificate, CA, document and settings key; then it renews without a code", async () => {
	const house = await serveHouse();
	const invitation = await invite(house);
	const { outcome } = await run(pair(invitation));
	expect(outcome).toMatchObject({ userName: DOOR, root: house.household.authority.root.der });
	expect(outcome?.settingsKey).toHaveLength(32);
	expect(outcome?.document).toEqual(house.household.document);
	const first = good(readCertificate(outcome?.certificate ?? new Uint8Array(0), crypto));
	expect(first.userName).toBe(DOOR);

	const { overlayName, fingerprint } = invitation;
	const addresses = enrollmentAddresses(house.household.config);
	expect(addresses).toEqual([{ host: "127.0.0.1", port: house.address.port }]);
	const renewal = { overlayName, fingerprint, addresses, userName: DOOR };
	const key = outcome?.key ?? crypto.generateKey();
	const next = await run(new Pairing({ crypto, renewal, key, wallMs: Date.now() }));
	expect(next.outcome).toMatchObject({ userName: DOOR, document: house.household.document });
	const second = good(readCertificate(next.outcome?.certificate ?? new Uint8Array(0), crypto));
	expect(second.nodeIds).toEqual(first.nodeIds);
	expect(second.serialNumber).not.toEqual(first.serialNumber);
});

test("power is cut after the request: the same key and code are answered again", async () => {
	const house = await serveHouse();
	const invitation = await invite(house);
	const key = crypto.generateKey();
	expect((await run(pair(invitation, key), true)).fault).toBe("cut");
	expect(house.events).toContain("enroll.issued");
	const { outcome } = await run(pair(invitation, key));
	expect(outcome?.settingsKey).toHaveLength(32);
	const again = await run(pair(invitation, key));
	expect(again.outcome?.settingsKey).toEqual(outcome?.settingsKey);
	// Another key with the code that is used up.
	expect((await run(pair(invitation))).fault).toBe("codeRefused");
});

test("a wrong code is refused, five times; then the right one is burned", async () => {
	const house = await serveHouse();
	const invitation = await invite(house);
	const wrong = { ...invitation, code: `${invitation.code.slice(0, 10)}0000` };
	for (let i = 0; i < 5; i++) {
		const ending = await run(pair(wrong));
		expect(ending.fault).toBe("codeRefused");
		expect(ending.log.join()).not.toContain(wrong.code);
	}
	expect((await run(pair(invitation))).fault).toBe("codeRefused");
});

test("another household's server is not told the code", async () => {
	const house = await serveHouse();
	const other = await serveHouse();
	const invitation = await invite(house);
	const addresses = [{ host: "127.0.0.1", port: other.address.port }];
	const ending = await run(pair({ ...invitation, addresses }));
	expect(ending.fault).toBe("paused");
	expect(ending.log).toContain("pairing.stranger another household");
	expect(other.events).toEqual([]);
	expect(
		(await run(pair({ ...invitation, addresses: [...addresses, ...invitation.addresses] }))).outcome,
	).toBeDefined();
});

test("nobody there: the next address", async () => {
	const house = await serveHouse();
	const invitation = await invite(house);
	const addresses = [{ host: "127.0.0.1", port: 1 }, ...invitation.addresses];
	expect((await run(pair({ ...invitation, addresses }))).outcome).toBeDefined();
});
