import type { IncomingMessage } from 'node:http';
import type { BlobStore } from '../blobs.ts';
import type { ManifestStore } from '../manifests.ts';
import type { ReferrerStore } from '../referrers.ts';
import type { TagStore } from '../tags.ts';
import type { UploadStore } from '../uploads.ts';

/** The stores that handlers work on. */
export interface Stores {
  readonly repositories: string;
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
  readonly manifests: ManifestStore;
  readonly tags: TagStore;
  readonly referrers: ReferrerStore;
}

/** One request to a handler: the stores, the raw request, and its query as the router read it. */
export interface Exchange {
  readonly stores: Stores;
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
}
