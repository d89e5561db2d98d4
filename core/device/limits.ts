/** Limits and times of a device's machine; each one has a test of what happens when it is reached. */

/** A level that holds so long has settled, milliseconds; bounces and disturbances are shorter. */
export const STABLE_MS = 10;

/** A button held longer is stuck: told to the log once; it rings again only after it was let go. */
export const STUCK_MS = 30_000;

/** A second press within this time is the same impatient finger: it neither restarts nor hangs up. */
export const SECOND_PRESS_MS = 2000;

/** How long the LED shows that the press was taken. */
export const PRESSED_MS = 300;

/** How long the LED shows an outcome: nobody answered, an error, the door is released (at least). */
export const OUTCOME_MS = 4000;

/** No provisional response for so long: the LED says "searching". (The device's target turns to its second edge at this time.) */
export const TRYING_MS = 700;

/** No provisional response for so long: the call is given up and made anew. */
export const NO_PROGRESS_MS = 8000;

/** First pause between two calls of one ring; it doubles. The first try after a lost edge is made at once. */
export const RETRY_MS = 1000;

/** Longest pause between two calls of one ring; also how often a call is tried while no edge is known to be there. */
export const MOST_RETRY_MS = 5000;

/** The warning comes so long before a call ends by its limit. */
export const WARNING_MS = 10_000;

/** A microphone that was opened from inside says so again after this time. */
export const PRIVACY_MS = 60_000;

/** Longest pause between two digits of a code. */
export const DIGIT_PAUSE_MS = 4000;

/** Digits of one code; a longer entry begins anew and counts as wrong. */
export const MAX_CODE_DIGITS = 12;

/** Ids of commands that are remembered; the oldest goes. */
export const MAX_COMMAND_IDS = 64;

/** Octets of a command's text; a longer one is unknown. */
export const MAX_COMMAND_OCTETS = 160;

/** A command that says when it was made is good for so long, in both directions. */
export const COMMAND_AGE_MS = 60_000;

/** The flash must have answered a `save` within this time, else it counts as failed. */
export const SAVE_MS = 2000;

/** Octets of the releases kept in flash; the oldest go. */
export const MAX_RELEASE_LOG_OCTETS = 1024;

/** Octets of each text in a kept release; the rest is cut off. */
export const MAX_RELEASE_TEXT_OCTETS = 64;
