import { beforeAll } from 'vitest';
import { describeConformance } from '../support/conformance.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { suiteScope } from '../support/scope.ts';

/** What docker-registry 2.8.2 does not do: referrers, sha512, pages and order of tags, some refusals. */
const KNOWN_TO_FAIL: ReadonlySet<string> = new Set([
  // It announces the blob's length with the 416 and cuts the connection.
  'a range outside a blob is 416 with an answer of the length it says',
  // 202, and the bytes are written at the wrong place.
  'a chunk that skips bytes is 416, and the upload goes on from where it stood',
  'sha512 names blobs too',
  'sha512 names manifests too',
  // 500.
  'a malformed digest is 400',
  // 400.
  'a manifest over 4 MiB is 413',
  // 500.
  'an artifact without layers and an image with layers kept elsewhere are taken',
  'a subject is confirmed by OCI-Subject, also one that is not there yet',
  'tags are listed with the name of the repository, in order',
  'the order of tags ignores case',
  'n and the Link to the next page walk through all tags',
  'n=0 is an empty list without a Link',
  'last leaves out that tag and all before it, also where it is not a tag',
  'referrers of what has none, or is not there, are an empty index',
  'referrers are listed with artifactType (else the config type) and annotations',
  'referrers are filtered by artifactType, and the answer says so',
  'referrers of a malformed digest are 400',
  // 400: the spec lets a registry leave tags undeletable.
  'a deleted tag is 202 and then 404; the manifest stays by digest',
  'a deleted referrer is no longer listed',
]);

// The table is checked against a registry that is not ours: a row that only our own registry could
// pass would prove little. test/registry/conformance.test.ts runs it against the embedded one.
describeWithClients('docker-registry and the conformance table', ['docker-registry'], () => {
  const scope = suiteScope();
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = scope.own(await startDockerRegistry(scope.folder()));
  });
  describeConformance(() => registry.url, KNOWN_TO_FAIL);
});
