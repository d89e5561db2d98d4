/** Limits and lifetimes of a household. Each limit has a tested behaviour: the newest is refused with a clear error. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Accounts, ring groups included. */
export const MAX_ACCOUNTS = 256;
/** Characters of an account, group or device name. */
export const MAX_NAME = 32;
/** Members named by one ring group. */
export const MAX_GROUP_MEMBERS = 64;
/** Octets (UTF-8) of a password. */
export const MIN_PASSWORD = 8;
export const MAX_PASSWORD = 128;

/** Peers with a certificate in force, the founder included. */
export const MAX_PEERS = 64;
/** Keys with a certificate on record, expired and revoked ones included until they are forgotten. */
export const MAX_ISSUED = 8192;
/** Keys of one account that hold a certificate of its own (not those of peers that host it). */
export const MAX_NODES_PER_ACCOUNT = 16;
/** Node-IDs of one certificate. */
export const MAX_NODE_IDS = 4;

/** Devices the household keeps settings for. */
export const MAX_DEVICES = 64;
/** Octets of the key that seals a device's settings. */
export const SETTINGS_KEY_OCTETS = 32;
/** A device that lost the answer of its enrollment is told its settings key again for this long after the first. */
export const PAIRING_AGAIN_MS = HOUR;

/** One-time codes that wait to be used. */
export const MAX_CODES = 64;
/** Wrong tries that burn a code. */
export const CODE_TRIES = 5;
/** How long an invitation for a peer or account is good unless said otherwise. */
export const INVITE_LIFETIME_MS = DAY;
/** How long a pairing code for a device is good unless said otherwise. */
export const PAIRING_LIFETIME_MS = HOUR;
/** No code is good for longer than this. */
export const MAX_CODE_LIFETIME_MS = 30 * DAY;

/** Overlay link and enrollment addresses of one peer, each. */
export const MAX_ADDRESSES_PER_PEER = 4;
/** bootstrap-node elements; RFC 6940 §11.4 has a node remember about ten. Peers announced last come first. */
export const MAX_BOOTSTRAP_NODES = 16;
/** enrollment-server elements. */
export const MAX_ENROLLMENT_SERVERS = 4;
/** bad-node elements, so that the document stays below max-message-size and can be flooded. */
export const MAX_BAD_NODES = 160;
/** max-message-size of a household: a full document fits. */
export const HOUSE_MESSAGE_SIZE = 16_384;
/** initial-ttl of a household: log2(N) + 5 for thousands of nodes. */
export const HOUSE_TTL = 20;
/** Address changes are collected this long before a new document is signed. */
export const ADDRESS_BATCH_MS = 1_000;
/** Two documents because of addresses are at least this far apart. */
export const ADDRESS_DOCUMENT_MS = 10_000;

/** Certificates begin this much before they are issued: clocks differ. */
export const BACKDATE_MS = HOUR;
/** The CA: as long as the house keeps its wiring. Its key never leaves the enrollment server. */
export const CA_LIFETIME_MS = 20 * 365 * DAY;
/** The configuration-signer: longer than any document it signed. Renewed at half of it. */
export const SIGNER_LIFETIME_MS = 4 * 365 * DAY;
/** Nodes, users, hosted users, and the TLS server. Renewed at two thirds: a lost enrollment server is survived for 4 to 12 months. */
export const CERTIFICATE_LIFETIME_MS = 365 * DAY;
/** The part of its lifetime after which a certificate is renewed. */
export const RENEW_AT = 2 / 3;
/** A key whose certificate ran out this long ago is forgotten; until then it may renew without a code. */
export const FORGET_ISSUED_MS = 365 * DAY;
/** Documents: the household lives this long without its enrollment server. */
export const DOCUMENT_LIFETIME_MS = 365 * DAY;
/** A document is signed anew when it is this old. */
export const DOCUMENT_RENEW_MS = 60 * DAY;
/** How often the household looks whether something must be renewed. */
export const MAINTENANCE_MS = HOUR;

/** A question for changes is answered "nothing new" after this long. */
export const LONG_POLL_MS = 50_000;
/** A peer counts as connected this long after its last question was answered. */
export const CONNECTED_MS = 10_000;
/** How long a change of accounts waits for the connected peers to have it. */
export const CONFIRM_WAIT_MS = 3_000;
/** Certification requests for hosted users in one batch. */
export const MAX_HOSTED_BATCH = 32;
/** Pauses of a peer that cannot reach the enrollment server: doubling from the first to the last. */
export const RETRY_FIRST_MS = 500;
export const RETRY_LAST_MS = 30_000;
