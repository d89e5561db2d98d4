/** Answers the questions of the suites in XS (tools/xs-host/xs/ask.ts): digests, keys, files below test/. */
import { createCipheriv } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import type { HashName, PrivateKey } from "../../hal/hal.ts";
import { nobleCrypto } from "../../hal/noble.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { answerQuestion, type QuestionHead, type Result } from "../../tools/xs-host/question.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

const node = nodeCrypto();
/** The keys of one suite's run, by their PKCS#8 octets: importing costs a multiplication. */
const keys = new Map<string, PrivateKey>();
const MAX_KEYS = 500;

interface Question extends QuestionHead {
	readonly name: string;
	readonly file: string;
	readonly count: number;
	readonly hash: number;
	readonly signature: number;
}

function keyOf(pkcs8: Uint8Array): PrivateKey {
	const name = Buffer.from(pkcs8).toString("base64");
	const known = keys.get(name);
	if (known !== undefined) return known;
	if (keys.size >= MAX_KEYS) keys.clear();
	const key = nobleCrypto({ random: node.random }).importKey(pkcs8);
	keys.set(name, key);
	return key;
}

function told(key: PrivateKey): Result {
	const pkcs8 = key.exportPkcs8();
	return [{ pkcs8: pkcs8.length }, Buffer.concat([pkcs8, key.spki])];
}

/** A file below test/, whatever the question says. */
function inTests(file: string): string {
	const path = normalize(join(ROOT, file.replace(/^file:\/\//, "")));
	if (!path.startsWith(join(ROOT, "test"))) throw new Error(`not below test/: ${file}`);
	return path;
}

/** question -> its answer, from its head and the octets that came with it */
const ANSWERS: Readonly<Record<string, (question: Question, parts: readonly Uint8Array[]) => Result>> = Object.freeze({
	hash: (question, [data]) => [{}, node.hash(question.name as HashName, data!)],
	hmac: (question, [key, data]) => [{}, node.hmac(question.name as HashName, key!, data!)],
	cipher: (question, [key, iv, data]) => [{}, createCipheriv(question.name, key!, iv!).update(data!)],
	random: (question) => [{}, node.random(question.count)],
	generate: (_question, [seed]) => told(nobleCrypto({ random: () => seed! }).generateKey()),
	import: (_question, [pkcs8]) => told(keyOf(pkcs8!)),
	// By noble: RFC 6979, so that fingerprints are the same in both engines.
	sign: (_question, [pkcs8, data]) => [{}, keyOf(pkcs8!).sign(data!)],
	verify: (question, [spki, data, value]) => {
		// RSA is none of noble's, so it is none of the one who asks as noble.
		const ok = question.signature === 3 && node.verify(spki!, question, data!, value!);
		return [{ ok }];
	},
	verifyByNode: (question, [spki, data, value]) => [{ ok: node.verify(spki!, question, data!, value!) }],
	read: (question) => [{}, readFileSync(inTests(question.file))],
	list: (question) => [{ names: readdirSync(inTests(question.file)) }],
});

export function answerSuite(question: Buffer): Uint8Array {
	return answerQuestion<Question>(question, (head, parts) => {
		const answer = ANSWERS[head.op];
		if (answer === undefined) throw new Error(`no such question: ${head.op}`);
		return answer(head, parts);
	});
}
