/** The module `ringlet/network` on the ESP32: Wi-Fi is joined and kept. */
import WiFi from "embedded:network/interface/wifi";
import config from "mc/config";
import { WifiKeeper, type XsDevice } from "ringlet/hal";

/** ECMA-419: at and above this there is an address. */
const HAS_ADDRESS = 500;

export function keepNetwork(hal: XsDevice): void {
	const wifi = new WiFi({ onChanged: () => hal.guard.run("wifi", () => keeper.changed()) });
	const station = {
		join() {
			// Not the names `ssid` and `password`: with them the SDK's own setup would join first, and start nothing while there is no Wi-Fi.
			const password = config.wifiPassword as string | undefined;
			wifi.connect({ SSID: config.wifi as string, ...(password ? { password, secure: true } : {}) });
		},
		leave: () => wifi.disconnect(),
		get address(): string | undefined {
			return wifi.connection >= HAS_ADDRESS ? wifi.address : undefined;
		},
	};
	const keeper: WifiKeeper = new WifiKeeper(
		station,
		hal.timers,
		() => hal.crypto.random(1)[0]! / 256,
		(address) => hal.network.setAddress(address),
		(what) => hal.log("warn", "wifi", { what }),
	);
	keeper.start();
}
