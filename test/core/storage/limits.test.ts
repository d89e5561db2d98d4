/** What happens at each limit of the store: the newest is refused, what is there stays. */
import { describe, expect, test } from "vitest";
import { type StorageLimits, VALUE_OVERHEAD } from "../../../core/storage/limits.ts";
import { ErrorCode } from "../../../core/wire/codes.ts";
import { entry, Kind, resourceOf, single, T0, textOf, World } from "./support.ts";

function filling(limits: Partial<StorageLimits>) {
	const world = new World({ storage: { limits } });
	const users = [0, 1, 2, 3].map((i) => world.identity(`user${i}@house.example`));
	const store = (user: number, text: string, more: { kind?: number; storageTime?: number } = {}) => {
		const who = users[user]!;
		const place = resourceOf(who.userName);
		const kind = more.kind ?? Kind.userSingle;
		const value = kind === Kind.userArray ? entry(0, text) : single(text);
		const stored = world.sign(who, place, kind, value, { storageTime: more.storageTime ?? T0 });
		const result = world.store(who, place, kind, [stored]);
		if (result.ok) world.commit(result.change);
		return result.ok ? "stored" : `${result.errorCode} ${textOf(result)}`;
	};
	return { world, users, store };
}

/** One value of 90 octets with its signature, but not two. */
const ROOM = VALUE_OVERHEAD + 300;

const FULL = new RegExp(`^${ErrorCode.dataTooLarge} `);

describe("limits of the peer", () => {
	test("maxResources: another value at a known resource is fine, another resource is not", () => {
		const { store } = filling({ maxResources: 2 });
		expect([store(0, "a"), store(1, "a")]).toEqual(["stored", "stored"]);
		expect(store(2, "a")).toMatch(FULL);
		expect(store(0, "b", { storageTime: T0 + 1 })).toBe("stored");
		expect(store(0, "c", { kind: Kind.userArray })).toBe("stored");
	});

	test("maxValues: replacing is no growth", () => {
		const { store } = filling({ maxValues: 2 });
		expect([store(0, "a"), store(1, "a")]).toEqual(["stored", "stored"]);
		expect(store(2, "a")).toMatch(FULL);
		expect(store(1, "b", { storageTime: T0 + 1 })).toBe("stored");
	});

	test("maxOctets: a smaller value in place of a bigger one is always welcome", () => {
		const { world, store } = filling({ maxOctets: 3 * ROOM });
		expect(store(0, "x".repeat(90))).toBe("stored");
		expect(store(1, "x".repeat(90))).toBe("stored");
		let last = "";
		for (let user = 2; user < 4; user++) last = store(user, "x".repeat(90));
		expect(last).toMatch(FULL);
		expect(world.storage.totals().octets).toBeLessThanOrEqual(3 * ROOM);
		expect(store(0, "", { storageTime: T0 + 1 })).toBe("stored");
	});

	test("per signer: values and octets, counted under the user name for all of its Node-IDs", () => {
		const { world, users, store } = filling({ maxValuesPerSigner: 2 });
		expect([store(0, "a"), store(0, "a", { kind: Kind.userArray })]).toEqual(["stored", "stored"]);
		const second = world.identity(users[0]!.userName);
		const own = resourceOf(users[0]!.userName);
		const dictionary = world.sign(second, own, Kind.userDictionary, {
			model: "dictionary",
			key: new Uint8Array(1),
			value: { exists: true, value: new Uint8Array() },
		});
		const result = world.store(second, own, Kind.userDictionary, [dictionary]);
		expect(result.ok ? "stored" : textOf(result)).toMatch(/of this signer/);
		expect(store(1, "a")).toBe("stored");
		const narrow = filling({ maxOctetsPerSigner: ROOM });
		expect(narrow.store(0, "x".repeat(50))).toBe("stored");
		expect(narrow.store(0, "x".repeat(50), { kind: Kind.userArray })).toMatch(FULL);
		expect(narrow.store(1, "x".repeat(50))).toBe("stored");
	});

	test("maxCertificates", () => {
		const { world, store } = filling({ maxCertificates: 1 });
		expect(store(0, "a")).toBe("stored");
		expect(store(1, "a")).toMatch(FULL);
		expect(store(0, "a", { kind: Kind.userArray })).toBe("stored");
		expect(world.storage.totals().certificates).toBe(1);
	});

	test("maxValuesPerRequest and maxKindsPerRequest", () => {
		const { world, users } = filling({ maxValuesPerRequest: 2, maxKindsPerRequest: 2 });
		const who = users[0]!;
		const place = resourceOf(who.userName);
		const at = (i: number) => world.sign(who, place, Kind.userArray, entry(i, ""));
		expect(world.store(who, place, Kind.userArray, [at(0), at(1), at(2)])).toMatchObject({
			ok: false,
			errorCode: ErrorCode.dataTooLarge,
		});
		const data = (kind: number) => ({ kind, generationCounter: 0, values: [] });
		const kindData = [data(Kind.userArray), data(Kind.userSingle), data(Kind.nodeSingle)];
		const request = { resource: place, replicaNumber: 0, kindData };
		expect(world.storage.handleStore(request, world.context(who))).toMatchObject({
			ok: false,
			errorCode: ErrorCode.invalidMessage,
		});
	});

	test("room comes back when values go", () => {
		const { world, store } = filling({ maxValues: 1 });
		expect(store(0, "a")).toBe("stored");
		expect(store(1, "a")).toMatch(FULL);
		world.wallMs += 3_600_000;
		world.commit(world.storage.expire(world.wallMs));
		expect(store(1, "a")).toBe("stored");
	});
});
