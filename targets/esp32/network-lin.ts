/** The module `ringlet/network` on a PC: the system has the network. */
import Net from "net";
import type { XsDevice } from "ringlet/hal";

const LOOK_MS = 1_000;

export function keepNetwork(hal: XsDevice): void {
	const look = (): void => {
		hal.timers.set(look, LOOK_MS);
		hal.network.setAddress(Net.get("IP") || undefined);
	};
	look();
}
