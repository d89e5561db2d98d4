/** Limits of the usages; each one has a test of what happens when it is reached. */

/** Octets of an AOR (an rfc822Name is at most 255 in practice); a longer one is not an AOR. */
export const MAX_AOR_OCTETS = 255;

/** Forwarding steps (type uri) followed from one AOR (D-30); deeper ones are left out. */
export const MAX_FORWARD_DEPTH = 10;

/** AORs looked up in one resolution; further ones are left out. */
export const MAX_LOOKUPS = 32;

/** Destination lists of one resolution; further ones are left out (the caller forks to few anyway). */
export const MAX_CONTACTS = 64;

/** External AORs of one resolution. */
export const MAX_EXTERNAL = 16;

/** Destinations in a destination list read from a registration or GRUU; a longer list is ignored. */
export const MAX_DESTINATIONS = 8;

/** Octets of the destination list in a GRUU. */
export const MAX_GRUU_OCTETS = 512;

/** Octets of contact_prefs that are kept; a registration with more is ignored. */
export const MAX_CONTACT_PREFS_OCTETS = 1024;

/** Characters of one domain pattern; a longer one matches nothing. */
export const MAX_PATTERN_LENGTH = 256;

/** Instructions of one compiled domain pattern; a pattern that needs more matches nothing. */
export const MAX_PATTERN_PROGRAM = 1024;

/** Depth of parentheses in a domain pattern. */
export const MAX_PATTERN_DEPTH = 8;

/** Greatest bound in {m,n} of a domain pattern (RE_DUP_MAX of POSIX is at least 255). */
export const MAX_PATTERN_REPEAT = 255;

/** Octets of a domain that is matched (RFC 1035 §2.3.4). */
export const MAX_DOMAIN_LENGTH = 255;

/** Tries of `TurnFinder` at random Resource-IDs before it gives up. */
export const MAX_TURN_TRIES = 4;

/** TURN servers that one search gives. */
export const MAX_TURN_SERVERS = 8;

/** Fetches of one ReDiR registration or lookup; enough for the deepest tree twice. */
export const MAX_REDIR_FETCHES = 40;

/** Providers read from one tree node; the rest is ignored. */
export const MAX_REDIR_PROVIDERS = 256;

/** Octets of a ReDiR namespace. */
export const MAX_NAMESPACE_OCTETS = 255;

/** Diagnostic entries of one response. */
export const MAX_DIAGNOSTIC_ENTRIES = 64;

/** Octets of a device's settings as CBOR; more is refused. */
export const MAX_SETTINGS_OCTETS = 3072;

/** Buttons of one device that the settings name; more are refused. */
export const MAX_BUTTONS = 8;

/** Door codes of one device; more are refused. */
export const MAX_RELEASE_CODES = 8;

/** Addresses in one list of a device's settings; more are refused. */
export const MAX_SETTINGS_AORS = 16;

/** Edges of the house that a device knows; further ones are left out. */
export const MAX_EDGES = 8;
