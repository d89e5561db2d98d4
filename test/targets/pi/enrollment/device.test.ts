/** What a device is answered: everything in one CBOR map, in small TLS records. */
import { connect } from "node:tls";
import { Decoder } from "cbor-x";
import { expect, test } from "vitest";
import { makeCertificationRequest } from "../../../../core/identity/pkcs10.ts";
import { writeForm } from "../../../../targets/pi/enrollment/multipart.ts";
import { crypto, HOME } from "../support.ts";
import { type ServedHouse, serveHouse } from "./support.ts";

const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

function ask(house: ServedHouse, password: string, csr: Uint8Array) {
	const parts = [
		{ name: "username", octets: bytes("frontdoor") },
		{ name: "password", octets: bytes(password) },
		{ name: "csr", contentType: "application/pkcs10", octets: csr },
	];
	return house.call({
		method: "POST",
		path: "/enroll",
		headers: { Accept: "application/cbor", "Content-Type": "multipart/form-data; boundary=b0undary" },
		body: writeForm(parts, "b0undary"),
	});
}

test("certificate, CA, document and settings key come in one map of definite length without tags", async () => {
	const house = await serveHouse();
	const { code } = await house.admin.invite({ role: "device", name: "frontdoor", addresses: [house.address] });
	const csr = makeCertificationRequest(crypto.generateKey(), `frontdoor@${HOME}`);
	const answer = await ask(house, code, csr);
	expect(answer).toMatchObject({ status: 200, type: "application/cbor" });
	expect(answer.body[0]).toBe(0xa5);
	const map = new Decoder({ useRecords: false, mapsAsObjects: true }).decode(answer.body) as Record<string, unknown>;
	expect(Object.keys(map)).toEqual(["certificate", "root", "document", "settingsKey", "userName"]);
	expect(Buffer.compare(map.root as Buffer, house.household.authority.root.der)).toBe(0);
	expect(Buffer.compare(map.document as Buffer, house.household.document)).toBe(0);
	expect(map.settingsKey).toHaveLength(32);
	expect(map.userName).toBe(`frontdoor@${HOME}`);
	const wrong = await ask(house, "AAAA-AAAA-AAAA", makeCertificationRequest(crypto.generateKey(), `frontdoor@${HOME}`));
	expect(wrong.status).toBe(403);
	expect(Buffer.from(wrong.body).toString()).toBe("failed_authentication");
});

test("a client of TLS 1.2 with one suite and P-256 gets records of 4,096 octets at most, and leaf and CA", async () => {
	const house = await serveHouse();
	const socket = connect({
		host: "127.0.0.1",
		port: house.address.port,
		maxVersion: "TLSv1.2",
		ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
		ecdhCurve: "prime256v1",
		servername: HOME,
		rejectUnauthorized: false,
	});
	await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
	expect(socket.getProtocol()).toBe("TLSv1.2");
	expect(socket.getCipher().name).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
	const issuer = socket.getPeerCertificate(true).issuerCertificate;
	expect(Buffer.compare(issuer.raw, house.household.authority.root.der)).toBe(0);
	socket.write(`GET /.well-known/reload-config HTTP/1.1\r\nHost: ${HOME}\r\nConnection: close\r\n\r\n`);
	let largest = 0;
	let total = 0;
	// Node hands on one record at a time.
	for await (const chunk of socket as AsyncIterable<Buffer>) {
		largest = Math.max(largest, chunk.length);
		total += chunk.length;
	}
	expect(total).toBeGreaterThan(house.household.document.length);
	expect(largest).toBeLessThanOrEqual(4_096);
});
