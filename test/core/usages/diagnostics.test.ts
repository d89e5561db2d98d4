/** Answering diagnostics (RFC 7851). */
import { describe, expect, test } from "vitest";
import {
	answerDiagnostics,
	ByteRate,
	type DiagnosticAccess,
	type DiagnosticSource,
} from "../../../core/usages/diagnostics.ts";
import { MAX_DIAGNOSTIC_ENTRIES } from "../../../core/usages/limits.ts";
import { DiagnosticKindId, ErrorCode } from "../../../core/wire/codes.ts";
import {
	diagnosticNumber,
	readInstancesStored,
	readMessagesSentRcvd,
	softwareVersion,
} from "../../../core/wire/diagnostic-values.ts";
import type { DiagnosticsRequest } from "../../../core/wire/diagnostics.ts";
import { T0 } from "../storage/support.ts";

const operator = new Uint8Array(16).fill(1);
const stranger = new Uint8Array(16).fill(2);
const KINDS = Object.values(DiagnosticKindId);

const source: DiagnosticSource = {
	congestion: 99,
	routingTableSize: 12,
	processPower: 1000.7,
	upstreamBandwidth: 1,
	downstreamBandwidth: 2,
	softwareVersion: "ringlet 0.1",
	machineUptime: 3,
	appUptime: 4,
	memoryFootprint: 5,
	datasizeStored: 6,
	instancesStored: [[1, 7]],
	messages: [{ messageCode: 7, sent: 8, received: 9 }],
	ewmaBytesSent: 10,
	ewmaBytesRcvd: 2 ** 40,
	underlayHop: 300,
	onBattery: false,
	local: (kind) => (kind === 0xf001 ? Uint8Array.of(42) : undefined),
};

const all: DiagnosticAccess[] = [...KINDS, 0xf001, 0xf002].map((kind) => ({ kind, nodes: [operator] }));

function ask(request: Partial<DiagnosticsRequest>, more: { requester?: Uint8Array; access?: DiagnosticAccess[] } = {}) {
	return answerDiagnostics(
		{
			expiration: T0 + 5_000,
			timestampInitiated: T0 - 20,
			dMFlagsHigh: 0,
			dMFlagsLow: 0,
			diagnosticExtensionsList: [],
			...request,
		},
		{ requester: more.requester ?? operator, ttl: 97, wallMs: T0 + 0.5, access: more.access ?? all, source },
	);
}

const listed = (kind: number) => ({ kind, diagnosticExtensionContents: new Uint8Array() });

describe("diagnostics", () => {
	test("all flags: every Kind that the node has, in its encoding", () => {
		const result = ask({ dMFlagsHigh: 0xffffffff, dMFlagsLow: 0xffffffff });
		if (!result.ok) throw new Error("refused");
		const { response } = result;
		expect(response).toMatchObject({
			expiration: T0 + 5_000,
			timestampInitiated: T0 - 20,
			timestampReceived: T0,
			hopCounter: 97,
		});
		expect(response.diagnosticInfoList.map((info) => info.kind)).toEqual(KINDS);
		const contents = new Map(response.diagnosticInfoList.map((info) => [info.kind, info.diagnosticInfoContents]));
		const numbers = KINDS.map((kind) => diagnosticNumber(kind, contents.get(kind)!));
		expect(numbers).toEqual([
			15,
			12,
			1000,
			1,
			2,
			undefined,
			3,
			4,
			5,
			6,
			undefined,
			undefined,
			10,
			0xffffffff,
			255,
			0x80,
		]);
		expect(softwareVersion(contents.get(6)!)).toBe("ringlet 0.1");
		expect(readInstancesStored(contents.get(0xb)!)).toEqual([{ kind: 1, instances: 7 }]);
		expect(readMessagesSentRcvd(contents.get(0xc)!)).toEqual([{ messageCode: 7, sent: 8, received: 9 }]);
	});

	test("bit n asks for Kind n; bits 0 and 63 are nobody's", () => {
		const kinds = (dMFlagsHigh: number, dMFlagsLow: number) => {
			const result = ask({ dMFlagsHigh, dMFlagsLow });
			return result.ok ? result.response.diagnosticInfoList.map((info) => info.kind) : result.errorCode;
		};
		expect(kinds(0, 0x2)).toEqual([1]);
		expect(kinds(0, 0x10004)).toEqual([2, 16]);
		expect(kinds(0, 0x1)).toEqual([]);
		expect(kinds(0x80000000, 0)).toEqual([]);
		expect(kinds(0, 0)).toEqual([]);
	});

	test("default is deny; who may know a part gets that part", () => {
		const flags = { dMFlagsLow: 0x6 };
		expect(ask(flags, { requester: stranger })).toMatchObject({ ok: false, errorCode: ErrorCode.forbidden });
		expect(ask(flags, { access: [] })).toMatchObject({ ok: false, errorCode: ErrorCode.forbidden });
		const part = ask(flags, { requester: stranger, access: [...all, { kind: 2, nodes: [stranger] }] });
		expect(part.ok && part.response.diagnosticInfoList.map((info) => info.kind)).toEqual([2]);
		// Nothing asked for, nothing to deny: PathTrack for the next hop only.
		expect(ask({}, { requester: stranger })).toMatchObject({ ok: true, response: { diagnosticInfoList: [] } });
	});

	test("local Kinds are listed; Kinds with a flag must not be", () => {
		const result = ask({ diagnosticExtensionsList: [listed(0xf001), listed(0xf002), listed(0xf001)] });
		expect(result.ok && result.response.diagnosticInfoList).toEqual([
			{ kind: 0xf001, diagnosticInfoContents: Uint8Array.of(42) },
		]);
		expect(ask({ diagnosticExtensionsList: [listed(0x3f)] })).toMatchObject({ errorCode: ErrorCode.invalidMessage });
		const many = Array.from({ length: 3 * MAX_DIAGNOSTIC_ENTRIES }, (_, i) => listed(0xf000 + i));
		expect(ask({ diagnosticExtensionsList: many }).ok).toBe(true);
	});

	test("expired, or expiring too far ahead", () => {
		expect(ask({ expiration: T0 })).toMatchObject({ ok: false, errorCode: ErrorCode.messageExpired });
		expect(ask({ expiration: T0 + 1 }).ok).toBe(true);
		expect(ask({ expiration: T0 + 600_000 }).ok).toBe(true);
		expect(ask({ expiration: T0 + 600_001 })).toMatchObject({ ok: false, errorCode: ErrorCode.invalidMessage });
	});

	test("ByteRate: alpha 0.8 every five seconds", () => {
		const rate = new ByteRate(1000);
		rate.add(5000, 1000);
		rate.add(5000, 5999);
		expect(rate.rate(5999)).toBe(0);
		expect(rate.rate(6000)).toBe(1600);
		rate.add(10_000, 10_000);
		expect(rate.rate(11_000)).toBe(1920);
		expect(rate.rate(21_000)).toBe(77);
	});
});
