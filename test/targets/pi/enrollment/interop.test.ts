/** Stock programs against the enrollment server: curl fetches the document and enrolls, openssl makes the request and checks the chain. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readCertificate } from "../../../../core/identity/certificate.ts";
import { isRefused } from "../../../../core/machine.ts";
import { crypto, HOME, PASSWORD, scratch } from "../support.ts";
import { serveHouse } from "./support.ts";

const run = promisify(execFile);

test("curl fetches the document and enrolls with a request by openssl", async () => {
	const house = await serveHouse();
	await house.admin.addAccount("alice", PASSWORD);
	const directory = scratch();
	const file = (name: string): string => join(directory, name);
	const { port } = house.address;
	const base = `https://${HOME}:${port}`;
	const curl = (...args: string[]) =>
		run("curl", ["-sS", "--cacert", house.state.directory.caPath, "--resolve", `${HOME}:${port}:127.0.0.1`, ...args]);

	await curl("-o", file("config.relo"), `${base}/.well-known/reload-config`);
	expect(new Uint8Array(readFileSync(file("config.relo")))).toEqual(house.household.document);
	// By address as well: it is in the certificate.
	await curl("-o", file("again.relo"), `https://127.0.0.1:${port}/.well-known/reload-config`);

	const subject = ["-subj", "/", "-addext", `subjectAltName=email:alice@${HOME}`];
	const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("alice.key")];
	await run("openssl", ["req", "-new", ...key, ...subject, "-outform", "DER", "-out", file("alice.csr")]);
	const enroll = (...fields: string[]) =>
		curl(
			...["-H", "Accept: application/pkix-cert", "-o", file("answer"), "-w", "%{http_code} %{content_type}"],
			...fields.flatMap((field) => ["-F", field]),
			...["-F", `csr=@${file("alice.csr")};type=application/pkcs10`, `${base}/enroll`],
		);
	expect((await enroll("username=alice", "password=wrong horse")).stdout).toBe("403 text/plain");
	expect(readFileSync(file("answer"), "utf8")).toBe("failed_authentication");
	expect((await enroll("username=alice", `password=${PASSWORD}`, "nodeids=2")).stdout).toBe(
		"200 application/pkix-cert",
	);

	const certificate = readCertificate(new Uint8Array(readFileSync(file("answer"))), crypto);
	if (isRefused(certificate)) throw new Error(certificate.refused);
	expect(certificate.nodeIds).toHaveLength(2);
	await run("openssl", ["x509", "-inform", "DER", "-in", file("answer"), "-out", file("alice.pem")]);
	writeFileSync(file("ca.pem"), house.household.authority.rootPem);
	const attime = String(Math.floor(house.clock.wallMs() / 1000));
	const verified = await run("openssl", [
		"verify",
		"-x509_strict",
		"-attime",
		attime,
		"-CAfile",
		file("ca.pem"),
		file("alice.pem"),
	]);
	expect(verified.stdout).toContain("OK");
	const { stdout } = await run("openssl", ["x509", "-noout", "-ext", "subjectAltName", "-in", file("alice.pem")]);
	expect(stdout).toMatch(/URI:reload:\/\/0110[0-9a-f]{32}@home\.example\/, URI:.*email:alice@home\.example/);
});

test("curl refuses the server under another name; openssl s_client sees the chain", async () => {
	const house = await serveHouse();
	const { port } = house.address;
	const ca = house.state.directory.caPath;
	const args = ["-sS", "--cacert", ca, "--resolve", `other.example:${port}:127.0.0.1`];
	await expect(run("curl", [...args, `https://other.example:${port}/.well-known/reload-config`])).rejects.toThrow(
		/SSL|certificate/,
	);
	const client = run("openssl", [
		"s_client",
		"-connect",
		`127.0.0.1:${port}`,
		"-servername",
		HOME,
		"-verify_hostname",
		HOME,
		"-CAfile",
		ca,
		"-tls1_2",
		"-cipher",
		"ECDHE-ECDSA-AES128-GCM-SHA256",
		"-showcerts",
	]);
	client.child.stdin?.end();
	const { stdout } = await client;
	expect(stdout).toContain("Verify return code: 0 (ok)");
	expect(stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
});
