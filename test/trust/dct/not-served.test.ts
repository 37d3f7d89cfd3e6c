import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { suiteScope } from '../../support/scope.ts';
import { startTrustServer } from '../../support/trust-server.ts';
import { trustMachines } from '../../support/trust-machines.ts';
import type { TestSession } from '../../support/trust-session.ts';
import { gunOf, openSession, storedSigner } from '../../support/trust-session.ts';
import type { OwnAnswer, TrustWire } from '../../support/trust-wire.ts';
import { startTrustWire } from '../../support/trust-wire.ts';

const HOST = 'registry.example.com:5000';
const image = { digest: digestOf(Buffer.from('one')), length: 3 };

describe('a server that says "stored" and stores nothing', () => {
  const scope = suiteScope();
  let wire: TrustWire;
  let machines = 0;
  beforeAll(async () => {
    const folder = join(scope.folder(), 'server');
    const server = scope.own(await startTrustServer(folder, 'countersign', { registry: HOST }));
    wire = scope.own(await startTrustWire(server.authority, () => server.url));
  });
  afterEach(() => wire.answerWith(null));

  const machine = (): TestSession => {
    const session = openSession(join(scope.folder(), `machine-${machines++}`), wire.url, HOST);
    scope.own({ stop: () => session.server.close() });
    return session;
  };
  const swallow = (path: string, method: string): OwnAnswer | undefined =>
    method === 'POST' && path.endsWith('/_trust/tuf/') ? { status: 200 } : undefined;
  const notServed = {
    code: 'UPSTREAM_UNAVAILABLE',
    message: expect.stringContaining('does not serve them'),
  };

  it('has begun no repository', async () => {
    const session = machine();
    const signer = await storedSigner(session, 'alice');
    const signing = { gun: gunOf(HOST, 'begun'), tag: '1', ...image, signer };
    wire.answerWith(swallow);
    await expect(signTag(session, signing)).rejects.toMatchObject(notServed);
  });

  it('has signed and revoked nothing, and given nobody a right', async () => {
    const session = machine();
    const signer = await storedSigner(session, 'alice');
    const gun = gunOf(HOST, 'changed');
    await signTag(session, { gun, tag: '1', ...image, signer });
    const other = await storedSigner(machine(), 'bob');
    wire.answerWith(swallow);
    await expect(signTag(session, { gun, tag: '2', ...image, signer })).rejects.toMatchObject(
      notServed,
    );
    await expect(revokeTags(session, gun, '1')).rejects.toMatchObject(notServed);
    const keys = [tufKeyOf(other.publicKey)];
    await expect(addSigner(session, { gun, name: 'bob', keys })).rejects.toMatchObject(notServed);
  });

  it('is waited for while it is a moment behind', async () => {
    const session = machine();
    const signer = await storedSigner(session, 'alice');
    const gun = gunOf(HOST, 'late');
    await signTag(session, { gun, tag: '1', ...image, signer });
    const before = await session.server.file(gun, 'timestamp');
    let stale = 0;
    let stored = false;
    wire.answerWith((path, method) => {
      stored ||= method === 'POST';
      if (!stored || !path.endsWith('/timestamp.json') || stale >= 2) return undefined;
      stale += 1;
      return { body: before ?? '' };
    });
    expect(await signTag(session, { gun, tag: '2', ...image, signer })).toBe(true);
    expect(stale).toBe(2);
  });
});

describe('a publish that something on the way sends twice', () => {
  const { machine } = trustMachines(HOST);

  it('begins a repository, whose key is kept', async () => {
    const { server, ...session } = machine();
    const publish: typeof server.publish = async (gun, parts) => {
      await server.publish(gun, parts);
      return server.publish(gun, parts);
    };
    const twice = { ...session, server: { ...server, publish } };
    const signer = await storedSigner(twice, 'alice');
    const gun = gunOf(HOST, 'twice');
    expect(await signTag(twice, { gun, tag: '1', ...image, signer })).toBe(true);
    const other = await storedSigner(machine(), 'bob');
    const keys = [tufKeyOf(other.publicKey)];
    expect(await addSigner({ ...twice, server }, { gun, name: 'bob', keys })).toBe(true);
  });
});
