/** Limits of the Node machine layer. What happens at each is said where it is used and tested there. */

/** Octets received and not yet read by the owner of a stream; above it the socket is paused, and TCP slows the sender down. */
export const STREAM_RECEIVE_OCTETS = 262_144;
/** Octets a stream takes before they have left; `write` refuses what goes beyond. */
export const STREAM_SEND_OCTETS = 1_048_576;
/** After `close`, what was written has this long to leave before the socket is torn down. */
export const STREAM_LINGER_MS = 2_000;

/** A TCP connection, and the TLS handshake on it, must be done within this time. */
export const HANDSHAKE_MS = 10_000;
/** TLS handshakes under way on one listener; further connections are closed at once. */
export const HANDSHAKES = 64;
/** Connections (handshakes included) from one remote address; further ones are closed at once. */
export const CONNECTIONS_PER_ADDRESS = 128;
/** Connections of one listener. */
export const CONNECTIONS = 4_096;
/** Connections accepted and not yet taken with `read`; further ones are closed at once. */
export const ACCEPTED_BACKLOG = 256;
/** Certificates of a neighbour's chain that are looked at, leaf included. */
export const CHAIN_CERTIFICATES = 8;
/** Identities one secure listener can choose among by server name. */
export const LISTENER_IDENTITIES = 4_096;

/** Datagrams received and not yet read; further ones are dropped and counted. */
export const DATAGRAMS = 1_024;
/** Octets of datagrams handed to the kernel and not yet sent; `write` refuses what goes beyond. */
export const DATAGRAM_SEND_OCTETS = 1_048_576;

/** Octets of a record's key (UTF-8). */
export const RECORD_KEY_OCTETS = 1_024;
/** Octets of a record's encoded value. */
export const RECORD_VALUE_OCTETS = 16_777_216;

/** Octets of the log in front of the store; changes wait for lmdb to take over others while it is full. A multiple of 16 KiB. */
export const RECORD_LOG_OCTETS = 131_072;
/** How long changes stay in the log alone: those that come within this time cost lmdb one commit together. */
export const RECORD_LOG_MS = 500;

/** Octets that must stay free on the disk of the store; a commit that would leave less is refused. */
export const STORE_FREE_OCTETS = 16_777_216;

/** Services found by mDNS and remembered; further ones are ignored until one goes. */
export const FOUND_SERVICES = 256;
/** Interfaces mDNS is bound to. */
export const MDNS_INTERFACES = 16;

/** Characters of one value in a log line. */
export const LOG_VALUE_CHARACTERS = 512;
