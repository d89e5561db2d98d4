/** SipRegistration: the value of Kind SIP-REGISTRATION (RFC 7904 §3.2). */
import type { Refused } from "../machine.ts";
import { SipRegistrationType } from "./codes.ts";
import { type Destination, readDestinations, writeDestinations } from "./destination.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export type SipRegistration =
	/** Another AOR to look up in place of this one. */
	| { readonly type: 1; readonly uri: Uint8Array }
	/** How to reach the UA; feature predicate of RFC 3840, may be empty. */
	| {
			readonly type: 2;
			readonly contactPrefs: Uint8Array;
			readonly destinationList: readonly Destination[];
	  }
	/** A type no RFC read here defines, kept byte for byte. */
	| { readonly type: 0; readonly code: number; readonly data: Uint8Array };

export function readSipRegistration(bytes: Uint8Array, nodeIdLength: number): SipRegistration | Refused {
	const reader = new WireReader(bytes);
	const type = reader.u8();
	const outer = reader.enter(reader.u16());
	const registration = readRegistrationData(reader, type, nodeIdLength);
	reader.leave(outer);
	return whole(reader, registration);
}

function readRegistrationData(reader: WireReader, type: number, nodeIdLength: number): SipRegistration {
	switch (type) {
		case SipRegistrationType.uri:
			return { type, uri: reader.opaque16() };
		case SipRegistrationType.route: {
			const contactPrefs = reader.opaque16();
			const at = reader.at;
			const length = reader.u16();
			// RFC 7904 §3.2: destination_list<3..2^16-1>.
			if (length < 3) reader.refuse("destination_list shorter than three octets", at);
			const list = reader.enter(length);
			const destinationList = readDestinations(reader, nodeIdLength);
			reader.leave(list);
			return { type, contactPrefs, destinationList };
		}
		case 0:
			reader.refuse("SipRegistration type 0 is not assigned", 0);
			return { type: 0, code: 0, data: reader.rest() };
		default:
			// RFC 7904 §3.2: extensible, and its length allows to pass over it.
			return { type: 0, code: type, data: reader.rest() };
	}
}

export function writeSipRegistration(writer: WireWriter, registration: SipRegistration): void {
	writer.u8(registration.type === 0 ? registration.code : registration.type);
	const length = writer.open16();
	if (registration.type === SipRegistrationType.uri) writer.opaque16(registration.uri);
	else if (registration.type === SipRegistrationType.route) {
		writer.opaque16(registration.contactPrefs);
		const list = writer.open16();
		writeDestinations(writer, registration.destinationList);
		writer.close(list);
	} else writer.bytes(registration.data);
	writer.close(length);
}
