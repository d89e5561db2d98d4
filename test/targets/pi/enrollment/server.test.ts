import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { connect, createSecureContext } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { HttpsClient } from "../../../../targets/pi/enrollment/https-client.ts";
import {
	ACCOUNT_ATTEMPTS,
	ACCOUNT_REFILL_MS,
	MAX_ANSWER,
	MAX_CONNECTIONS_PER_SOURCE,
	MAX_FORM,
	SOURCE_ATTEMPTS,
	SOURCE_REFILL_MS,
} from "../../../../targets/pi/enrollment/limits.ts";
import { writeForm } from "../../../../targets/pi/enrollment/multipart.ts";
import { pem } from "../../../../targets/pi/household/key-pair.ts";
import { MAINTENANCE_MS, MAX_HOSTED_BATCH } from "../../../../targets/pi/household/limits.ts";
import { openMembership } from "../../../../targets/pi/household/membership.ts";
import { decodePlain, encodePlain } from "../../../../targets/pi/state/secret-box.ts";
import { crypto, form, HOME, PASSWORD } from "../support.ts";
import { type ServedHouse, serveHouse } from "./support.ts";

const ALICE = `alice@${HOME}`;
const text = (body: Uint8Array): string => Buffer.from(body).toString("utf8");
const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

function post(house: ServedHouse, fields: Record<string, string>, csr: Uint8Array | undefined, change: object = {}) {
	const parts: { name: string; contentType?: string; octets: Uint8Array }[] = Object.entries(fields).map(
		([name, value]) => ({
			name,
			octets: bytes(value),
		}),
	);
	if (csr !== undefined) parts.push({ name: "csr", contentType: "application/pkcs10", octets: csr });
	return house.call({
		method: "POST",
		path: "/enroll",
		headers: { Accept: "application/pkix-cert", "Content-Type": "multipart/form-data; boundary=b0undary" },
		body: writeForm(parts, "b0undary"),
		...change,
	});
}

describe("what everybody may have", () => {
	test("the configuration document, as RFC 6940 §11.2 has it", async () => {
		const house = await serveHouse();
		const answer = await house.call({ method: "GET", path: "/.well-known/reload-config" });
		expect(answer).toMatchObject({ status: 200, type: "application/p2p-overlay+xml" });
		expect(answer.body).toEqual(house.household.document);
		expect(text(answer.body)).toContain(`https://127.0.0.1:${house.address.port}/enroll`);
	});

	test("the CA", async () => {
		const house = await serveHouse();
		const answer = await house.call({ method: "GET", path: "/household-ca.pem" });
		expect(text(answer.body)).toBe(house.household.authority.rootPem);
	});

	test("a route of the host's own; and a client takes no more than MAX_ANSWER", async () => {
		const house = await serveHouse();
		let size = 10;
		house.server.route("GET", "/big", 0, () => ({ status: 200, type: "text/plain", body: new Uint8Array(size) }));
		expect((await house.call({ method: "GET", path: "/big" })).body).toHaveLength(10);
		size = MAX_ANSWER + 1;
		await expect(house.call({ method: "GET", path: "/big" })).rejects.toThrow(
			/no answer \(answer larger than 1048576 octets\)/,
		);
	});

	test("nothing else", async () => {
		const house = await serveHouse();
		expect((await house.call({ method: "GET", path: "/" })).status).toBe(404);
		expect((await house.call({ method: "GET", path: "//[" })).status).toBe(400);
		expect((await house.call({ method: "GET", path: "/enroll" })).status).toBe(405);
		for (const path of ["/household/changes", "/household/changes?since=0&epoch=0"])
			expect(await house.call({ method: "GET", path })).toMatchObject({ status: 403, body: bytes("not_a_peer") });
		for (const path of ["/household/hosted", "/household/address"])
			expect(await house.call({ method: "POST", path, body: encodePlain({}) })).toMatchObject({ status: 403 });
	});
});

