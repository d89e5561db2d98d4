/** Finds other peers of the same overlay on the LAN by mDNS, and lets itself be found. Bootstrap only; nothing found is believed. */
import { isIPv4 } from "node:net";
import type { Endpoint } from "../../core/overlay/node-types.ts";
import type { Log } from "../../hal/hal.ts";
import { Discovery as Mdns, P2PSIP_SERVICE, RELOAD_CONFIG_SERVICE } from "../../hal/node/mdns.ts";

export interface DiscoveryOptions {
	readonly overlayName: string;
	/** One DNS label: the Node-ID in hex. */
	readonly instance: string;
	readonly listen: readonly Endpoint[];
	/** Port of the enrollment server; undefined where none runs. */
	readonly enrollment?: number | undefined;
	readonly log: Log;
	readonly onFound: (endpoints: readonly Endpoint[]) => void;
	/** 5353, unless in a test. */
	readonly port?: number;
}

export class Discovery {
	readonly #mdns: Mdns;

	constructor(options: DiscoveryOptions) {
		const { overlayName, listen, log, instance, enrollment } = options;
		const interfaces = listen.map(({ address }) => address).filter((address) => isIPv4(address));
		const port = listen[0]?.port ?? 0;
		const text = { overlay: overlayName };
		const link = { type: P2PSIP_SERVICE, instance, port, text };
		// RFC 6940 §11.2's name for where the configuration is; devices that want to be paired look for it.
		const config = enrollment === undefined ? [] : [{ type: RELOAD_CONFIG_SERVICE, instance, port: enrollment, text }];
		this.#mdns = new Mdns({
			interfaces,
			...(options.port === undefined ? {} : { port: options.port }),
			announce: [link, ...config],
			browse: [P2PSIP_SERVICE],
			onFound: (service) => {
				if (service.text.overlay !== overlayName || service.instance === instance) return;
				log("debug", "mdns.found", { address: service.address, port: service.port });
				options.onFound([{ address: service.address, port: service.port }]);
			},
			onError: (error, address) => log("info", "mdns.failed", { address, error: error.message }),
		});
	}

	close(): void {
		this.#mdns.close();
	}
}
