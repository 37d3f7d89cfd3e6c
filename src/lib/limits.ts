/** The bounds of everything that comes from outside, in one place (DESIGN rule: bounded input). */
export const LIMITS = {
  /** Largest manifest, in bytes (what registries accept; OCI distribution-spec asks for 4 MiB). */
  manifestBytes: 4 * 1024 * 1024,
  /** Descriptors in one manifest: layers of an image, or children of an index. */
  descriptors: 1000,
  /** How deep an index may contain indexes. */
  indexDepth: 4,
  /** Largest signed payload (simple signing), in bytes. */
  payloadBytes: 64 * 1024,
  /** Signatures looked at for one digest; more are refused, the order cannot hide a good one before. */
  signatures: 64,
  /** Largest public key or certificate file, in bytes. */
  keyFileBytes: 64 * 1024,
  /** Largest policy file, in bytes. */
  policyFileBytes: 1024 * 1024,
  /** Largest configuration file, in bytes. */
  configFileBytes: 1024 * 1024,
  /** Largest JSON body of the API, in bytes. */
  apiBodyBytes: 64 * 1024,
  /** Longest repository name with its host (clients' own limit). */
  nameLength: 255,
} as const;