describe("enrollment", () => {
	test("200 with the certificate", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const { csr } = form(crypto.generateKey(), ALICE);
		const answer = await post(house, { username: "alice", password: PASSWORD, nodeids: "2" }, csr);
		expect(answer).toMatchObject({ status: 200, type: "application/pkix-cert" });
		expect(answer.body[0]).toBe(0x30);
	});

	test("each failure: 403, text/plain, the RFC's token", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const key = crypto.generateKey();
		const { csr } = form(key, ALICE);
		const good = { username: "alice", password: PASSWORD };
		const token = async (fields: Record<string, string>, request: Uint8Array | undefined): Promise<string> => {
			const answer = await post(house, fields, request);
			expect(answer).toMatchObject({ status: 403, type: "text/plain" });
			house.clock.advance(ACCOUNT_REFILL_MS);
			return text(answer.body);
		};
		expect(await token({ ...good, password: "wrong horse" }, csr)).toBe("failed_authentication");
		expect(await token({ username: "alice" }, csr)).toBe("failed_authentication");
		expect(await token({ username: "x".repeat(300), password: "x" }, csr)).toBe("failed_authentication");
		expect(await token(good, form(key, `bob@${HOME}`).csr)).toBe("username_not_available");
		expect(await token({ ...good, nodeids: "99" }, csr)).toBe("Node-IDs_not_available");
		expect(await token({ ...good, nodeids: "two" }, csr)).toBe("Node-IDs_not_available");
		expect(await token(good, undefined)).toBe("bad_CSR");
		expect(await token(good, bytes("hello"))).toBe("bad_CSR");
		expect(await token({ ...good, csr: "as text" }, undefined)).toBe("bad_CSR");
	});

	test("a password that is not UTF-8", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const parts = [
			{ name: "username", octets: bytes("alice") },
			{ name: "password", octets: Uint8Array.of(0xc3, 0x28) },
			{ name: "csr", contentType: "application/pkcs10", octets: form(crypto.generateKey(), ALICE).csr },
		];
		const answer = await post(house, {}, undefined, { body: writeForm(parts, "b0undary") });
		expect(text(answer.body)).toBe("failed_authentication");
	});

	test("HTTP that is not the RFC's", async () => {
		const house = await serveHouse();
		const type = "multipart/form-data; boundary=b0undary";
		const status = async (headers: Record<string, string>, body = bytes("x")): Promise<number> =>
			(await post(house, {}, undefined, { headers, body })).status;
		expect(await status({ "Content-Type": type })).toBe(406);
		expect(await status({ Accept: "*/*", "Content-Type": type })).toBe(406);
		expect(await status({ Accept: "text/html, Application/PKIX-cert;q=0.9", "Content-Type": type })).toBe(400);
		expect(await status({ Accept: "application/pkix-cert", "Content-Type": "application/x-www-form-urlencoded" })).toBe(
			415,
		);
		expect(await status({ Accept: "application/pkix-cert", "Content-Type": type }, new Uint8Array(MAX_FORM + 1))).toBe(
			413,
		);
	});

	test("a body that grows beyond its limit without saying its length", async () => {
		const house = await serveHouse();
		const { address, port } = house.address;
		const socket = connect({ host: address, port, servername: HOME, ca: house.household.authority.rootPem });
		onTestFinished(() => void socket.destroy());
		socket.on("error", () => undefined);
		let answer = "";
		socket.on("data", (chunk: Buffer) => {
			answer += chunk.toString("latin1");
		});
		socket.write("POST /enroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
		const chunk = `1000\r\n${"x".repeat(0x1000)}\r\n`;
		for (let i = 0; i < 8; i++) socket.write(chunk);
		await expect.poll(() => answer).toMatch(/^HTTP\/1\.1 413 /);
	});
});

