/** Limits of this room. At each of them the input is refused, except where the comment says otherwise. */

/** Octets of one certificate or certification request. A household's are about 600, a commercial RSA chain's up to 2,000. */
export const CERTIFICATE_OCTETS = 4096;
/** Constructed DER elements inside one another; a certificate needs seven. */
export const DER_DEPTH = 16;
/** Extensions of one certificate. */
export const EXTENSIONS = 24;
/** Names of one subjectAltName. */
export const ALT_NAMES = 64;
/** Node-IDs of one certificate: a verifier may have to hash the certificate with each of them. */
export const NODE_IDS = 16;
/** Characters of an overlay name (RFC 1035 §2.3.4) and of a user name (RFC 5321 §4.5.3.1). */
export const OVERLAY_NAME_CHARACTERS = 253;
export const USER_NAME_CHARACTERS = 254;
/** Bits of an RSA modulus: weaker keys are refused, stronger ones cost too much to verify with. */
export const RSA_BITS_LEAST = 2048;
export const RSA_BITS_MOST = 4096;

/** Certificates between a leaf and its root-cert. */
export const CHAIN_INTERMEDIATES = 3;
/** Signatures verified while one chain is built. */
export const CHAIN_VERIFICATIONS = 8;
/** Certificates of one security block that are looked at; those after them are ignored. */
export const BUCKET_CERTIFICATES = 32;
/** Certificates whose chain was verified and is remembered; the one used longest ago is forgotten. */
export const TRUST_CACHE = 512;
