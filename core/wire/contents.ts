/** MessageContents: code, body and extensions of a message (RFC 6940 §6.3.3). */
import { MessageExtensionType } from "./codes.ts";
import type { WireReader } from "./reader.ts";
import { WireWriter } from "./writer.ts";

export interface MessageExtension {
	readonly type: number;
	/** RFC 6940 §6.3.3: a destination that does not understand it must answer Error_Unknown_Extension. */
	readonly critical: boolean;
	readonly extensionContents: Uint8Array;
}

export interface MessageContents {
	readonly messageCode: number;
	/** The structure that belongs to the code, still encoded. */
	readonly messageBody: Uint8Array;
	readonly extensions: readonly MessageExtension[];
}

export function readMessageContents(reader: WireReader): MessageContents {
	const messageCode = reader.u16();
	const messageBody = reader.opaque32();
	const extensions: MessageExtension[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) extensions.push(readMessageExtension(reader));
	reader.leave(outer);
	return { messageCode, messageBody, extensions };
}

function readMessageExtension(reader: WireReader): MessageExtension {
	const at = reader.at;
	const type = reader.u16();
	if (type === MessageExtensionType.invalid) reader.refuse("message extension type 0 is invalid", at);
	const critical = reader.boolean();
	return { type, critical, extensionContents: reader.opaque32() };
}

export function writeMessageContents(writer: WireWriter, contents: MessageContents): void {
	writer.u16(contents.messageCode);
	writer.opaque32(contents.messageBody);
	const mark = writer.open32();
	for (let i = 0; i < contents.extensions.length; i++) {
		const extension = contents.extensions[i]!;
		writer.u16(extension.type);
		writer.boolean(extension.critical);
		writer.opaque32(extension.extensionContents);
	}
	writer.close(mark);
}

/** The complete encoding: what goes into the message and under the signature. */
export function encodeMessageContents(contents: MessageContents): Uint8Array {
	let octets = contents.messageBody.length + 10;
	for (let i = 0; i < contents.extensions.length; i++) octets += 7 + contents.extensions[i]!.extensionContents.length;
	const writer = new WireWriter(octets);
	writeMessageContents(writer, contents);
	return writer.take();
}
