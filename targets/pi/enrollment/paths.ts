/** Paths and media types of the enrollment server, for both of its sides. `docs/enrollment.md` describes each. */

/** RFC 6940 §11.2. */
export const CONFIG_PATH = "/.well-known/reload-config";
export const CONFIG_TYPE = "application/p2p-overlay+xml";
/** RFC 6940 §11.3. */
export const PKIX_CERT = "application/pkix-cert";
export const PKCS10 = "application/pkcs10";
/** Ours. */
export const CA_PATH = "/household-ca.pem";
export const CHANGES_PATH = "/household/changes";
export const HOSTED_PATH = "/household/hosted";
export const ADDRESS_PATH = "/household/address";
export const CBOR_TYPE = "application/cbor";
