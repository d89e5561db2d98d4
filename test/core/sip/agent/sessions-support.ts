/** A call over UDP and what its descriptions say, for the tests of sessions and offers. */
import { answer, Device, MEDIA, request, type Sent, sdp } from "./support.ts";

export const URI = "sip:house@192.0.2.9";

/** A call of ours over UDP, answered with these lines. */
export function connected(extra: string[] = [], options = {}): { device: Device; call: number; invite: Sent } {
	const device = new Device(options);
	const call = device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now))!;
	const invite = device.one();
	device.from(answer(invite.message, 200, { sdp: sdp(), extra }));
	device.take();
	device.takeEvents();
	return { device, call, invite };
}

/** A request of the far end inside that call. */
export function inside(invite: Sent, method: string, more = {}): string {
	const names = { callId: invite.message.callId(), fromTag: "far", toTag: invite.message.fromTag() };
	return request(method, { ...names, ...more });
}

export function ackInside(invite: Sent, cseq: number, body = ""): string {
	return inside(invite, "ACK", { cseq, body });
}

export function originOf(text: string): string {
	return /o=- (\d+ \d+)/.exec(text)![1]!;
}

export const KEY = `inline:${"QUJD".repeat(10)}`;
export const CRYPTO = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`;

export function keyIn(text: string): string {
	return /a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 inline:(\S{40})\r\n/.exec(text)?.[1] ?? "";
}

export function base64(key: Uint8Array | undefined): string {
	return key === undefined ? "" : Buffer.from(key).toString("base64");
}
