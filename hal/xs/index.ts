/** The bundle `ringlet/hal`. */
export type { Board, Pin } from "./board.ts";
export { XsDevice, type XsDeviceOptions } from "./device.ts";
export { type Station, WifiKeeper } from "./wifi-keeper.ts";
