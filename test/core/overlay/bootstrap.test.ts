/** First contact (RFC 6940 §11.5): whom a node connects to, how often, and what it says when nobody wants it. */
import { describe, expect, test } from "vitest";
import type { OverlayConfig } from "../../../core/config/document.ts";
import type { Log } from "../../../hal/hal.ts";
import { type Member, World } from "./support/world.ts";

interface Line {
	readonly event: string;
	readonly fields: Readonly<Record<string, unknown>>;
}

/** A peer that is in its overlay, and one that connects to it; each has a configuration document of its own. */
function house(): { world: World; inside: Member; outside: Member; lines: Line[]; connects: () => number } {
	const world = new World();
	const { household } = world;
	const identity = household.enroll({ userName: "outside@overlay.example.org" });
	const config: OverlayConfig = { ...household.config, badNodes: [identity.nodeId] };
	const topology = "EXP-OVERLAY";
	const inside = world.peer("inside", { topology, options: { config } });
	inside.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
	const lines: Line[] = [];
	const log: Log = (_level, event, fields = {}) => {
		lines.push({ event, fields });
	};
	const outside = world.peer("outside", { topology, identity, options: { log } });
	let connects = 0;
	const { connect } = world;
	world.connect = (...args) => {
		connects++;
		connect.apply(world, args);
	};
	outside.do((node, now) => node.start({ bootstrap: [inside.endpoint] }, now));
	return { world, inside, outside, lines, connects: () => connects };
}

describe("a bootstrap node that closes every link at once", () => {
	test("is tried with pauses that double up to five minutes, and the log says once what to do", () => {
		const { world, inside, lines, connects } = house();
		world.advance(60_000);
		expect(connects()).toBeGreaterThan(3);
		expect(connects()).toBeLessThan(10);
		const before = connects();
		world.advance(3_600_000);
		expect(connects() - before).toBeGreaterThan(7);
		expect(connects() - before).toBeLessThan(30);
		expect(inside.count("refusedLinkCertificate")).toBe(connects());
		const told = lines.filter(({ event }) => event === "bootstrap.turnedAway");
		expect(told).toHaveLength(1);
		expect(told[0]?.fields).toMatchObject({ ...inside.endpoint, hint: expect.stringContaining("ringlet invite") });
	});

	test("lets us in some day: joined within the longest pause", () => {
		const { world, inside, outside } = house();
		world.advance(1_800_000);
		world.kill(inside);
		const again = world.peer("inside", { topology: "EXP-OVERLAY", identity: inside.identity });
		Object.assign(again, { endpoint: inside.endpoint });
		again.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		world.until(() => outside.event("joined").length > 0, 450_000);
	});
});

describe("a bootstrap node that we were linked with", () => {
	test("and that ends is tried again within two seconds, time after time", () => {
		const { world, outside, inside } = house();
		const friend = world.peer("friend", { topology: "EXP-OVERLAY" });
		friend.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		outside.do((node, now) => node.discovered([friend.endpoint], now));
		const isUp = (): boolean => outside.node.connections.find(friend.id) !== undefined;
		for (let round = 0; round < 5; round++) {
			world.until(isUp, 2_000);
			world.advance(6_000);
			for (const stream of [...friend.streams.values()]) {
				if (stream.far?.node !== outside) continue;
				world.close(stream);
				friend.input({ type: "linkDown", link: stream.link, reason: "pulled by the test" });
			}
			world.until(() => !isUp(), 1_000);
		}
		expect(inside.node.connections.find(outside.id)).toBeUndefined();
	});
});

describe("an endpoint found while running, with the name of who is there", () => {
	/** Two linked peers; one of them did not open that link and knows no bootstrap node. */
	function linked(): { world: World; one: Member; two: Member; connects: () => number } {
		const world = new World();
		const topology = "EXP-OVERLAY";
		const one = world.peer("one", { topology });
		const two = world.peer("two", { topology });
		one.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		two.do((node, now) => node.start({ bootstrap: [one.endpoint] }, now));
		world.until(() => one.node.connections.find(two.id) !== undefined, 5_000);
		world.advance(3_000);
		let connects = 0;
		const { connect } = world;
		world.connect = (...args) => {
			connects++;
			connect.apply(world, args);
		};
		return { world, one, two, connects: () => connects };
	}

	test("is not connected to while that node is linked", () => {
		const { world, one, two, connects } = linked();
		one.do((node, now) => node.discovered([{ ...two.endpoint, nodeId: two.id }], now));
		world.advance(10_000);
		expect(connects()).toBe(0);
	});

	test("is connected to once when nobody is named", () => {
		const { world, one, two, connects } = linked();
		one.do((node, now) => node.discovered([two.endpoint], now));
		world.advance(10_000);
		expect(connects()).toBe(1);
		one.do((node, now) => node.discovered([{ ...two.endpoint, nodeId: two.id }], now));
		world.advance(10_000);
		expect(connects()).toBe(1);
	});
});
