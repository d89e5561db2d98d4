/**
 * Keys of the one store. The overlay's own records (stored values, cached peers) have prefixes of their own; everything the
 * host of the peer keeps begins with `pi/`. (S) = sealed: encrypted under `secret.key`.
 *
 *     pi/household            founder: name, choices, epoch and sequence of the household state
 *     pi/document             the signed configuration document in force here
 *     pi/membership           overlay name, household CA, where the enrollment server was met
 *     pi/household-document   founder: the signed configuration document it gives out
 *     pi/ca                   founder: CA certificate and key (S)
 *     pi/signer               founder: configuration-signer, certificate and key (S)
 *     pi/tls                  founder: TLS certificate and key of the enrollment server (S)
 *     pi/issued/<key hash>    founder: one public key that has a certificate: user name, Node-IDs, role, dates
 *     pi/account/<name>       founder: password hash, digest verifiers (S)
 *     pi/code/<id>            founder: one-time code: MAC, role, tries, expiry (S)
 *     pi/device/<aor>         founder: settings of a device and the key that seals them (S)
 *     pi/address/<node-id>    founder: where a peer is reached
 *     pi/identity/<name>      own certificate and key (S): "peer"
 *     pi/pending/<name>       key of an enrollment under way (S)
 *     pi/hosted/<aor>         own key and certificate for a hosted user (S)
 *     pi/cached-peers         neighbours worth trying at the next start
 *     pi/snapshot             household state as last received: accounts with verifiers, peers, document (S)
 */
export const StateKey = Object.freeze({
	household: "pi/household",
	householdDocument: "pi/household-document",
	document: "pi/document",
	membership: "pi/membership",
	ca: "pi/ca",
	signer: "pi/signer",
	tls: "pi/tls",
	snapshot: "pi/snapshot",
});

export const StatePrefix = Object.freeze({
	all: "pi/",
	issued: "pi/issued/",
	account: "pi/account/",
	code: "pi/code/",
	device: "pi/device/",
	address: "pi/address/",
	identity: "pi/identity/",
	pending: "pi/pending/",
	hosted: "pi/hosted/",
});
