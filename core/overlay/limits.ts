/** Limits of a node; each one has a defined behaviour when it is reached, written beside it, and a test. */

export interface OverlayLimits {
	/** Links up at once. Full: a link nobody asked for is refused; one we asked for displaces a released one, else is refused. */
	readonly links: number;
	/** Outgoing connects under way. Full: the oldest need is served first, a further one fails at once. */
	readonly connects: number;
	/** Requests awaiting an answer. Full: the caller gets Error_Request_Timeout at once ("too many requests"). */
	readonly pendingRequests: number;
	/** Answers kept for retransmitted requests. Full: the oldest goes; its request would be processed again. */
	readonly keptAnswers: number;
	/** Octets of kept answers. Full: the oldest goes. */
	readonly keptAnswerOctets: number;
	/** Attaches of ours waiting for answer or link. Full: the caller gets Error_Request_Timeout at once. */
	readonly attaches: number;
	/** Messages being reassembled. Full: a piece of another one is dropped. */
	readonly reassemblies: number;
	/** Octets of all messages being reassembled. Full: the message whose piece does not fit is dropped. */
	readonly reassemblyOctets: number;
	/** Identities served beside the node's own. Full: `addIdentity` says false. */
	readonly identities: number;
	/** Destinations of a message, via and destination list each. Above: Error_Invalid_Message. */
	readonly listEntries: number;
	/** Forwarding options of a message handled here. Above: Error_Invalid_Message. */
	readonly options: number;
	/** Steps of a `trace`. Reached: it ends incomplete. */
	readonly traceHops: number;
	/** `trace` walks at once. Full: it fails at once. */
	readonly traces: number;
	/** Nodes remembered for the pause between two ConfigUpdates to one of them. Full: the oldest is forgotten. */
	readonly configUpdateTargets: number;
	/** Kinds that came by ConfigUpdate. Full: Error_Invalid_Message. */
	readonly addedKinds: number;
	/** Batches given to the disk and not yet reported. Full: a Store is refused with Error_Data_Too_Large ("busy"). */
	readonly persistBatches: number;
	/** Original Stores waiting for disk and replicas. Full: a Store is refused with Error_Data_Too_Large ("busy"). */
	readonly pendingStores: number;
	/** Maintenance stores (handover, replicas, pass-on) under way. Full: the rest waits its turn. */
	readonly maintenanceStores: number;
	/** Resources looked at per maintenance step. */
	readonly maintenanceStep: number;
	/** Endpoints tried for a first contact and kept for the next start (RFC 6940 §11.4: about ten are cached). */
	readonly cachedPeers: number;
	readonly bootstrapEndpoints: number;
	/** Values a `Refresher` keeps stored. Full: `keep` says false. */
	readonly refreshedValues: number;
	/** Outputs waiting for `poll` as events. Full: the oldest event goes (counted); nothing but events is ever dropped so. */
	readonly events: number;
	/** Candidates of an Attach looked at. Further ones are ignored. */
	readonly candidates: number;
	/** Signatures of messages from one link that are checked at once, and how many more per second; a failed one counts as so many. */
	readonly signatureChecks: number;
	readonly signatureChecksPerS: number;
	/** Spent: messages for this node that come over the link are dropped unchecked. */
	readonly failedCheckCost: number;
}

/** Choice: a Raspberry Pi in a ring of up to a few thousand peers. */
export const PEER_LIMITS: OverlayLimits = Object.freeze({
	links: 256,
	connects: 32,
	pendingRequests: 512,
	keptAnswers: 512,
	keptAnswerOctets: 1024 * 1024,
	attaches: 64,
	reassemblies: 64,
	reassemblyOctets: 512 * 1024,
	identities: 64,
	listEntries: 128,
	options: 16,
	traceHops: 64,
	traces: 4,
	configUpdateTargets: 64,
	addedKinds: 64,
	persistBatches: 256,
	pendingStores: 256,
	maintenanceStores: 8,
	maintenanceStep: 32,
	cachedPeers: 10,
	bootstrapEndpoints: 32,
	refreshedValues: 256,
	events: 256,
	candidates: 16,
	signatureChecks: 8192,
	signatureChecksPerS: 4096,
	failedCheckCost: 64,
});

/** Choice: a device with 80 KB of heap, one link and one identity. */
export const CLIENT_LIMITS: OverlayLimits = Object.freeze({
	links: 3,
	connects: 2,
	pendingRequests: 16,
	keptAnswers: 8,
	keptAnswerOctets: 8 * 1024,
	attaches: 4,
	reassemblies: 2,
	reassemblyOctets: 10 * 1024,
	identities: 2,
	listEntries: 64,
	options: 8,
	traceHops: 16,
	traces: 1,
	configUpdateTargets: 4,
	addedKinds: 8,
	persistBatches: 0,
	pendingStores: 0,
	maintenanceStores: 0,
	maintenanceStep: 0,
	cachedPeers: 10,
	bootstrapEndpoints: 16,
	refreshedValues: 8,
	events: 32,
	candidates: 8,
	signatureChecks: 64,
	signatureChecksPerS: 4,
	failedCheckCost: 8,
});

/** Fixed times of the RFC and of ours, milliseconds. */
export const Times = Object.freeze({
	/** RFC 6940 §6.2.2: maximum request lifetime: kept answers and reassembly. */
	requestLifetimeMs: 15_000,
	/** Choice (§6.3.2): least time between two error answers of a forwarding node on one link. */
	errorGapMs: 1_000,
	/** Choice (§13.6.5): least time between two words about a neighbour whose budget of signature checks is spent. */
	floodToldMs: 60_000,
	/** Choice (§6.5.1): from the answer of an Attach to the link being up. */
	attachLinkMs: 10_000,
	/** Choice: a connect (TCP and TLS) that takes longer has failed. */
	connectMs: 10_000,
	/** Choice: a link that lost against its double still delivers for this long, so that nothing in flight is lost. */
	retireMs: 2_000,
	/** Choice (§6.5.4): least time between two ConfigUpdates to one node. */
	configUpdateGapMs: 5_000,
	/** Choice (§6.3.2.1): a request refused for its configuration sequence is sent again after this long. */
	configRetryMs: 250,
	/** Choice: first and longest pause before bootstrap nodes are tried again; doubled in between, jittered. */
	bootstrapRetryMs: 1_000,
	bootstrapRetryMaxMs: 30_000,
	/** Choice: a link to a bootstrap node that ends sooner counts as refused; the longest pause before such a node is tried again. */
	bootstrapProvenMs: 5_000,
	bootstrapRefusedMaxMs: 300_000,
	/** Choice: spread of clients that lost the same peer. */
	clientJitterMs: 300,
	/** Choice: pause between two steps of background maintenance. */
	maintenanceGapMs: 100,
	/** Choice: a maintenance store that failed is tried again after this long. */
	maintenanceRetryMs: 5_000,
	/** Choice: what a failed batch left is written again after this long. */
	persistRetryMs: 1_000,
	/** Choice: a link to a node outside the Routing Table (a client) is probed this many times less often: after a client's own keep-alive. */
	clientIdleFactor: 24,
});
