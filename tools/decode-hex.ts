/** Octets written as hex text: plain digits, or a dump with offsets as text2pcap, xxd and hexdump -C write it. */

/** True when the octets are printable ASCII and white space: then they can only be hex. */
export function isText(bytes: Uint8Array): boolean {
	return (
		bytes.length > 0 &&
		bytes.every((octet) => octet === 9 || octet === 10 || octet === 13 || (octet >= 32 && octet < 127))
	);
}

/** The octets of each dump in the text (an offset of zero begins another), or what is wrong with it. */
export function parseHexText(text: string): Uint8Array[] | string {
	const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
	const dumps = parseDump(lines);
	if (dumps !== undefined) return dumps;
	const digits = lines.join("").replaceAll(/\s|0x|[:,"]/gi, "");
	const bad = digits.search(/[^0-9a-f]/i);
	if (bad >= 0) return `the text is not hex: "${digits.slice(bad, bad + 1)}" after ${bad} digits`;
	if (digits.length % 2 !== 0) return `the text has an odd number of hex digits (${digits.length})`;
	return digits.length === 0 ? "the text is empty" : [new Uint8Array(Buffer.from(digits, "hex"))];
}

/** An offset of at least four digits, then octets. */
const DUMP_LINE = /^\s*([0-9a-f]{4,})(:?)\s+(\S.*)$/i;

/** Lines that all begin with the offset they should have; `undefined` when they do not. */
function parseDump(lines: readonly string[]): Uint8Array[] | undefined {
	const dumps: number[][] = [];
	for (const line of lines) {
		const match = DUMP_LINE.exec(line);
		// The last line of hexdump is the length alone.
		if (match === null && dumps.length > 0 && Number.parseInt(line, 16) === dumps.at(-1)?.length) continue;
		if (match === null) return undefined;
		const offset = Number.parseInt(match[1]!, 16);
		if (offset === 0) dumps.push([]);
		if (dumps.at(-1)?.length !== offset) return undefined;
		const octets = dumpOctets(match[3]!, match[2] === ":");
		if (octets === undefined) return undefined;
		dumps.at(-1)?.push(...octets);
	}
	return dumps.length === 0 ? undefined : dumps.map((dump) => new Uint8Array(dump));
}

/** Octets of one line, at most sixteen; the column of characters behind them is left out. */
function dumpOctets(text: string, isXxd: boolean): number[] | undefined {
	const hex = isXxd ? text.split("  ")[0]! : text.split("|")[0]!;
	const octets: number[] = [];
	for (const group of hex.trim().split(/\s+/)) {
		if (!/^([0-9a-f]{2})+$/i.test(group)) return octets.length > 0 ? octets : undefined;
		for (let at = 0; at < group.length; at += 2) octets.push(Number.parseInt(group.slice(at, at + 2), 16));
	}
	return octets.length <= 16 ? octets : undefined;
}
