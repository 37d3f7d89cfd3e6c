import { beforeAll, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { lookUpTag } from '../../../src/tuf/lookup.ts';
import { describeWithClients } from '../../support/describe-with-clients.ts';
import type { NotaryServer } from '../../support/notary-server.ts';
import { startNotaryServer } from '../../support/notary-server.ts';
import { suiteScope } from '../../support/scope.ts';
import { gunOf, openSession, storedSigner } from '../../support/trust-session.ts';

describeWithClients('tags are signed at notary-server', ['notary-server'], () => {
  const scope = suiteScope();
  let server: NotaryServer;
  beforeAll(async () => {
    server = scope.own(await startNotaryServer(scope.folder()));
  });

  it('begins', async () => {
    const session = openSession(`${scope.folder()}/one`, server.url, 'registry.example.com');
    const gun = gunOf('registry.example.com:5000', 'team/one');
    const alice = await storedSigner(session, 'alice', 'ed25519');
    const digest = digestOf(Buffer.from('one'));
    expect(await signTag(session, { gun, tag: '1', digest, length: 3, signer: alice })).toBe(true);
    expect(await signTag(session, { gun, tag: '1', digest, length: 3, signer: alice })).toBe(false);
    expect(await signTag(session, { gun, tag: '2', digest, length: 3, signer: alice })).toBe(true);
    const loaded = await loadTrust(session, gun);
    if (loaded.kind !== 'trusted') throw new Error(JSON.stringify(loaded));
    expect([...loaded.repository.tree.roles.keys()]).toEqual([
      'targets',
      'targets/alice',
      'targets/releases',
    ]);
    expect(lookUpTag(loaded.repository.tree, '1')).toMatchObject({
      kind: 'signed',
      entry: { digest },
    });
    expect(session.notes).toEqual([]);
  });
});
