/** Limits of the state directory and of the control socket. Each has a tested behaviour at the limit. */

/** Version of the layout and of the records in the store. A store of a later version is refused. */
export const STATE_SCHEMA = 1;

/** Octets of `secret.key`. */
export const SECRET_KEY_SIZE = 32;

/** Octets of one request or answer line on the control socket; a longer one closes the connection. */
export const MAX_CONTROL_LINE = 1024 * 1024;

/** Connections on the control socket at once; one more is closed at once. */
export const MAX_CONTROL_CONNECTIONS = 16;

/** Requests under way on one control connection; one more is answered with an error. */
export const MAX_CONTROL_REQUESTS = 32;

/** Octets of a path that a Unix socket can have on every system (sockaddr_un). */
export const MAX_SOCKET_PATH = 103;

/** A configuration file larger than this is not read. */
export const MAX_SETTINGS_FILE = 256 * 1024;

/** A backup file larger than this is not read. */
export const MAX_BACKUP_FILE = 1024 * 1024 * 1024;
