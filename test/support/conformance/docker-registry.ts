/** What docker-registry 2.8.2 does not do: referrers, sha512, pages and order of tags, some refusals. */
export const KNOWN_TO_FAIL: ReadonlySet<string> = new Set([
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
  // 202: wherever it says that it begins.
  'a first chunk that does not begin with byte 0 is 416',
  // 400, for the digest is then another.
  'a last chunk out of order, with the PUT, is 416',
  // It ends an upload whose size is not the one that its Location remembers.
  'an upload that broke off goes on where GET says that it stands',
  // 404 until there was a tag.
  'a list of tags is JSON, also of a repository whose tags are gone',
  'a filter that nothing matches is an empty index',
  'a referrer that was pushed before its subject is listed',
]);
