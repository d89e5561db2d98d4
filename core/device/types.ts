/**
 * What goes into a doorbell and what comes out of it. Calls are numbers here; SIP, RTP, pins and flash are their owners' matter.
 *
 * Whoever drives the machine carries the outputs out in the order they come.
 */
import type { DeviceSettings } from "../usages/device-settings.ts";

/** The numbers of calls that come in begin here; the doorbell numbers its own calls 1, 2, 3, ... below it. */
export const FIRST_INCOMING_CALL = 0x100000;

/** Why a call ended, as the UA tells it. */
export type CallEndCause =
	/** We hung up. */
	| "local"
	/** The other end hung up (BYE, or CANCEL of a call to us). */
	| "remote"
	/** A final answer 3xx-6xx. */
	| "refused"
	/** No final answer in time. */
	| "timeout"
	/** The connection to the edge went, or there is none. */
	| "transport"
	/** Another phone took it (RFC 3326 Reason with 200). */
	| "answeredElsewhere"
	/** A table of ours is full: no call was made. */
	| "limit";

/** The two ways of a digit: RFC 4733 events, or INFO with application/dtmf-relay. */
export type DigitWay = "rtp" | "info";

export type DoorInput =
	| { readonly type: "timeout" }
	/** A raw edge of a pin, not debounced. `button` 0 = the first. */
	| { readonly type: "button"; readonly button: number; readonly isDown: boolean }
	/** The door contact. */
	| { readonly type: "contact"; readonly isOpen: boolean }
	/** A provisional response, 100 included. */
	| { readonly type: "callProgress"; readonly call: number; readonly status: number }
	/** 200 to a call of ours: who took it (AOR, "" when unknown). */
	| { readonly type: "callAnswered"; readonly call: number; readonly from: string }
	/** The end of a call, ours or theirs; once, and also after `hangUp`. `status` 0 when there is none. */
	| { readonly type: "callEnded"; readonly call: number; readonly cause: CallEndCause; readonly status: number }
	/** Somebody calls us; `from` is the AOR that was authenticated, "" when none was. `call` >= `FIRST_INCOMING_CALL`. */
	| { readonly type: "callIncoming"; readonly call: number; readonly from: string }
	/** One DTMF digit: 0-9, A-D, "*" or "#". */
	| { readonly type: "digit"; readonly call: number; readonly digit: string; readonly way: DigitWay }
	/** The text of a MESSAGE. `from`: the AOR that was authenticated, "" when none was. `id`: the same for all copies of one request. */
	| { readonly type: "command"; readonly id: string; readonly from: string; readonly text: string }
	/** There is a connection to an edge, so that a call can be made. */
	| { readonly type: "online"; readonly isOnline: boolean }
	/** The settings, opened and checked. */
	| { readonly type: "settings"; readonly settings: DeviceSettings }
	/** The wall clock, whenever it was set or stepped. */
	| { readonly type: "clock"; readonly wallMs: number }
	/** The answer to `save`: false when the flash did not take it. */
	| { readonly type: "saved"; readonly key: SaveKey; readonly isSaved: boolean };

/** Names of what the LED shows; `led.ts` has their rhythm. */
export type LedPattern =
	/** Ready. */
	| "idle"
	/** Ready, but no edge is connected. */
	| "offline"
	/** The press was taken: at once, whatever comes. */
	| "pressed"
	/** Ringing is wanted, and no edge is connected or none answers yet. */
	| "searching"
	/** An edge has the call. */
	| "calling"
	/** Phones ring. */
	| "ringing"
	/** Somebody calls us, a press answers. */
	| "incoming"
	/** Two can talk. */
	| "talking"
	/** The door is released. */
	| "opened"
	/** Nobody answered, or it was declined: try again later. */
	| "noAnswer"
	/** It could not be done: wrong code, no connection within the ring time, flash. */
	| "error"
	/** Pairing: waiting for a code, working, refused; set by `pairing.ts`. */
	| "pairing"
	| "pairingBusy"
	| "pairingFailed"
	/** The clock is unset or the certificate was revoked: needs a person; set by the device's target. */
	| "revoked"
	| "off";

