/** What the benches give: tables, and the figures that are held against what is required; as text, Markdown or JSON. */

export interface Table {
	readonly title: string;
	readonly columns: readonly string[];
	/** The first cell of each row is its name. */
	readonly rows: readonly (readonly string[])[];
	readonly note?: string;
}

/** One requirement and what was measured. */
export interface Figure {
	readonly what: string;
	readonly ours: number;
	/** What it is held against; absent where the requirement is absolute. */
	readonly theirs?: number;
	readonly unit: string;
	/** The figure the requirement speaks of: a ratio, or the value itself. */
	readonly value: number;
	readonly required: number;
	/** "most": the value may be at most what is required; "least": at least. */
	readonly bound: "least" | "most";
}

export interface Section {
	readonly tables: readonly Table[];
	readonly figures: readonly Figure[];
	/** What could not be measured, and how it could. */
	readonly missing: readonly string[];
}

export function passes(figure: Figure): boolean {
	return figure.bound === "least" ? figure.value >= figure.required : figure.value <= figure.required;
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const half = sorted.length >> 1;
	if (sorted.length % 2 === 1) return sorted[half]!;
	return ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}

/** About three digits. */
export function short(value: number): string {
	if (!Number.isFinite(value)) return "-";
	const size = Math.abs(value);
	if (size >= 1_000) return Math.round(value).toLocaleString("en");
	return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** All figures as one table. */
export function verdicts(figures: readonly Figure[]): Table {
	const rows = figures.map((figure) => {
		const { what, ours, theirs, unit, value, required, bound } = figure;
		const isRatio = theirs !== undefined;
		return [
			what,
			`${short(ours)} ${unit}`.trim(),
			isRatio ? `${short(theirs)} ${unit}`.trim() : "",
			isRatio ? short(value) : "",
			`at ${bound} ${short(required)}${isRatio ? "" : ` ${unit}`}`,
			passes(figure) ? "pass" : "SHORT",
		];
	});
	return { title: "Required figures", columns: ["figure", "ours", "theirs", "ratio", "required", ""], rows };
}

function widths({ columns, rows }: Table): number[] {
	return columns.map((column, i) => Math.max(column.length, ...rows.map((row) => (row[i] ?? "").length)));
}

/** Names left, everything else right. */
function align(cells: readonly string[], width: readonly number[]): string[] {
	return width.map((octets, i) => (i === 0 ? (cells[i] ?? "").padEnd(octets) : (cells[i] ?? "").padStart(octets)));
}

export function asText(table: Table): string {
	const width = widths(table);
	const lines = [table.columns, ...table.rows].map((row) => align(row, width).join("   ").trimEnd());
	return `${[table.title, "", ...lines, ...(table.note === undefined ? [] : ["", table.note])].join("\n")}\n`;
}

export function asMarkdown(table: Table): string {
	const width = widths(table);
	const line = (row: readonly string[]): string => `| ${align(row, width).join(" | ")} |`;
	const rule = width.map((octets, i) => (i === 0 ? "-".repeat(octets) : `${"-".repeat(octets - 1)}:`));
	const lines = [line(table.columns), `| ${rule.join(" | ")} |`, ...table.rows.map(line)];
	return `${[`### ${table.title}`, "", ...lines, ...(table.note === undefined ? [] : ["", table.note])].join("\n")}\n`;
}
