/** The scripted phone against itself, over loopback: without any edge in between, what fails here is the phone's own fault. */
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import { type Call, type PhoneOptions, ScriptedPhone } from "../../../tools/demo/phone.ts";
import { authorization, readSip, type SipText, value, values, writeSip } from "../../../tools/demo/sip-text.ts";

const open: ScriptedPhone[] = [];

async function phone(user: string, more: Partial<PhoneOptions> = {}): Promise<ScriptedPhone> {
	const edge = { address: "127.0.0.1", port: 9 };
	const made = await ScriptedPhone.start({
		user,
		password: "x",
		domain: "home.example",
		edge,
		address: "127.0.0.1",
		...more,
	});
	open.push(made);
	return made;
}

/** The URI at which a phone is reached without a registrar. */
function direct(to: ScriptedPhone): string {
	return to.contact[1].slice(1, -1);
}

async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

afterEach(() => {
	for (const one of open.splice(0)) one.close();
});

describe("calls", () => {
	test("answered, tone both ways, ended by the caller", async () => {
		const [anna, ben] = [await phone("anna"), await phone("ben")];
		const call = await anna.call(direct(ben));
		expect(await call.answered).toBe(200);
		const far = ben.calls[0] as Call;
		await until(() => call.rtp.received >= 10 && far.rtp.received >= 10);
		expect(await call.hangup()).toBe(200);
		expect(await far.ended).toBe("BYE");
		expect(far.peer).toBe("sip:anna@home.example");
		expect(Math.abs(call.rtp.sent - far.rtp.received)).toBeLessThanOrEqual(2);
	});

	test("ended by the callee", async () => {
		const [anna, ben] = [await phone("anna"), await phone("ben")];
		const call = await anna.call(direct(ben));
		await call.answered;
		expect(await (ben.calls[0] as Call).hangup()).toBe(200);
		expect(await call.ended).toBe("BYE");
	});

	test("cancelled while it rings: 200 for the CANCEL, 487 for the INVITE", async () => {
		const [anna, ben] = [await phone("anna"), await phone("ben")];
		ben.onInvite = () => undefined;
		const call = await anna.call(direct(ben));
		await call.ringing;
		expect(await call.hangup()).toBe(200);
		expect(await call.answered).toBe(487);
		expect(await (ben.calls[0] as Call).ended).toBe("CANCEL");
	});

	test("busy", async () => {
		const [anna, ben] = [await phone("anna"), await phone("ben")];
		ben.onInvite = (call) => call.refuse(486, "Busy Here");
		const call = await anna.call(direct(ben));
		expect(await call.answered).toBe(486);
		expect(await call.ended).toBe("486");
	});
});

test("MESSAGE, OPTIONS and what it does not know", async () => {
	const [anna, ben] = [await phone("anna"), await phone("ben")];
	expect(await anna.message(direct(ben), "tea is ready")).toBe(200);
	expect(ben.inbox).toEqual([{ from: "sip:anna@home.example", text: "tea is ready" }]);
	const draft = { uri: direct(ben), from: "<sip:a@b>;tag=1", to: "<sip:b@b>", callId: "c" };
	expect((await anna.ask({ ...draft, method: "OPTIONS" })).start).toBe("SIP/2.0 200 OK");
	expect((await anna.ask({ ...draft, method: "REFER" })).start).toBe("SIP/2.0 405 Method Not Allowed");
	expect((await anna.ask({ ...draft, method: "BYE" })).start).toBe("SIP/2.0 481 Call Does Not Exist");
});

test("registers with digest; a datagram that is lost is sent again; a second challenge is the end", async () => {
	const registrar = createSocket("udp4");
	await new Promise<void>((resolve) => registrar.bind(0, "127.0.0.1", resolve));
	const seen: SipText[] = [];
	registrar.on("message", (data, from) => {
		const message = readSip(data.toString()) as SipText;
		seen.push(message);
		if (seen.length === 1) return;
		const proof = value(message, "authorization");
		const good =
			/username="anna".*uri="sip:home.example".*nonce="n1"|username="anna".*nonce="n1".*uri="sip:home.example"/;
		const headers = message.headers.filter(([name]) => ["via", "from", "to", "call-id", "cseq"].includes(name));
		const challenge: [string, string] = ["www-authenticate", 'Digest realm="home.example", nonce="n1", qop="auth"'];
		const [start, more] = good.test(proof) ? ["SIP/2.0 200 OK", []] : ["SIP/2.0 401 Unauthorized", [challenge]];
		registrar.send(writeSip({ start, headers: [...headers, ...more], body: "" }), from.port, from.address);
	});
	try {
		const edge = { address: "127.0.0.1", port: registrar.address().port };
		expect(await (await phone("anna", { edge })).register()).toBe(200);
		expect(seen.map((message) => value(message, "cseq").split(" ")[0])).toHaveLength(3);
		expect(value(seen[1] as SipText, "via")).toBe(value(seen[0] as SipText, "via"));
		expect(value(seen[2] as SipText, "call-id")).toBe(value(seen[0] as SipText, "call-id"));
		expect(await (await phone("mallory", { edge })).register()).toBe(401);
		expect(seen).toHaveLength(5);
	} finally {
		registrar.close();
	}
});

describe("text", () => {
	test("digest: the example of RFC 7616 §3.9.1", () => {
		const nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
		const challenge = (algorithm: string): string =>
			`WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}"`;
		const answer = (...algorithms: string[]): string | undefined => {
			const message = readSip(`SIP/2.0 401 Unauthorized\r\n${algorithms.map(challenge).join("\r\n")}\r\n\r\n`);
			if (message === undefined) return undefined;
			const credentials = { user: "Mufasa", password: "Circle of Life" };
			const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
			return authorization(message, "GET", "/dir/index.html", credentials, cnonce)?.[1];
		};
		expect(answer("MD5")).toContain('response="8ca523f5e9506fed4657c9700eebdbec"');
		const strong = 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"';
		expect(answer("SHA-256")).toContain(strong);
		expect(answer("MD5", "SHA-256")).toContain(strong);
		expect(answer("SHA-512-256")).toBeUndefined();
	});

	test("lists, compact names, folded lines", () => {
		const text =
			'OPTIONS sip:a SIP/2.0\r\nm: "x, <y>" <sip:a,b@c>;q=1,\r\n <sip:d>\r\nRecord-Route: <sip:e;lr>\r\n\r\n';
		const message = readSip(text);
		if (message === undefined) throw new Error("not read");
		expect(values(message, "contact")).toEqual(['"x, <y>" <sip:a,b@c>;q=1', "<sip:d>"]);
		expect(values(message, "record-route")).toEqual(["<sip:e;lr>"]);
		expect(readSip("\r\n\r\n")).toBeUndefined();
	});
});
