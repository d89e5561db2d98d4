/** The golden vectors: decoded as an independent decoder saw them, encoded again to the same octets. */
import { describe, expect, test } from "vitest";
import { isRefused } from "../../../core/machine.ts";
import { describeFramedMessage, describeMessage } from "../../../core/wire/describe.ts";
import * as wire from "../../../core/wire/index.ts";
import { rewriteBody } from "./bodies.ts";
import { hex, modelOf, readFunctions, readVectors, sha1, sha256 } from "./kit.ts";

const OPTIONS = { nodeIdLength: 16, modelOf, sha256 };

/** Notes of the vector's author that are not on the wire. */
function withoutNotes(fields: unknown): unknown {
	if (Array.isArray(fields)) return fields.map(withoutNotes);
	if (typeof fields !== "object" || fields === null) return fields;
	const entries = Object.entries(fields).filter(([key]) => key !== "resourceName" && key !== "resourceNameHex");
	return Object.fromEntries(entries.map(([key, value]) => [key, withoutNotes(value)]));
}

function read(bytes: Uint8Array): wire.Message {
	const message = wire.readMessage(bytes, 16);
	if (isRefused(message)) throw new Error(`refused: ${message.refused} at ${message.at}`);
	return message;
}

const MESSAGES = readVectors("message");

test("there are 28 message vectors and 3 framed ones", () => {
	expect(MESSAGES.length).toBe(28);
	expect(readVectors("framed").length).toBe(3);
});

describe.each(MESSAGES.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
	const bytes = hex(vector.hex);
	const parts = vector.parts!;

	test("decodes to its fields", () => {
		const description = describeMessage(bytes, OPTIONS);
		expect(description.refused).toBeUndefined();
		expect(description.fields).toMatchObject(withoutNotes(vector.fields) as object);
	});

	test("encodes to the same octets", () => {
		const message = read(bytes);
		const contents = wire.encodeMessageContents(message.contents);
		expect(wire.toHex(contents)).toBe(parts.message_contents);
		expect(wire.toHex(wire.writeMessage(message.header, contents, message.security))).toBe(vector.hex);
		const header = wire.encode(wire.writeForwardingHeader, message.header);
		expect(wire.toHex(header)).toBe(parts.forwarding_header);
		expect(wire.toHex(wire.encode(wire.writeSecurityBlock, message.security))).toBe(parts.security_block);
	});

	test("its body is read and written again", () => {
		const { messageCode, messageBody } = read(bytes).contents;
		expect(wire.toHex(messageBody)).toBe(parts.message_body);
		expect(rewriteBody(messageCode, messageBody, 16)).toEqual(new Uint8Array(messageBody));
	});

	test("its signatures cover what they should", () => {
		const message = read(bytes);
		expect(wire.toHex(wire.messageSignatureInput(message))).toBe(parts.message_signature_input);
		const inputs = storedInputs(message).map((input) => wire.toHex(input));
		expect(inputs).toEqual(parts.stored_data_signature_inputs ?? []);
	});

	test("a view of it agrees with the decoded header", () => {
		const view = new wire.ForwardingView(16);
		expect(view.look(bytes)).toBe(true);
		const { header } = read(bytes);
		expect(view.destinationCount).toBe(header.destinationList.length);
		expect(view.viaCount).toBe(header.viaList.length);
		expect(wire.toHex(view.payload())).toBe(`${parts.message_contents}${parts.security_block}`);
	});
});

/** Signature inputs of all values of a Store request or Fetch answer. */
function storedInputs(message: wire.Message): Uint8Array[] {
	const { messageCode, messageBody } = message.contents;
	if (messageCode === wire.MessageCode.storeReq) {
		const request = wire.readStoreReq(messageBody, modelOf);
		if (isRefused(request)) throw new Error(request.refused);
		return request.kindData.flatMap((entry) =>
			entry.values.map((stored) => wire.storedDataSignatureInput(request.resource, entry.kind, stored)),
		);
	}
	if (messageCode !== wire.MessageCode.fetchAns) return [];
	const answer = wire.readFetchAns(messageBody, modelOf);
	if (isRefused(answer)) throw new Error(answer.refused);
	// The answer does not name its resource; vector 06 answers for alice's.
	const resource = hex("6df379fb05075b13ada5f9d9ae9fbaa0");
	return answer.kindResponses.flatMap((entry) =>
		entry.values.map((stored) => wire.storedDataSignatureInput(resource, entry.kind, stored)),
	);
}

describe.each(readVectors("framed").map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
	const bytes = hex(vector.hex);

	test("decodes to its fields and encodes to the same octets", () => {
		const frame = wire.decodeFramedMessage(bytes);
		if (isRefused(frame)) throw new Error(frame.refused);
		expect(wire.toHex(wire.encode(wire.writeFramedMessage, frame))).toBe(vector.hex);
		expect(wire.framedLength(bytes, 0, bytes.length)).toBe(bytes.length);
		const { fields, refused } = describeFramedMessage(bytes, OPTIONS);
		expect(refused).toBeUndefined();
		const { message, ...others } = vector.fields as { message?: string };
		expect(fields).toMatchObject(others);
		if (message !== undefined && frame.type === 128) expect(wire.toHex(frame.message)).toBe(message);
	});

	test("the writers that do not allocate write the same octets", () => {
		const out = new Uint8Array(bytes.length);
		const frame = wire.decodeFramedMessage(bytes);
		if (isRefused(frame)) throw new Error(frame.refused);
		if (frame.type === wire.FramedMessageType.ack) wire.putAckFrame(out, 0, frame.ackSequence, frame.received);
		else {
			wire.putDataFrameHeader(out, 0, frame.sequence, frame.message.length);
			out.set(frame.message, wire.DATA_FRAME_HEADER_OCTETS);
		}
		expect(wire.toHex(out)).toBe(vector.hex);
	});
});

describe("00-functions", () => {
	const functions = readFunctions() as {
		overlayHash: { name: string; overlay: string }[];
		certHash: {
			certificate: string;
			sha256: string;
			multiNodeCertificate: string;
			certHashNodeId: { nodeId: string; sha256: string };
			uri: string;
		};
	};

	test.each(functions.overlayHash.map((entry) => [entry.name, entry.overlay]))(
		"overlay hash of %s",
		(name, overlay) => {
			expect(`0x${wire.overlayHash(name!, sha1).toString(16).padStart(8, "0")}`).toBe(overlay);
		},
	);

	test("certificate hash inputs of both identity types", () => {
		const { certificate, multiNodeCertificate, certHashNodeId } = functions.certHash;
		expect(wire.toHex(sha256(wire.certificateHashInput(hex(certificate))))).toBe(functions.certHash.sha256);
		const input = wire.certificateHashInput(hex(multiNodeCertificate), hex(certHashNodeId.nodeId));
		expect(wire.toHex(sha256(input))).toBe(certHashNodeId.sha256);
	});

	test("the URI of the certificate", () => {
		const uri = wire.readReloadUri(functions.certHash.uri, 16);
		if (isRefused(uri)) throw new Error(uri.refused);
		expect(uri.overlayName).toBe("overlay.example.org");
		expect(uri.destinationList).toEqual([wire.nodeDestination(hex("8a0c5b7e1f2d4a6993c1d0e2b4f60718"))]);
		expect(wire.writeReloadUri(uri)).toBe(functions.certHash.uri);
		expect(wire.nodeUri(hex("8a0c5b7e1f2d4a6993c1d0e2b4f60718"), "overlay.example.org")).toBe(functions.certHash.uri);
	});
});
