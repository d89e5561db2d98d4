/** Limits of this room. A document beyond any of them is refused: leaving out a part of it could leave out a revocation. */

/** Octets of a whole document. A household's has about 4,000; a thousand revoked Node-IDs add 60,000. */
export const DOCUMENT_OCTETS = 262_144;
/** XML elements inside one another, in one document, attributes of one element, and namespace declarations in force. */
export const XML_DEPTH = 12;
export const XML_ELEMENTS = 8192;
export const XML_ATTRIBUTES = 32;
export const XML_NAMESPACES = 64;
/** Octets of one name. */
export const XML_NAME_OCTETS = 128;

/** Entries of the lists in a configuration. */
export const ROOT_CERTS = 16;
export const ENROLLMENT_SERVERS = 16;
export const BOOTSTRAP_NODES = 64;
export const LINK_PROTOCOLS = 8;
export const SIGNERS = 16;
export const BAD_NODES = 4096;
export const MANDATORY_EXTENSIONS = 32;
export const KINDS = 64;
export const DOMAIN_PATTERNS = 16;
/** `signature` elements that are looked at, of one configuration. */
export const SIGNATURES = 8;

/** max-message-size: below, no Store with a certificate fits; above, one message would fill a small machine's memory. */
export const MESSAGE_SIZE_LEAST = 1000;
export const MESSAGE_SIZE_MOST = 1_048_576;
