/** Flows of devices and flows between the edges of a household: who may say what, and which way requests of a dialog take. */
import { describe, expect, test } from "vitest";
import { Header } from "../../../core/sip/header-names.ts";
import { lines, reply, type Sent, summary, World } from "./support.ts";

const HOUSE = "house@home.example";
const DOOR = "frontdoor@home.example";
const OWN_GRUU = `sip:${HOUSE};gr=T1dO`;
const DOOR_GRUU = `sip:${DOOR};gr=T1dO`;
/** Flow numbers. */
const DEVICE = 40;
const [TWO, THREE] = [52, 53];

/** An edge with a device and connections to two other edges: same user here, same user there, other Node-IDs. */
function edge(): World {
	const world = new World({
		isAuthenticating: true,
		houseAor: HOUSE,
		isOwnRoute: (uri) => uri.includes(";gr=T1dO"),
		nodeOfRoute: (uri) => /;gr=(\w+)/.exec(uri)?.[1],
	});
	const common = {
		transport: "overlay",
		localAddress: "home.example",
		localPort: 0,
		sentBy: "aa.home.example",
	} as const;
	world.edge.addFlow({ ...common, flow: DEVICE, account: DOOR, localRoute: DOOR_GRUU });
	for (const [flow, peerNode] of [
		[TWO, "VFdP"],
		[THREE, "VEhS"],
	] as const)
		world.edge.addFlow({ ...common, flow, peerAor: HOUSE, localRoute: OWN_GRUU, peerNode });
	const targets = [TWO, THREE].map((flow) => ({ uri: `sip:${HOUSE}`, flow }));
	world.locate = (output) => ({ type: "located", token: output.token, targets: output.isNextHop ? [] : targets });
	return world;
}

function request(method: string, from: string, extra: string[] = [], uri = `sip:${HOUSE}`, toTag = ""): string {
	return lines(
		`${method} ${uri} SIP/2.0`,
		`Via: SIP/2.0/TLS x.invalid;branch=z9hG4bK${method}-${from.replace("@", ".")}`,
		`From: <sip:${from}>;tag=f`,
		`To: <${uri}>${toTag}`,
		"Call-ID: one",
		"CSeq: 1 INVITE".replace("INVITE", method),
		"Contact: <sip:x@192.0.2.7>",
		...extra,
		"Content-Length: 0",
	);
}

function routesOf({ message }: Sent): string[] {
	return message.text
		.slice(0, message.headEnd)
		.split("\r\n")
		.filter((line) => line.startsWith("Record-Route: "))
		.flatMap((line) => line.slice(14).split(", "));
}

describe("a device's flow", () => {
	test("needs no digest; its GRUU is the route back to it; every edge gets a branch", () => {
		const world = edge();
		world.over(DEVICE, request("INVITE", DOOR));
		const sent = world.take();
		expect(sent.map(summary)).toEqual([
			`100 INVITE -> flow ${DEVICE}`,
			`INVITE -> flow ${TWO}`,
			`INVITE -> flow ${THREE}`,
		]);
		expect(routesOf(sent[1] as Sent)).toEqual([`<${OWN_GRUU};lr>`, `<${DOOR_GRUU};lr>`]);
	});

	test("says its own AOR only, and registers nothing", () => {
		const world = edge();
		for (const from of ["anna@home.example", HOUSE, "frontdoor@elsewhere.example"]) {
			world.over(DEVICE, request("INVITE", from));
			expect(world.take().map((one) => one.text.slice(0, 11))).toEqual(["SIP/2.0 403"]);
		}
		world.over(
			DEVICE,
			request("REGISTER", DOOR, ["Expires: 60"], `sip:${DOOR}`).replace(`sip:${DOOR} SIP`, "sip:home.example SIP"),
		);
		expect(world.take()[0]?.text).toContain("403 Registered In The Overlay");
	});

	test("the answer of one edge ends the branch of the other, with the reason", () => {
		const world = edge();
		world.over(DEVICE, request("INVITE", DOOR));
		const [, two, three] = world.take() as [Sent, Sent, Sent];
		world.over(THREE, reply(three.message, 180));
		world.over(TWO, reply(two.message, 180));
		world.over(TWO, reply(two.message, 200));
		const sent = world.take();
		expect(sent.map(summary)).toEqual([
			`180 INVITE -> flow ${DEVICE}`,
			`180 INVITE -> flow ${DEVICE}`,
			`200 INVITE -> flow ${DEVICE}`,
			`CANCEL -> flow ${THREE}`,
		]);
		expect(sent[3]?.message.value(Header.reason)).toBe('SIP;cause=200;text="Call completed elsewhere"');
	});
});

