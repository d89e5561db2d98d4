/**
 * Every refusal of the decoder: which octet is wrong, what the reason says, where it points. What only a router can judge is
 * listed at the end: the codec reads it.
 */
import { describe, expect, test } from "vitest";
import type { Refused } from "../../../core/machine.ts";
import * as wire from "../../../core/wire/index.ts";
import { hex, modelOf, readVectors } from "./kit.ts";

const PING = hex(readVectors("message")[0]!.hex);

/** Vector 01 with octets changed at an offset. */
function ping(at: number, octets: string): Uint8Array {
	const bytes = PING.slice();
	bytes.set(hex(octets), at);
	return bytes;
}

const HEAD = "d2454c4f 9aa32b8d 0016 0a 64 c0000000";
const IDS = "5326f29390972f2a 00001388";
const NODE = "0110 4e3d2c1b0a99887766554433221100ff";
const RESOURCE = "0203 02abcd";
/** Contents and security block of a Ping without certificates. */
const REST = "0017 00000002 0000 00000000 0000 0401 03 0000 0000";

/** A message with these lists; `length` is right. */
function message(lists: { via?: string; destinations?: string; options?: string; rest?: string }): Uint8Array {
	const parts = [lists.via ?? "", lists.destinations ?? NODE, lists.options ?? ""].map(hex);
	const writer = new wire.WireWriter();
	writer.bytes(hex(HEAD));
	writer.u32(0);
	writer.bytes(hex(IDS));
	for (const part of parts) writer.u16(part.length);
	for (const part of parts) writer.bytes(part);
	writer.bytes(hex(lists.rest ?? REST));
	writer.patch32(16, writer.length);
	return writer.take();
}

describe("messages", () => {
	test.each<[string, Uint8Array, string, number]>([
		["nothing", new Uint8Array(0), "ends too early", 0],
		["another token", ping(0, "d3"), "relo_token is not 0xd2454c4f: not a RELOAD message", 0],
		["version of the drafts", ping(10, "01"), "version is not 1.0 (0x0a)", 10],
		["fragment bit clear", ping(12, "40"), "fragment bit is clear", 12],
		["a first fragment", ping(12, "80"), "a fragment, not a whole message", 12],
		["a last fragment", ping(14, "01"), "a fragment, not a whole message", 12],
		["length too small", ping(19, "92"), "length is not that of the message", 16],
		["length too large", ping(16, "ffffffff"), "length is not that of the message", 16],
		["cut in the fixed header", PING.subarray(0, 37), "ends too early", 36],
		["via list longer than the message", ping(32, "ffff"), "length exceeds its container", 38],
		["no destination", message({ destinations: "" }), "destination list is empty", 38],
		["destination type 0", message({ destinations: "0000" }), "destination type 0 is invalid", 38],
		["half a short form", message({ destinations: "80" }), "ends too early", 39],
		[
			"Node-ID of 15 octets",
			message({ destinations: `010f${"00".repeat(15)}` }),
			"Node-ID has another length than this overlay's",
			38,
		],
		["entry past the end of the list", message({ destinations: "0410 00" }), "ends too early", 40],
		["inner length of a resource too small", message({ destinations: "0203 01abcd" }), "octets left over", 42],
		["inner length of a resource too large", message({ destinations: "0203 03abcd" }), "ends too early", 41],
		["opaque id without inner length", message({ destinations: "0300" }), "ends too early", 40],
		[
			"Resource-ID before the end",
			message({ destinations: RESOURCE + NODE }),
			"Resource-ID before the end of a destination list",
			43,
		],
		["Resource-ID in the via list", message({ via: RESOURCE }), "Resource-ID in a via list", 38],
		["forwarding option type 0", message({ options: "00000000" }), "forwarding option type 0 is invalid", 56],
		["forwarding option longer than the list", message({ options: "01000001" }), "ends too early", 60],
		["half a forwarding option", message({ options: "0100" }), "ends too early", 58],
		["body longer than the message", ping(58, "ffffffff"), "ends too early", 62],
		[
			"extension type 0",
			message({ rest: "0017 00000000 00000007 0000 00 00000000" }),
			"message extension type 0 is invalid",
			66,
		],
		[
			"extension neither critical nor not",
			message({ rest: "0017 00000000 00000007 0001 02 00000000" }),
			"Boolean is neither 0 nor 1",
			68,
		],
		["octets behind the security block", message({ rest: `${REST} 00` }), "octets left over", 77],
		["certificate past its list", message({ rest: "0017 00000000 00000000 0003 00 0001" }), "ends too early", 71],
		[
			"identity type 0",
			message({ rest: "0017 00000000 00000000 0000 0401 00 0000 0000" }),
			"SignerIdentity type 0 is invalid",
			70,
		],
		[
			"identity none with content",
			message({ rest: "0017 00000000 00000000 0000 0401 03 0001 00 0000" }),
			"octets left over",
			73,
		],
		[
			"hash shorter than its identity",
			message({ rest: "0017 00000000 00000000 0000 0401 01 0003 04 00 00 0000" }),
			"octets left over",
			75,
		],
		[
			"hash longer than its identity",
			message({ rest: "0017 00000000 00000000 0000 0401 01 0002 04 01 0000" }),
			"ends too early",
			75,
		],
	])("%s", (_name, bytes, reason, at) => {
		expect(wire.readMessage(bytes, 16)).toEqual({ refused: reason, at });
		const view = new wire.ForwardingView(16);
		// The view looks at the header alone, and judges it alike.
		const isHeaderFault = at < 62 && !reason.startsWith("a fragment") && !_name.startsWith("body");
		expect(view.look(bytes)).toBe(!isHeaderFault);
		if (isHeaderFault) expect(view.reason).not.toBe("");
	});

	test("unknown but legal parts are kept byte for byte", () => {
		const bytes = message({
			via: "7f03 010203 8000",
			destinations: `0402 0102 0301 00 ${NODE}`,
			options: "fe ff 0002 aabb",
			rest: "7fff 00000001 00 00000008 fffe 01 00000001 cc 0008 01 0001 aa ff 0001 bb 0909 fe 0002 ddee 0001 ff",
		});
		const read = wire.readMessage(bytes, 16) as wire.Message;
		expect(read.header.viaList[0]).toEqual({ type: 0, code: 0x7f, data: hex("010203") });
		expect(read.security.signature.identity.other).toEqual(hex("ddee"));
		const contents = wire.encodeMessageContents(read.contents);
		expect(wire.toHex(wire.writeMessage(read.header, contents, read.security))).toBe(wire.toHex(bytes));
		expect(new wire.ForwardingView(16).look(bytes)).toBe(true);
	});

	test("left to the router: overlay, sequence, ttl, size, and whether the destinations can be reached", () => {
		for (const bytes of [ping(4, "00000000"), ping(8, "ffff"), ping(11, "ff"), ping(11, "00")]) {
			expect(wire.readMessage(bytes, 16)).not.toHaveProperty("refused");
		}
		expect(wire.readMessage(message({ destinations: "0400" }), 16)).not.toHaveProperty("refused");
		expect(wire.readMessage(message({ destinations: NODE + NODE }), 16)).not.toHaveProperty("refused");
	});

	test("reserved bits of the fragment field are ignored and kept", () => {
		const read = wire.readMessage(ping(12, "ff"), 16) as wire.Message;
		expect(read.header.fragment).toBe(0xff000000);
	});
});

