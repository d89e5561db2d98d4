/** Calls of a device, made and taken, for the tests of the user agent. */
import { expect } from "vitest";
import { ackOf, answer, type Device, MEDIA, request, sdp } from "./support.ts";

export const URI = "sip:house@192.0.2.9";

export function calling(device: Device, more = {}): { call: number; invite: ReturnType<Device["one"]> } {
	const call = device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA, ...more }, now))!;
	return { call, invite: device.one() };
}

/** A call of ours, answered. */
export function connected(device: Device): { call: number; invite: ReturnType<Device["one"]> } {
	const made = calling(device);
	device.from(answer(made.invite.message, 200, { sdp: sdp(), extra: ["Allow: INVITE, ACK, BYE"] }));
	expect(device.names()).toEqual(["ACK"]);
	device.takeEvents();
	return made;
}

/** A call of theirs, answered and acknowledged. */
export function taken(device: Device, more = {}): { call: number; ok: ReturnType<Device["one"]> } {
	device.from(request("INVITE", { body: sdp(), ...more }));
	const incoming = device.takeEvents()[0]!;
	if (incoming.type !== "incoming") throw new Error(incoming.type);
	device.take();
	expect(device.do((agent, now) => agent.answer(incoming.call, MEDIA, now))).toBe(true);
	const ok = device.one();
	device.from(ackOf(ok.message));
	device.takeEvents();
	return { call: incoming.call, ok };
}

/** A request of the far end inside the call that `taken` made. */
export function inside(method: string, ok: { message: { to(): { tag: string } | undefined } }, more = {}): string {
	return request(method, { cseq: 2, toTag: ok.message.to()!.tag, ...more });
}
