/** Whole numbers in text: ports, tags, lengths. */

/** Its value when the text is 1 to `digits` decimal digits, leading zeros among them, and not above `most`; else -1. */
export function decimal(text: string, most: number, digits = 10): number {
	if (text.length === 0 || text.length > digits) return -1;
	let value = 0;
	for (let i = 0; i < text.length; i++) {
		const digit = text.charCodeAt(i) - 0x30;
		if (digit < 0 || digit > 9) return -1;
		value = value * 10 + digit;
	}
	return value <= most ? value : -1;
}
