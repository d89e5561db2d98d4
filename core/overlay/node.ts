/** The node of an overlay (RFC 6940): see README.md of this folder for the picture. */
export type * from "./node-types.ts";
