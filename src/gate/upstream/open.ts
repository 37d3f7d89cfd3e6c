import { getBlob, putBlob } from './blobs.ts';
import { listReferrers, listTags } from './lists.ts';
import { getManifest, headManifest, putManifest } from './manifests.ts';
import type { Upstream, UpstreamOptions } from './upstream.ts';
import { Wire } from './wire.ts';

/** Opens the connections to the registry behind the gate; nothing is sent yet. */
export function openUpstream(options: UpstreamOptions): Upstream {
  const wire = new Wire(options);
  return {
    origin: wire.origin,
    tokenServer: wire.tokenServer,
    limits: (caller) => wire.limits.of(caller),
    isStorage: (origin) => wire.isStorage(origin),
    manifest: (path, reference, caller) => getManifest(wire, path, reference, caller),
    head: (path, reference, caller) => headManifest(wire, path, reference, caller),
    blob: (path, digest, maxBytes, caller) => getBlob(wire, path, digest, maxBytes, caller),
    tags: (path, limit, caller) => listTags(wire, path, limit, caller),
    referrers: (path, digest, caller) => listReferrers(wire, path, digest, caller),
    putManifest: (path, reference, bytes, mediaType, caller) =>
      putManifest(wire, { path, reference, caller }, bytes, mediaType),
    putBlob: (path, digest, bytes, caller) => putBlob(wire, path, digest, bytes, caller),
    exchange: (request, caller) => wire.stream(request, caller),
    blobStream: (request, caller) => wire.blobStream(request, caller),
    close: () => wire.close(),
  };
}
