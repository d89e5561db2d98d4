/** Messages as named fields: every structure has them, and a refusal names the octet of the whole input. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DescribedFields, describeFramedMessage, describeMessage } from "../../../core/wire/describe.ts";
import * as wire from "../../../core/wire/index.ts";
import { cases, UNKNOWN_KIND } from "./arbitraries.ts";
import { hex, modelOf, NODE_A, NODE_B, readVectors } from "./kit.ts";

const OPTIONS = { nodeIdLength: 16, modelOf };
const { MessageCode: code } = wire;

const CODES: Record<string, number[]> = {
	PingReq: [code.pingReq],
	PingAns: [code.pingAns],
	ProbeReq: [code.probeReq],
	ProbeAns: [code.probeAns],
	AttachReqAns: [code.attachReq, code.attachAns],
	AppAttach: [code.appAttachReq, code.appAttachAns],
	StoreReq: [code.storeReq],
	StoreAns: [code.storeAns],
	FetchReq: [code.fetchReq, code.statReq],
	FetchAns: [code.fetchAns],
	StatAns: [code.statAns],
	FindReq: [code.findReq],
	FindAns: [code.findAns],
	JoinReq: [code.joinReq],
	JoinAns: [code.joinAns],
	LeaveReq: [code.leaveReq],
	ChordUpdate: [code.updateReq],
	RouteQueryReq: [code.routeQueryReq],
	ChordRouteQueryAns: [code.routeQueryAns],
	ConfigUpdateReq: [code.configUpdateReq],
	ErrorResponse: [code.error],
	PathTrackReq: [code.pathTrackReq],
	PathTrackAns: [code.pathTrackAns],
};

function message(
	messageCode: number,
	messageBody: Uint8Array,
	extensions: wire.MessageExtension[] = [],
	options: wire.ForwardingOption[] = [],
): Uint8Array {
	const header = wire.forwardingHeader({
		overlay: 1,
		configurationSequence: 2,
		ttl: 3,
		transactionIdHigh: 4,
		transactionIdLow: 5,
		destinationList: [wire.nodeDestination(NODE_B)],
		options,
	});
	const contents = wire.encodeMessageContents({ messageCode, messageBody, extensions });
	return wire.writeMessage(header, contents, { certificates: [], signature: wire.NO_SIGNATURE });
}

function fields(bytes: Uint8Array): DescribedFields & Record<string, DescribedFields> {
	const description = describeMessage(bytes, OPTIONS);
	expect(description.refused).toBeUndefined();
	return description.fields as never;
}

describe("every body has named fields", () => {
	test.each(cases(modelOf).filter((entry) => entry.name in CODES))("$name", ({ name, values, write }) => {
		for (const messageCode of CODES[name]!) {
			const property = fc.property(values, (value) => {
				const contents = fields(message(messageCode, wire.encode(write, value))).message_contents!;
				expect(typeof contents.message_body).toBe("object");
				expect(contents.messageCodeName).toBe(wire.messageCodeName(messageCode));
			});
			fc.assert(property, { numRuns: 30 });
		}
	});

	test("answers without a body, and codes without a structure", () => {
		for (const messageCode of [code.leaveAns, code.updateAns, code.configUpdateAns]) {
			expect(fields(message(messageCode, wire.EMPTY)).message_contents!.message_body).toEqual({});
			const refused = describeMessage(message(messageCode, hex("00")), OPTIONS).refused;
			expect(refused).toEqual({ refused: "octets left over", at: 62 });
		}
		expect(fields(message(0x7000, hex("abcd"))).message_contents).toMatchObject({
			messageCodeName: "0x7000",
			message_body: "abcd",
		});
	});
});

describe("structures inside others are shown decoded", () => {
	test("values of registered Kinds", () => {
		const stored = (kind: number, model: wire.DataModel, value: Uint8Array) => {
			const data = { exists: true, value };
			const entry: wire.StoredDataValue =
				model === "single"
					? { model, value: data }
					: model === "array"
						? { model, index: 7, value: data }
						: { model, key: NODE_A, value: data };
			const values = [
				{ storageTime: 1, lifetime: 2, value: entry, signature: wire.NO_SIGNATURE, valueBytes: wire.EMPTY },
			];
			const body = wire.encode(wire.writeFetchAns, { kindResponses: [{ kind, generation: 1, values }] });
			return JSON.stringify(fields(message(code.fetchAns, body)).message_contents);
		};
		const alice = wire.utf8ToBytes("alice@example.org");
		const uri = wire.encode(wire.writeSipRegistration, { type: 1, uri: alice });
		expect(stored(1, "dictionary", uri)).toContain(
			'"decoded":{"type":1,"typeName":"sip_registration_uri","length":19,"uri":"alice@',
		);
		const item = wire.encode(wire.writeAccessControlListItem, { toUser: alice, kind: 1, allowDelegation: true });
		expect(stored(4, "array", item)).toContain('"index":7');
		expect(stored(4, "array", item)).toContain(
			'"to_user":"alice@example.org","kind":1,"kindName":"SIP-REGISTRATION","allow_delegation":true',
		);
		const named = wire.encode(wire.writeAccessControlListItem, {
			resNameExt: { type: 1, resourceName: alice },
			toUser: alice,
			kind: 1,
			allowDelegation: false,
		});
		expect(stored(4, "array", named)).toContain(
			'"res_name_ext":{"type":1,"typeName":"pattern","resource_name":"alice@',
		);
		const provider = wire.encode(wire.writeRedirServiceProvider, {
			type: 0,
			destinationList: [wire.nodeDestination(NODE_A)],
			namespace: wire.utf8ToBytes("turn-server"),
			level: 2,
			node: 3,
			extension: wire.EMPTY,
		});
		expect(stored(0x104, "dictionary", provider)).toContain('"namespace":"turn-server","level":2,"node":3,"length":0');
		expect(stored(2, "single", hex("03"))).toContain("refused: ends too early, at octet 1 of the value");
		expect(stored(3, "array", hex("3082"))).not.toContain("decoded");
	});

	test("extensions", () => {
		const request = {
			expiration: 1,
			timestampInitiated: 2,
			dMFlagsHigh: 0,
			dMFlagsLow: 0x42,
			diagnosticExtensionsList: [],
		};
		const info = (kind: number, contents: string) => ({ kind, diagnosticInfoContents: hex(contents) });
		const response = {
			expiration: 1,
			timestampInitiated: 2,
			timestampReceived: 3,
			hopCounter: 97,
			diagnosticInfoList: [
				info(1, "05"),
				info(6, "726c7400"),
				info(0xb, "00000001 0000000000000009"),
				info(0xc, "0007 0000000000000001 0000000000000002"),
				info(2, "00"),
				info(0xf000, "aa"),
			],
		};
		const extension = (type: number, extensionContents: Uint8Array) => ({ type, critical: false, extensionContents });
		const ping = message(code.pingReq, hex("0000"), [
			extension(2, wire.encode(wire.writeDiagnosticsRequest, request)),
			extension(3, wire.encode(wire.writeSelfTuningData, { networkSize: 9, joinRate: 10628, leaveRate: 1 })),
			extension(3, hex("00")),
			extension(99, hex("00")),
		]);
		expect(fields(ping).message_contents).toMatchObject({
			extensions: [
				{ typeName: "Diagnostic_Ping", decoded: { dMFlags: "0x0000000000000042", ext_length: 0 } },
				{ typeName: "self_tuning_data", decoded: { network_size: 9, join_rate: 10628, leave_rate: 1 } },
				{ decoded: "refused: ends too early, at octet 0 of the extension" },
				{ typeName: "0x63", extension_contents: "00" },
			],
		});
		const answer = message(code.pingAns, hex("00".repeat(16)), [
			extension(2, wire.encode(wire.writeDiagnosticsResponse, response)),
		]);
		const list = [5, "rlt", [{ kind: 1, instances: 9 }], [{ messageCode: 7, sent: 1, received: 2 }]];
		expect(fields(answer).message_contents).toMatchObject({
			extensions: [
				{
					decoded: {
						hop_counter: 97,
						diagnostic_info_list: list.map((decoded) => ({ decoded })).concat([{}, {}] as never),
					},
				},
			],
		});
	});

	test("forwarding options", () => {
		const value = wire.encode(wire.writeExtensiveRoutingModeOption, {
			routeMode: 1,
			transport: 4,
			ipAddressPort: wire.ipAddressPort(hex("c0000201"), 6084),
			destinations: [wire.nodeDestination(NODE_A)],
		});
		const bytes = message(
			code.pingReq,
			hex("0000"),
			[],
			[
				{ type: 2, flags: 0x0a, value },
				{ type: 2, flags: 0, value: hex("01") },
				{ type: 200, flags: 5, value: hex("01") },
			],
		);
		expect(fields(bytes).forwarding_header).toMatchObject({
			options: [
				{
					typeName: "extensive_routing_mode",
					flagNames: ["DESTINATION_CRITICAL", "IGNORE-STATE-KEEPING"],
					decoded: {
						routemode: 1,
						transportName: "TLS-TCP-FH-NO-ICE",
						ipaddressport: { addr: "192.0.2.1", port: 6084 },
					},
				},
				{ decoded: "refused: ends too early, at octet 1 of the option" },
				{ type: 200, flagNames: ["FORWARD_CRITICAL", "RESPONSE_COPY"], value: "01" },
			],
		});
	});

	test("unknown Kinds of an error, and a Kind without a model", () => {
		const errorInfo = wire.encodeUnknownKinds([UNKNOWN_KIND]);
		const body = wire.encode(wire.writeErrorResponse, { errorCode: 0xc, errorInfo });
		expect(fields(message(code.error, body)).message_contents).toMatchObject({
			message_body: { errorCodeName: "Error_Unknown_Kind", error_info_decoded: { unknown_kinds: [UNKNOWN_KIND] } },
		});
		const store = hex("01aa 00 00000013 f0000001 0000000000000005 00000003 abcdef");
		expect(fields(message(code.storeReq, store)).message_contents).toMatchObject({
			message_body: { kind_data: [{ kindName: "0xf0000001", values: "abcdef" }] },
		});
	});
});

describe("refusals", () => {
	const ping = hex(readVectors("message")[0]!.hex);

	test("what could be read is shown", () => {
		const cut = describeMessage(ping.subarray(0, 20), OPTIONS);
		expect(cut).toEqual({ fields: {}, refused: { refused: "ends too early", at: 20 } });
		const version = ping.slice();
		version[10] = 1;
		const old = describeMessage(version, OPTIONS);
		expect(old.refused).toEqual({ refused: "version is not 1.0 (0x0a)", at: 10 });
		expect(old.fields.forwarding_header).toMatchObject({ relo_token: "0xd2454c4f", version: 1, ttl: 100 });
		const longer = describeMessage(wire.concatBytes(ping, hex("00")), OPTIONS);
		expect(longer.refused).toEqual({ refused: "length is not that of the message", at: 16 });
		expect(longer.fields.forwarding_header).toMatchObject({ destination_list: [{ type: "node" }] });
	});

	test("a fault in the body is at its octet of the message, and the body is shown in hex", () => {
		const bytes = ping.slice();
		bytes[63] = 5;
		const description = describeMessage(bytes, OPTIONS);
		expect(description.refused).toEqual({ refused: "ends too early", at: 64 });
		expect(description.fields.message_contents).toMatchObject({ message_body: "000501020304" });
		expect(description.fields.security_block).toBeDefined();
		const framed = wire.encode(wire.writeFramedMessage, { type: 128, sequence: 1, message: bytes });
		expect(describeFramedMessage(framed, OPTIONS).refused).toEqual({ refused: "ends too early", at: 72 });
	});

	test("a fault in the security block leaves the contents shown", () => {
		const bytes = ping.slice();
		bytes[72 + 4] = 0;
		const description = describeMessage(bytes, OPTIONS);
		expect(description.refused).toEqual({ refused: "SignerIdentity type 0 is invalid", at: 76 });
		expect(description.fields.message_contents).toMatchObject({ message_body: { padding: "01020304" } });
	});

	test("a fragment is shown up to its payload", () => {
		const bytes = ping.slice();
		bytes[12] = 0x80;
		const description = describeMessage(bytes, OPTIONS);
		expect(description.refused).toBeUndefined();
		expect(description.fields.fragment_payload).toBe(wire.toHex(ping.subarray(56)));
	});

	test("no message and no frame", () => {
		expect(describeFramedMessage(hex("00"), OPTIONS).refused?.refused).toBe("unknown FramedMessage type");
		const large = describeMessage(new Uint8Array(16 * 1024 * 1024 + 1), OPTIONS);
		expect(large.refused?.refused).toBe("more octets than are described");
	});
});
