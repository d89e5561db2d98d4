/** The rules in force: configuration document, whom to believe, which Kinds exist. Changes only by `adopt`. RFC 6940 §11.1. */
import type { Crypto } from "../../hal/hal.ts";
import type { OverlayConfig } from "../config/document.ts";
import { isKindAllowed } from "../config/kind-block.ts";
import type { KindDefinition } from "../config/kinds.ts";
import { type Certificate, readCertificate } from "../identity/certificate.ts";
import { Trust } from "../identity/trust.ts";
import { Verifier } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { ModelOf } from "../wire/stored-data.ts";

export class Settings {
	readonly #crypto: Crypto;
	readonly trust: Trust;
	readonly verifier: Verifier;
	/** The data model of a Kind: what readers of Store and Fetch bodies ask for. */
	readonly modelOf: ModelOf;
	#config: OverlayConfig;
	#bytes: Uint8Array;
	/** Kinds that came by a ConfigUpdate of type kind; they add to and replace those of the document. */
	#added: { readonly kind: KindDefinition; readonly block: Uint8Array }[] = [];

	constructor(config: OverlayConfig, bytes: Uint8Array, crypto: Crypto) {
		this.#crypto = crypto;
		this.#config = config;
		this.#bytes = bytes;
		this.trust = new Trust({
			crypto,
			roots: this.#roots(config),
			overlayName: config.instanceName,
			nodeIdLength: config.nodeIdLength,
			selfSigned: config.selfSignedPermitted,
			badNodes: config.badNodes,
		});
		this.verifier = new Verifier(this.trust, crypto);
		this.modelOf = (kind) => this.kind(kind)?.dataModel;
	}

	get config(): OverlayConfig {
		return this.#config;
	}

	/** The document as received; empty when it is not known (then it is never handed on). */
	get bytes(): Uint8Array {
		return this.#bytes;
	}

	/** The Kinds in force. */
	kinds(): KindDefinition[] {
		const out: KindDefinition[] = [];
		for (const { kind } of this.#added) out.push(kind);
		for (const kind of this.#config.requiredKinds) if (this.#addedKind(kind.id) === undefined) out.push(kind);
		return out;
	}

	#addedKind(id: number): { readonly kind: KindDefinition; readonly block: Uint8Array } | undefined {
		for (let i = 0; i < this.#added.length; i++) if (this.#added[i]!.kind.id === id) return this.#added[i];
		return undefined;
	}

	/** Limits and policy of a Kind; undefined when this overlay does not know it. */
	kind(id: number): KindDefinition | undefined {
		const added = this.#addedKind(id);
		if (added !== undefined) return added.kind;
		const required = this.#config.requiredKinds;
		for (let i = 0; i < required.length; i++) if (required[i]!.id === id) return required[i];
		return undefined;
	}

	/** The signed kind-block of a Kind that came by a ConfigUpdate. */
	kindBlock(id: number): Uint8Array | undefined {
		return this.#addedKind(id)?.block;
	}

	isBad(nodeId: Uint8Array): boolean {
		const bad = this.#config.badNodes;
		for (let i = 0; i < bad.length; i++) if (equalBytes(bad[i]!, nodeId)) return true;
		return false;
	}

	/**
	 * Puts a verified, newer document in force. Kinds that came one by one stay as long as their signer may sign Kinds (RFC 6940 §11.1
	 * MUST) and the document does not define them itself.
	 */
	adopt(config: OverlayConfig, bytes: Uint8Array): void {
		this.#config = config;
		this.#bytes = bytes;
		this.#added = this.#added.filter(({ kind }) => isKindAllowed(kind, config) && !defines(config, kind.id));
		this.trust.setRoots(this.#roots(config));
		this.trust.setBadNodes(config.badNodes);
	}

	/** True when `count` more Kinds keep within `limit`. */
	hasRoomFor(count: number, limit: number): boolean {
		return this.#added.length + count <= limit;
	}

	/** Puts one verified Kind in force; `block` is what it was read from. */
	addKind(kind: KindDefinition, block: Uint8Array): void {
		this.#added = this.#added.filter((other) => other.kind.id !== kind.id);
		this.#added.push({ kind, block });
	}

	/** Resource Name -> Resource-ID. RFC 6940 §10.2, [D-22]: the first node-id-length octets of SHA-1. */
	resourceId(name: Uint8Array): Uint8Array {
		return this.#crypto.hash("sha1", name).slice(0, this.#config.nodeIdLength);
	}

	/** root-cert elements that cannot be read are left out: what chains to them is then refused. */
	#roots(config: OverlayConfig): Certificate[] {
		const roots: Certificate[] = [];
		for (let i = 0; i < config.rootCerts.length; i++) {
			const certificate = readCertificate(config.rootCerts[i]!, this.#crypto);
			if (!isRefused(certificate)) roots.push(certificate);
		}
		return roots;
	}
}

function defines(config: OverlayConfig, id: number): boolean {
	for (const kind of config.requiredKinds) if (kind.id === id) return true;
	return false;
}
