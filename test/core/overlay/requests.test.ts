import { expect, test } from "vitest";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { World } from "./support/world.ts";

test("a Ping to a neighbour is answered and signed by it", () => {
	const world = new World();
	const [a, b] = [world.peer("a"), world.peer("b")];
	world.link(a, b);
	const result = a.ok("ping", (node, now) => node.ping([nodeDestination(b.id)], now));
	expect(result.from.nodeId).toEqual(b.id);
	expect(result.rttMs).toBe(2 * world.latencyMs);
	expect(result.hops).toBe(1);
});
