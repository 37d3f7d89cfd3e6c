/** The bounds of everything that comes from outside, in one place. */
export const LIMITS = {
  /** Largest manifest, in bytes (what registries accept; OCI distribution-spec asks for 4 MiB). */
  manifestBytes: 4 * 1024 * 1024,
  /** Descriptors in one manifest: layers of an image, or children of an index. */
  descriptors: 1000,
  /** Tags that one push of a manifest may give: as many as the distribution-spec asks for; each is a decision and a write. */
  tagsPerPush: 10,
  /** Requests to upstream for one page of the catalog that is filtered by right (T-68). */
  catalogRequests: 20,
  /** How deep an index may contain indexes. */
  indexDepth: 4,
  /** Largest signed payload (simple signing), in bytes. */
  payloadBytes: 64 * 1024,
  /** Largest attestation (DSSE envelope), in bytes; containers/image has the same bound. */
  attestationBytes: 4 * 1024 * 1024,
  /** Largest Sigstore bundle that may be a signature, in bytes; a certificate and a log's proof fit well. */
  bundleBytes: 256 * 1024,
  /** Signatures looked at for one digest; more are refused, the order cannot hide a good one before. */
  signatures: 64,
  /** One entry of a signature manifest with its annotations (certificates, proofs): all of them fit a manifest together. */
  signatureEntryBytes: 32 * 1024,
  /** All but the entries of a signature manifest or fallback index, in bytes. */
  evidenceBesideBytes: 64 * 1024,
  /** Referrers of one digest that are listed, and the pages that are asked for them. */
  referrers: 1000,
  referrerPages: 8,
  /** Entries that are kept under one fallback tag (referrers tag schema). */
  fallbackEntries: 200,
  /** One of them with its annotations, in bytes: all of them fit a manifest together. */
  fallbackEntryBytes: 16 * 1024,
  /** Largest file of Notary v1 metadata, in bytes: some 50,000 tags with both hashes; a timestamp has Notary's own bound. */
  trustMetadataBytes: 16 * 1024 * 1024,
  timestampBytes: 1024 * 1024,
  /** Largest root, in bytes and JSON values: those of all repositories are read whenever somebody asks when they end. */
  rootBytes: 1024 * 1024,
  rootValues: 20_000,
  /** Largest upload of Notary v1 metadata, in bytes, and its parts: one a role. */
  trustUploadBytes: 32 * 1024 * 1024,
  trustUploadParts: 256,
  /** Tags of one role, and files that one snapshot lists. */
  trustTargets: 50_000,
  /** Keys, and delegated roles, of one file of Notary v1 metadata. */
  trustKeys: 1000,
  /** How far a publish may count a role's version up: clients leave one out at most. */
  trustVersionsAhead: 64,
  /** Highest version of a first publish: a client goes on where it was at a server that lost the repository, or never had it. */
  trustFirstVersion: 2 ** 20,
  /** Signatures of one file: an old root carries those of all its predecessors. */
  trustSignatures: 256,
  /** Signatures of one upload, or of all targets roles of one repository, that are checked: each is a millisecond for some keys. */
  trustSignaturesTogether: 1024,
  /**
   * JSON values in one upload, and in all targets roles of one repository: their number, not their bytes,
   * is what reading them costs. A tag has four or five.
   */
  trustUploadValues: 500_000,
  trustRepositoryValues: 1_000_000,
  /** Tags that one upload puts on record, each by each key that signed its file. */
  trustEntries: 100_000,
  /** Keys of one role that are told apart where its word is the repository's, not a person's. */
  trustVoices: 32,
  /** Roles of one repository that have a file, and their newest files together, in bytes. */
  trustRoles: 1000,
  trustRepositoryBytes: 64 * 1024 * 1024,
  /** Rows of another trust server's database that one import reads. */
  importRows: 5_000_000,
  /** Repositories of one import; each is a few kilobytes of its report. */
  importRepositories: 100_000,
  /** All versions of all files of one repository, in bytes: they are stored in one commit, from memory. */
  importRepositoryBytes: 512 * 1024 * 1024,
  /** What one imported repository puts on record of who signed what, now and before: tags by role, digest and key. */
  importEntries: 500_000,
  /** What an import keeps of dumps in a temporary file, in bytes. */
  importSpoolBytes: 64 * 1024 * 1024 * 1024,
  /** Largest public key or certificate file, in bytes. */
  keyFileBytes: 64 * 1024,
  /** Largest policy file, in bytes. */
  policyFileBytes: 1024 * 1024,
  /** Policy files in one folder. */
  policyFiles: 100,
  /** Image patterns of one policy set; each is compared with every other when it loads. */
  policyPatterns: 1000,
  /** Key files that one policy set names. */
  policyKeys: 1000,
  /** Largest configuration file, in bytes. */
  configFileBytes: 1024 * 1024,
  /** Largest JSON body of the API, in bytes. */
  apiBodyBytes: 64 * 1024,
  /** Largest AdmissionReview, in bytes: an object and its older self, each as large as etcd keeps. */
  admissionBodyBytes: 3 * 1024 * 1024,
  /** Images that one AdmissionReview may have judged, and how many are looked at together. */
  admissionImages: 256,
  admissionWidth: 16,
  /** Largest event of the record, in bytes; evidence beyond it is named by digest. */
  eventBytes: 16 * 1024,
  /** Longest repository name with its host (clients' own limit). */
  nameLength: 255,
} as const;
