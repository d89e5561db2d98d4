/**
 * Who holds how many slots: walks all that can be reached from the device unit, and adds up what each kind of thing costs. A list by
 * class and a list by owner; what closures capture cannot be seen.
 */

interface Count {
	objects: number;
	slots: number;
}

/** Slots of one thing alone, by the table of costs that was measured on the device's engine. */
function costOf(thing: object): number {
	if (typeof thing === "function") return 5;
	if (ArrayBuffer.isView(thing)) return thing.byteOffset === 0 && thing.buffer.byteLength === thing.byteLength ? 7 : 4;
	if (thing instanceof Map) return 4 + 3 * thing.size;
	if (thing instanceof Set) return 4 + 2 * thing.size;
	if (Array.isArray(thing)) return 2;
	return 1 + Reflect.ownKeys(thing).length;
}

function partsOf(thing: object): [string, unknown][] {
	if (typeof thing === "function" || ArrayBuffer.isView(thing)) return [];
	if (thing instanceof Map)
		return [...thing].flatMap(([key, value]) => [["key", key] as [string, unknown], ["[]", value]]);
	if (Array.isArray(thing) || thing instanceof Set) return [...thing].map((value) => ["[]", value]);
	return Reflect.ownKeys(thing).map((key) => [String(key), (thing as Record<PropertyKey, unknown>)[key]]);
}

function add(counts: Map<string, Count>, name: string, slots: number): void {
	const count = counts.get(name) ?? { objects: 0, slots: 0 };
	count.objects++;
	count.slots += slots;
	counts.set(name, count);
}

/** Names of fields are the source's own: the prefix of an opened private name is taken off. */
function plain(name: string): string {
	return name.replace(/^\$[0-9a-z]+_/, "");
}

/** `depth`: how many fields name an owner. Frozen things are the code's, in flash. */
export function profile(root: object, depth: number): { byClass: [string, Count][]; byOwner: [string, Count][] } {
	const seen = new Set<unknown>([root]);
	const byClass = new Map<string, Count>();
	const byOwner = new Map<string, Count>();
	let wave: { thing: object; path: readonly string[] }[] = [{ thing: root, path: [] }];
	// Breadth first: a thing belongs to whom it is nearest to.
	while (wave.length > 0) {
		const next: typeof wave = [];
		for (const { thing, path } of wave) {
			const slots = costOf(thing);
			add(byClass, thing.constructor?.name ?? "none", slots);
			add(byOwner, path.slice(0, depth).join("."), slots);
			for (const [name, part] of partsOf(thing)) {
				if ((typeof part !== "object" && typeof part !== "function") || part === null || seen.has(part)) continue;
				seen.add(part);
				if (typeof part === "object" && Object.isFrozen(part) && !ArrayBuffer.isView(part)) continue;
				next.push({ thing: part, path: [...path, plain(name)] });
			}
		}
		wave = next;
	}
	const sorted = (counts: Map<string, Count>) => [...counts].sort((a, b) => b[1].slots - a[1].slots);
	return { byClass: sorted(byClass), byOwner: sorted(byOwner) };
}