describe("attempts are limited", () => {
	test("per source; a good one is not counted", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const good = await post(house, { username: "alice", password: PASSWORD }, form(crypto.generateKey(), ALICE).csr);
		expect(good.status).toBe(200);
		const bad = () => post(house, {}, form(crypto.generateKey(), ALICE).csr);
		for (let i = 0; i < SOURCE_ATTEMPTS; i++) expect((await bad()).status).toBe(403);
		expect(await bad()).toMatchObject({ status: 429, body: bytes("too_many_attempts") });
		house.clock.advance(SOURCE_REFILL_MS - 1);
		expect((await bad()).status).toBe(429);
		house.clock.advance(1);
		expect((await bad()).status).toBe(403);
		expect(house.events).toContain("enroll.limited");
	});

	test.each(["alice", "nobody"])("per name, whether it exists or not: %s", async (username) => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const attempt = () => post(house, { username, password: "wrong horse" }, form(crypto.generateKey(), ALICE).csr);
		for (let i = 0; i < ACCOUNT_ATTEMPTS; i++) {
			expect((await attempt()).status).toBe(403);
			house.clock.advance(ACCOUNT_REFILL_MS / 20);
		}
		// Half an attempt was given back meanwhile; the source has long recovered.
		house.clock.advance(ACCOUNT_REFILL_MS / 2 - 1);
		expect((await attempt()).status).toBe(429);
		house.clock.advance(1);
		expect((await attempt()).status).toBe(403);
	});
});

test("limit: connections of one source; the others are not in the way of the next", async () => {
	const house = await serveHouse();
	const { address, port } = house.address;
	const open = () => connectTcp(port, address).on("error", () => undefined);
	const sockets = Array.from({ length: MAX_CONNECTIONS_PER_SOURCE }, open);
	onTestFinished(() => {
		for (const socket of sockets) socket.destroy();
	});
	await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
	const more = open();
	await new Promise((resolve) => more.once("close", resolve));
	expect(house.events).toContain("enrollment.connections");
	sockets.pop()?.destroy();
	await expect
		.poll(() =>
			house.call({ method: "GET", path: "/household-ca.pem" }).then(
				() => true,
				() => false,
			),
		)
		.toBe(true);
});

test("a renewal counts as an attempt, a right password does not", async () => {
	const house = await serveHouse();
	await house.admin.addAccount("alice", PASSWORD);
	const { csr } = form(crypto.generateKey(), ALICE);
	const fields = { username: "alice", password: PASSWORD };
	for (let i = 0; i < SOURCE_ATTEMPTS + 1; i++) expect((await post(house, fields, csr)).status).toBe(200);
	for (let i = 0; i < SOURCE_ATTEMPTS; i++) expect((await post(house, {}, csr)).status).toBe(200);
	expect((await post(house, {}, csr)).status).toBe(429);
});

describe("TLS", () => {
	test("leaf and CA are sent, TLS 1.2 with ECDHE-ECDSA-AES128-GCM-SHA256 is spoken, no client certificate is needed", async () => {
		const house = await serveHouse();
		const { address, port } = house.address;
		const socket = connect({
			host: address,
			port,
			servername: HOME,
			ca: house.household.authority.rootPem,
			maxVersion: "TLSv1.2",
			ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
		});
		onTestFinished(() => void socket.destroy());
		await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
		expect(socket.authorized).toBe(true);
		expect(socket.getPeerCertificate(true).issuerCertificate.raw).toEqual(
			Buffer.from(house.household.authority.root.der),
		);
	});

	test("the certificate follows the addresses, and is looked at every hour", async () => {
		const house = await serveHouse();
		await house.server.setHosts(["127.0.0.1", "192.0.2.77"]);
		const { address, port } = house.address;
		const names = async (): Promise<string> => {
			const socket = connect({ host: address, port, servername: HOME, ca: house.household.authority.rootPem });
			await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
			const { subjectaltname = "" } = socket.getPeerCertificate();
			socket.destroy();
			return subjectaltname;
		};
		expect(await names()).toContain("IP Address:192.0.2.77");
		expect(await names()).toContain(`DNS:${HOME}`);
		const before = house.state.getSealed("pi/tls") as { certificate: Uint8Array };
		house.clock.advance(300 * 86_400_000);
		house.timers.advance(MAINTENANCE_MS);
		await house.household.change(() => ({ result: undefined }));
		const after = house.state.getSealed("pi/tls") as { certificate: Uint8Array };
		expect(after.certificate).not.toEqual(before.certificate);
	});

	test("a port that is taken is an error with a fix", async () => {
		const house = await serveHouse();
		const other = await serveHouse();
		await other.server.close();
		await expect(other.server.listen({ ...house.address, host: "127.0.0.1", hosts: [] })).rejects.toThrow(
			/EADDRINUSE.*; choose another with --http/,
		);
	});
});

