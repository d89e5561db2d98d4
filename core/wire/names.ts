/** The registries' spelling of code points, for logs and for `describe.ts`. Nothing here is needed to read or write. */
import * as codes from "./codes.ts";

const ERROR_NAMES: Readonly<Record<number, string>> = Object.freeze({
	2: "Error_Forbidden",
	3: "Error_Not_Found",
	4: "Error_Request_Timeout",
	5: "Error_Generation_Counter_Too_Low",
	6: "Error_Incompatible_with_Overlay",
	7: "Error_Unsupported_Forwarding_Option",
	8: "Error_Data_Too_Large",
	9: "Error_Data_Too_Old",
	10: "Error_TTL_Exceeded",
	11: "Error_Message_Too_Large",
	12: "Error_Unknown_Kind",
	13: "Error_Unknown_Extension",
	14: "Error_Response_Too_Large",
	15: "Error_Config_Too_Old",
	16: "Error_Config_Too_New",
	17: "Error_In_Progress",
	18: "Error_Exp_A",
	19: "Error_Exp_B",
	20: "Error_Invalid_Message",
	21: "Error_Underlay_Destination_Unreachable",
	22: "Error_Underlay_Time_Exceeded",
	23: "Error_Message_Expired",
	24: "Error_Upstream_Misrouting",
	25: "Error_Loop_Detected",
	26: "Error_TTL_Hops_Exceeded",
});

const KIND_NAMES: Readonly<Record<number, string>> = Object.freeze({
	1: "SIP-REGISTRATION",
	2: "TURN-SERVICE",
	3: "CERTIFICATE_BY_NODE",
	4: "ACCESS-CONTROL-LIST",
	16: "CERTIFICATE_BY_USER",
	260: "REDIR",
});

const OVERLAY_LINK_NAMES: Readonly<Record<number, string>> = Object.freeze({
	0: "INVALID-PROTOCOL",
	1: "DTLS-UDP-SR",
	3: "DTLS-UDP-SR-NO-ICE",
	4: "TLS-TCP-FH-NO-ICE",
	5: "EXP-LINK",
});

const EXTENSION_NAMES: Readonly<Record<number, string>> = Object.freeze({
	1: "exp-ext",
	2: "Diagnostic_Ping",
	3: "self_tuning_data",
});

/** camelCase to the RFC's snake_case. */
export function snakeCase(name: string): string {
	let text = "";
	for (let i = 0; i < name.length; i++) {
		const letter = name[i]!;
		const isCapital = letter >= "A" && letter <= "Z";
		text += isCapital ? `_${letter.toLowerCase()}` : letter;
	}
	return text;
}

function keyOf(table: Readonly<Record<string, number>>, code: number): string | undefined {
	const keys = Object.keys(table);
	for (let i = 0; i < keys.length; i++) if (table[keys[i]!] === code) return keys[i]!;
	return undefined;
}

function hex(code: number): string {
	return `0x${code.toString(16)}`;
}

/** "fetch_req"; an unassigned code as "0x1234". */
export function messageCodeName(code: number): string {
	const key = keyOf(codes.MessageCode, code);
	return key === undefined ? hex(code) : snakeCase(key);
}

/** "Error_Not_Found"; an unassigned code as "0x1234". */
export function errorCodeName(code: number): string {
	return ERROR_NAMES[code] ?? hex(code);
}

/** "SIP-REGISTRATION"; an unregistered Kind-ID as "0xf0000001". */
export function kindName(kind: number): string {
	return KIND_NAMES[kind] ?? hex(kind);
}

/** "TLS-TCP-FH-NO-ICE". */
export function overlayLinkName(code: number): string {
	return OVERLAY_LINK_NAMES[code] ?? hex(code);
}

/** "Diagnostic_Ping". */
export function extensionName(code: number): string {
	return EXTENSION_NAMES[code] ?? hex(code);
}

/** The name of a code in one of the tables of `codes.ts`, in the RFC's snake_case; `undefined` when the table lacks it. */
export function codeName(table: Readonly<Record<string, number>>, code: number): string | undefined {
	const key = keyOf(table, code);
	return key === undefined ? undefined : snakeCase(key);
}
