/**
 * A year at one door. Real: debouncing and everything else of the doorbell, the device's SIP (which edge, 700 ms, the next one), the user
 * agent on both sides, octets over simulated TCP. Modelled: the overlay in between, by what it promises (`YearEdges`: an edge that
 * lives is connected again within seconds; one that is gone without a word is noticed by a ping), the phones, and the handshake (3 s).
 * No signature is made. `device.test.ts` has the whole device in a real overlay, for hours instead of a year.
 */
import { expect, test } from "vitest";
import { DoorYear } from "./year-support.ts";

const PRESSES = 10_000;

test("10,000 presses in a year of Wi-Fi drops, dying peers, power cuts and clocks that jump: none is missed", () => {
	const year = new DoorYear({ seed: 2026, peers: 3, presses: PRESSES });
	const figures = year.run();
	console.log(figures.text);
	expect(figures.presses).toBe(PRESSES);
	expect(figures.days).toBeGreaterThanOrEqual(365);
	expect(figures.missed).toEqual([]);
	// The year was not a quiet one.
	for (const name of ["wifi", "peerKilled", "peerPowerCut", "peerSilent", "devicePowerCut", "clockStep", "phonesGone"])
		expect(figures.faults[name], name).toBeGreaterThan(100);
	expect(figures.p50Ms).toBeLessThan(100);
}, 120_000);

test("a house of one peer: what lives is found again, too", () => {
	const figures = new DoorYear({ seed: 7, peers: 1, presses: 500 }).run();
	expect(figures.missed).toEqual([]);
});