describe("peers", () => {
	async function peerOf(house: ServedHouse): Promise<HttpsClient> {
		const identity = openMembership(house.state, crypto)?.identity;
		if (identity === undefined) throw new Error("no identity");
		const { address, household } = house;
		const peer = new HttpsClient({
			address,
			overlayName: HOME,
			roots: [household.authority.root.der],
			identity: {
				cert: pem("CERTIFICATE", identity.certificate.der),
				key: pem("PRIVATE KEY", identity.key.exportPkcs8()),
			},
		});
		onTestFinished(() => peer.close());
		return peer;
	}

	test("are known by their certificate; changes are waited for", async () => {
		const house = await serveHouse();
		const peer = await peerOf(house);
		const first = decodePlain((await peer.call({ method: "GET", path: "/household/changes" })).body) as {
			epoch: string;
			sequence: number;
		};
		expect(first).toMatchObject(house.household.version);
		const path = `/household/changes?since=${first.sequence}&epoch=${first.epoch}`;
		const next = peer.call({ method: "GET", path });
		await expect.poll(() => house.household.connected()).toHaveLength(1);
		// The clock of the household stands still: the change waits for this peer's confirmation, which is its next question.
		const added = house.admin.addAccount("alice", PASSWORD);
		const news = decodePlain((await next).body) as { epoch: string; sequence: number; accounts: { name: string }[] };
		expect(news.accounts.map((account) => account.name)).toEqual(["alice"]);
		const confirm = new AbortController();
		const confirming = peer.call({
			method: "GET",
			path: `/household/changes?since=${news.sequence}&epoch=${news.epoch}`,
			signal: confirm.signal,
		});
		const name = openMembership(house.state, crypto)?.identity.userName;
		expect(await added).toMatchObject({ sequence: news.sequence, confirmed: [name], waiting: [] });
		confirm.abort();
		await expect(confirming).rejects.toThrow();
	});

	test("malformed questions", async () => {
		const house = await serveHouse();
		const peer = await peerOf(house);
		for (const query of [
			"since=1",
			"epoch=00",
			"since=-1&epoch=0123456789abcdef",
			"since=x&epoch=0123456789abcdef",
			"since=1&epoch=X",
		])
			expect((await peer.call({ method: "GET", path: `/household/changes?${query}` })).status).toBe(400);
		const many = encodePlain({ requests: new Array(MAX_HOSTED_BATCH + 1).fill({ aor: "a", csr: new Uint8Array() }) });
		for (const body of [
			many,
			encodePlain({}),
			encodePlain({ requests: [1] }),
			Uint8Array.of(0xff, 0x00),
			new Uint8Array(),
		])
			expect((await peer.call({ method: "POST", path: "/household/hosted", body })).status).toBe(400);
		for (const value of [{ link: "x" }, { link: [{ address: "x", port: 1 }] }])
			expect((await peer.call({ method: "POST", path: "/household/address", body: encodePlain(value) })).status).toBe(
				400,
			);
	});

	test("a certificate of the household that is no peer's is refused", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const key = crypto.generateKey();
		const result = await house.issuing.enroll(form(key, ALICE, "alice", PASSWORD));
		if ("refused" in result) throw new Error(result.refused);
		const user = new HttpsClient({
			address: house.address,
			overlayName: HOME,
			roots: [house.household.authority.root.der],
			identity: { cert: pem("CERTIFICATE", result.certificate), key: pem("PRIVATE KEY", key.exportPkcs8()) },
		});
		onTestFinished(() => user.close());
		expect((await user.call({ method: "GET", path: "/household/changes" })).status).toBe(403);
	});

	test("a stolen certificate without its key does not get through TLS", async () => {
		const house = await serveHouse();
		await house.admin.addAccount("alice", PASSWORD);
		const stolen = openMembership(house.state, crypto)?.identity.certificate.der ?? new Uint8Array();
		const key = crypto.generateKey();
		const own = await house.issuing.enroll(form(key, ALICE, "alice", PASSWORD));
		if ("refused" in own) throw new Error(own.refused);
		const keyPem = pem("PRIVATE KEY", key.exportPkcs8());
		// The client's own library refuses to put the two together ...
		expect(() => createSecureContext({ cert: pem("CERTIFICATE", stolen), key: keyPem })).toThrow(/key values mismatch/);
		// ... so the thief's own certificate is exchanged for the stolen one on its way, in the clear of TLS 1.2.
		const port = await swapClientCertificate(house.address.port, stolen);
		const options = { host: "127.0.0.1", port, servername: HOME, ca: house.household.authority.rootPem };
		const identity = { cert: pem("CERTIFICATE", own.certificate), key: keyPem };
		const socket = connect({ ...options, ...identity, maxVersion: "TLSv1.2" });
		onTestFinished(() => void socket.destroy());
		const error = await new Promise((resolve, reject) => socket.once("error", resolve).once("secureConnect", reject));
		expect(String(error)).toMatch(/decrypt error/);
	});
});

