/** The bundle `ringlet/core`: all of the device that is not its machine. Preloaded into flash, so nothing in it may change when it runs. */
export { DeviceUnit } from "./unit/device-unit.ts";