/** Sounds. What they are like is the matter of core/media/tones.ts. */
export type DoorTone =
	/** To the visitor: phones ring. Until `none`. */
	| "ringback"
	/** To the room: somebody calls. Until `none`. */
	| "incoming"
	/** To the room: this microphone was opened from elsewhere. Once. */
	| "privacy"
	/** To both: ten seconds left. Once. */
	| "warning"
	/** To both: the door is released. Once. */
	| "opened"
	/** To both: wrong code, or too soon. Once. */
	| "refused"
	/** To the visitor: nobody answers, declined, no connection. Once. */
	| "busy"
	| "none";

/** How a door was released. */
export type ReleaseWay = "dtmf" | "message";

/** One release of the door. */
export interface Release {
	/** AOR, "" when unknown. */
	readonly who: string;
	/** Milliseconds since 1970; 0 when the clock was not set. */
	readonly wallMs: number;
	readonly how: ReleaseWay;
	/** The name of the code used ("gardener"), or the id of the command. */
	readonly by: string;
	/** The door's name in the settings. */
	readonly door: string;
}

/** Stable names of what happened, for log, tests and the peer's MQTT bridge. */
export type DoorEvent =
	| "press"
	| "press.ignored"
	| "button.stuck"
	| "ring.started"
	| "ring.offline"
	| "ring.retry"
	| "ring.progress"
	| "ring.answered"
	| "ring.answeredElsewhere"
	| "ring.noAnswer"
	| "ring.failed"
	| "ring.cancelled"
	| "ring.doorOpened"
	| "call.incoming"
	| "call.refused"
	| "call.started"
	| "call.prolonged"
	| "call.warning"
	| "call.limit"
	| "call.ended"
	| "release.opened"
	| "release.wrongCode"
	| "release.locked"
	| "release.tooSoon"
	| "release.notAllowed"
	| "release.repeated"
	| "release.notSaved"
	| "command.unknown"
	| "contact.opened"
	| "contact.closed";

export type DoorOutput =
	| { readonly type: "led"; readonly pattern: LedPattern }
	| { readonly type: "click" }
	| { readonly type: "chime"; readonly isOn: boolean }
	| { readonly type: "relay"; readonly isOn: boolean }
	/** Make a call. `attempt` counts from 1 within one ring. What comes of it: callProgress, callAnswered, callEnded with this number. */
	| {
			readonly type: "call";
			readonly call: number;
			readonly button: number;
			readonly target: string;
			readonly attempt: number;
	  }
	| { readonly type: "hangUp"; readonly call: number; readonly reason: string }
	| { readonly type: "answer"; readonly call: number }
	/** 180 to a call that came in. */
	| { readonly type: "ring"; readonly call: number }
	| { readonly type: "reject"; readonly call: number; readonly status: number }
	/** `call` 0: there is none, the loudspeaker alone. */
	| { readonly type: "tone"; readonly call: number; readonly name: DoorTone }
	/** The microphone. Muted until told otherwise. */
	| { readonly type: "mute"; readonly isMuted: boolean }
	/** 0..100 */
	| { readonly type: "volume"; readonly volume: number }
	/** The answer to a command. */
	| { readonly type: "reply"; readonly id: string; readonly status: number; readonly text: string }
	/** Write this to flash under `key`, then tell `saved`. */
	| { readonly type: "save"; readonly key: SaveKey; readonly bytes: Uint8Array }
	/** A release, for the log. */
	| { readonly type: "record"; readonly release: Release }
	| { readonly type: "log"; readonly level: "info" | "warn"; readonly event: DoorEvent; readonly detail: string };

/** Keys in flash. */
export type SaveKey = "releases" | "commands";