/** A relay that puts `certificate` in the place of the one a TLS 1.2 client sends. Gives its port. */
async function swapClientCertificate(serverPort: number, certificate: Uint8Array): Promise<number> {
	const relay = createTcpServer((client) => {
		const server = connectTcp(serverPort, "127.0.0.1");
		for (const socket of [client, server]) socket.on("error", () => undefined);
		server.pipe(client);
		let kept = Buffer.alloc(0);
		client.on("data", (chunk: Buffer) => {
			kept = Buffer.concat([kept, chunk]);
			// Record: type(1) version(2) length(2); handshake message: type(1) length(3). 22 = handshake, 11 = Certificate.
			while (kept.length >= 5 && kept.length >= 5 + kept.readUInt16BE(3)) {
				const size = 5 + kept.readUInt16BE(3);
				const record = kept.subarray(0, size);
				kept = kept.subarray(size);
				server.write(record[0] === 22 && record[5] === 11 ? certificateRecord(certificate) : record);
			}
		});
		client.on("close", () => server.destroy());
	});
	await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => void relay.close());
	return (relay.address() as AddressInfo).port;
}

/** RFC 5246 §7.4.2: a Certificate message with one certificate, in one record. */
function certificateRecord(certificate: Uint8Array): Buffer {
	const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);
	const list = Buffer.concat([u24(certificate.length), certificate]);
	const message = Buffer.concat([Buffer.from([11]), u24(list.length + 3), u24(list.length), list]);
	const head = Buffer.from([22, 3, 3, message.length >> 8, message.length & 0xff]);
	return Buffer.concat([head, message]);
}

test("stopping does not wait for a connection whose TLS handshake is under way", async () => {
	const house = await serveHouse();
	const tcp = connectTcp(house.address.port, "127.0.0.1");
	onTestFinished(() => void tcp.destroy());
	await new Promise((resolve) => tcp.once("connect", resolve));
	// Whoever connected later has been seen by the server, and so has this one.
	await house.call({ method: "GET", path: "/.well-known/reload-config" });
	const stopped = house.server.close();
	const late = connect({ socket: tcp, servername: HOME, rejectUnauthorized: false });
	const ended = new Promise<string>((resolve) => {
		late.once("error", () => resolve("ended"));
		late.once("close", () => resolve("ended"));
		late.once("secureConnect", () => resolve("up"));
	});
	expect(await ended).toBe("ended");
	await stopped;
});