const NODE_ID = "4e3d2c1b0a99887766554433221100ff";
const CANDIDATE = "0106 c0000201 17c4 01 0131 00000001";
/** A candidate as the only one of an AttachReqAns. */
const attach = (candidate: string) => {
	const octets = hex(candidate);
	return `00 00 00 ${octets.length.toString(16).padStart(4, "0")} ${candidate} 00`;
};

describe("bodies", () => {
	const store = (body: Uint8Array) => wire.readStoreReq(body, modelOf);
	const fetch = (body: Uint8Array) => wire.readFetchReq(body, modelOf);
	const withLength =
		<T>(read: (body: Uint8Array, length: number) => T) =>
		(body: Uint8Array) =>
			read(body, 16);

	test.each<[string, (body: Uint8Array) => object, string, string, number]>([
		["octets behind a Ping", wire.readPingReq, "0000 00", "octets left over", 2],
		["padding longer than the body", wire.readPingReq, "0001", "ends too early", 2],
		["time above 2^53 - 1", wire.readPingAns, `${"00".repeat(8)}0020000000000000`, "uint64 above 2^53 - 1", 8],
		["probe information type 0", wire.readProbeAns, "0006 00 04 00000001", "probe information type 0 is invalid", 2],
		["uptime of three octets", wire.readProbeAns, "0005 03 03 000001", "ends too early", 4],
		["uptime of five octets", wire.readProbeAns, "0007 03 05 0000000100", "octets left over", 8],
		["candidate prflx", wire.readAttachReqAns, attach(`${CANDIDATE} 03 0000`), "unknown candidate type", 20],
		["candidate type 0", wire.readAttachReqAns, attach(`${CANDIDATE} 00 0000`), "unknown candidate type", 20],
		["candidate type 5", wire.readAttachReqAns, attach(`${CANDIDATE} 05 0000`), "unknown candidate type", 20],
		["address type 0", wire.readAttachReqAns, attach("0000 01 00 00000001 01 0000"), "address type 0 is invalid", 5],
		["IPv4 of five octets", wire.readAttachReqAns, attach("0105 c000020117"), "ends too early", 11],
		["IPv4 of seven octets", wire.readAttachReqAns, attach("0107 c0000201 17c4 00 01"), "octets left over", 13],
		["send_update 2", wire.readAttachReqAns, "00 00 00 0000 02", "Boolean is neither 0 nor 1", 5],
		["Update type 0", withLength(wire.readChordUpdate), "00000001 00", "unknown ChordUpdate type", 4],
		["Update type 4", withLength(wire.readChordUpdate), "00000001 04", "unknown ChordUpdate type", 4],
		["half a Node-ID", withLength(wire.readChordUpdate), "00000001 02 0008 0011223344556677 0000", "ends too early", 7],
		["peer_ready with lists", withLength(wire.readChordUpdate), "00000001 01 0000", "octets left over", 5],
		["Leave data type 0", withLength(wire.readChordLeaveData), "00 0000", "unknown ChordLeave type", 0],
		["Leave data type 3", withLength(wire.readChordLeaveData), "03 0000", "unknown ChordLeave type", 0],
		["short joining_peer_id", withLength(wire.readJoinReq), "0011", "ends too early", 0],
		["next_peer of 17 octets", withLength(wire.readChordRouteQueryAns), `${NODE_ID}00`, "octets left over", 16],
		["route query for nothing", withLength(wire.readRouteQueryReq), "00 0000 0000", "destination type 0 is invalid", 1],
		["ConfigUpdate type 0", wire.readConfigUpdateReq, "00 00000000", "ConfigUpdate type 0 is invalid", 0],
		["config_data beside its length", wire.readConfigUpdateReq, "01 00000004 000000 aa", "octets left over", 8],
		["kind_data cut", store, "01aa 00 00000004 00000001", "ends too early", 11],
		[
			"Boolean in a value",
			store,
			"01aa 00 0000002c 00000002 0000000000000000 0000001c 00000018 0000000000000001 00000001 02 00000000 0401 03 0000 0000",
			"Boolean is neither 0 nor 1",
			39,
		],
		[
			"StoredData with octets left over",
			store,
			"01aa 00 0000002d 00000002 0000000000000000 0000001d 00000019 0000000000000001 00000001 01 00000000 0000 03 0000 0000 00",
			"octets left over",
			51,
		],
		[
			"single value with a model_specifier",
			fetch,
			"01aa 0010 00000002 0000000000000000 0002 0000",
			"octets left over",
			18,
		],
		["half an array range", fetch, "01aa 0014 00000003 0000000000000000 0006 0004 00000000", "ends too early", 24],
		["Kind-IDs not a multiple of four", wire.readFindReq, "01aa 03 000000", "ends too early", 3],
		["error_info cut", wire.readErrorResponse, "0003 0001", "ends too early", 4],
		[
			"SipRegistration type 0",
			withLength(wire.readSipRegistration),
			"00 0000",
			"SipRegistration type 0 is not assigned",
			0,
		],
		[
			"route of two octets",
			withLength(wire.readSipRegistration),
			"02 0006 0000 0002 8001",
			"destination_list shorter than three octets",
			5,
		],
		["uri shorter than length", withLength(wire.readSipRegistration), "01 0003 0000 00", "octets left over", 5],
		[
			"ext_length beside the list",
			wire.decodeDiagnosticsRequest,
			`${"00".repeat(24)} 00000001 00000000`,
			"ext_length is not the length of its list",
			24,
		],
		[
			"no destinations in the option",
			withLength(wire.readExtensiveRoutingModeOption),
			"01 01 0106 c0000201 17c4 00",
			"destinations are empty",
			10,
		],
		[
			"ResourceNameExtension type 0",
			(body) => wire.readAccessControlListItem(body, true),
			"00 0000",
			"ResourceNameExtension type 0 is not assigned",
			0,
		],
		["frame type 127", wire.decodeFramedMessage, "7f 00000000 000000", "unknown FramedMessage type", 0],
		["frame longer than the datagram", wire.decodeFramedMessage, "80 00000000 000001", "ends too early", 8],
		["octets behind an ack", wire.decodeFramedMessage, "81 00000000 00000000 00", "octets left over", 9],
	])("%s", (_name, read, body, reason, at) => {
		expect(read(hex(body)) as Refused).toEqual({ refused: reason, at });
	});

	test("error_info of Error_Unknown_Kind", () => {
		expect(wire.readUnknownKinds(hex("08 00000001 f0000001"))).toEqual([1, 0xf0000001]);
		expect(wire.encodeUnknownKinds([1, 0xf0000001])).toEqual(hex("08 00000001 f0000001"));
		expect(wire.readUnknownKinds(hex("05 00000001 f0"))).toEqual({ refused: "ends too early", at: 5 });
		expect(wire.encodeUnknownKinds(Array.from({ length: 100 }, (_, i) => i)).length).toBe(1 + 63 * 4);
	});

	test("values of a Kind that is not known are kept unread", () => {
		const body = hex("01aa 00 00000013 f0000001 0000000000000005 00000003 abcdef");
		const request = wire.readStoreReq(body, modelOf) as wire.StoreReq;
		expect(request.kindData[0]).toEqual({ kind: 0xf0000001, generationCounter: 5, values: [], raw: hex("abcdef") });
		expect(wire.encode(wire.writeStoreReq, request)).toEqual(body);
	});
});