describe("a flow between edges", () => {
	test("may say any AOR of the domain, and no other; REGISTER is refused", () => {
		const world = edge();
		world.locate = (output) => ({ type: "located", token: output.token, targets: [], status: 480 });
		for (const from of [DOOR, "anna@home.example", HOUSE]) {
			world.over(TWO, request("INVITE", from));
			expect(world.take().map(summary)).toEqual([`100 INVITE -> flow ${TWO}`, `480 INVITE -> flow ${TWO}`]);
		}
		world.over(TWO, request("INVITE", "anna@elsewhere.example"));
		expect(world.take()[0]?.text).toContain("403 From Is Not The Peer");
		world.over(
			TWO,
			request("REGISTER", HOUSE, ["Expires: 60"]).replace(`REGISTER sip:${HOUSE}`, "REGISTER sip:home.example"),
		);
		expect(world.take()[0]?.text).toContain("403 Registered In The Overlay");
	});

	test("a request in a dialog takes the connection to the Node-ID of its Route, whichever is newest", () => {
		for (const [flow, node] of [
			[TWO, "VFdP"],
			[THREE, "VEhS"],
		] as const) {
			const world = edge();
			const route = `Route: <${DOOR_GRUU};lr>, <${OWN_GRUU};lr>, <sip:${HOUSE};gr=${node};lr>, <sip:t@192.0.2.9;lr>`;
			world.over(DEVICE, request("BYE", DOOR, [route], "sip:anna@192.0.2.50", ";tag=t"));
			const sent = world.take();
			expect(sent.map(summary)).toEqual([`BYE -> flow ${flow}`]);
			expect(sent[0]?.message.value(Header.route)).toBe(`<sip:${HOUSE};gr=${node};lr>, <sip:t@192.0.2.9;lr>`);
		}
	});

	test("that connection has gone: another one is asked for, the other edge is not taken for it", () => {
		const world = edge();
		world.input({ type: "flowClosed", flow: TWO });
		const asked: string[] = [];
		world.locate = (output) => {
			asked.push(`${output.isNextHop} ${output.uri}`);
			return { type: "located", token: output.token, targets: [], status: 480 };
		};
		const route = `Route: <${DOOR_GRUU};lr>, <${OWN_GRUU};lr>, <sip:${HOUSE};gr=VFdP;lr>`;
		world.over(DEVICE, request("BYE", DOOR, [route], "sip:anna@192.0.2.50", ";tag=t"));
		expect(asked).toEqual([`true sip:${HOUSE};gr=VFdP;lr`]);
		expect(world.take().map(summary)).toEqual([`480 BYE -> flow ${DEVICE}`]);
	});

	test("from another edge to the device: by the device's GRUU, also over the connection it has opened anew", () => {
		const world = edge();
		world.input({ type: "flowClosed", flow: DEVICE });
		const again = DEVICE + 1;
		world.edge.addFlow({
			...{ flow: again, transport: "overlay", localAddress: "home.example", localPort: 0 },
			...{ account: DOOR, localRoute: DOOR_GRUU },
		});
		const route = `Route: <${OWN_GRUU};lr>, <${DOOR_GRUU};lr>`;
		world.over(TWO, request("BYE", HOUSE, [route], "sip:frontdoor@192.0.2.7", ";tag=t"));
		expect(world.take().map(summary)).toEqual([`BYE -> flow ${again}`]);
	});

	test("a device that has connected anew goes on with its dialogs, though its first route names the old connection", () => {
		const world = edge();
		const stale = "<sip:3-0--00ff00ff00ff00ff00ff@home.example;lr>";
		const route = `Route: ${stale}, <${OWN_GRUU};lr>, <sip:${HOUSE};gr=VEhS;lr>`;
		world.over(DEVICE, request("BYE", DOOR, [route], "sip:anna@192.0.2.50", ";tag=t"));
		expect(world.take().map(summary)).toEqual([`BYE -> flow ${THREE}`]);
	});
});
