/**
 * The device's budget, and the ceiling above which a build is red. The ceiling is what was reached; it only goes down, until it is the
 * budget.
 */

/** Slots of 16 octets above the bare engine with all code in flash: registered, and in a call. */
export const BUDGET_SLOTS_REGISTERED = 1_500;
export const BUDGET_SLOTS_IN_CALL = 2_500;
export const CEILING_SLOTS_REGISTERED = 2_750;
export const CEILING_SLOTS_IN_CALL = 3_250;
/** Slots that may be more after many calls than after ten: the scatter of a measurement. */
export const MAX_GROWTH = 60;
/** Octets of byte code of all bundles (`deviceCode`). */
export const BUDGET_CODE = 350 * 1_024;
export const CEILING_CODE = 430 * 1_024;
