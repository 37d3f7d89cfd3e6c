import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CountersignError } from '../../../src/lib/errors.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { openTrustServer } from '../../../src/trust/dct/client.ts';
import { dctImageSigner } from '../../../src/trust/dct/image-signer.ts';
import type { TrustServerAddress } from '../../../src/trust/dct/server-address.ts';
import { tagSigner } from '../../../src/trust/dct/tag-signer.ts';
import type { EvidenceSink } from '../../../src/trust/format.ts';
import { suiteScope } from '../../support/scope.ts';
import type { TestSession } from '../../support/trust-session.ts';
import { openSession, storedSigner } from '../../support/trust-session.ts';
import type { WireServer } from '../../support/wire-server.ts';
import { answerError, MANIFEST, startWireServer } from '../../support/wire-server.ts';

const digest = digestOf(MANIFEST);
const sink = {
  manifest: () => Promise.resolve({ bytes: MANIFEST, mediaType: 'application/json' }),
} as unknown as EvidenceSink;

describe('dct beside the other formats', () => {
  const scope = suiteScope();
  let machines = 0;
  /** A registry's own host that answers every path below `_trust` so. */
  const registry = async (status: number): Promise<WireServer> =>
    scope.own(
      await startWireServer((_request, response) =>
        answerError(response, status, 'UNSUPPORTED', 'no such path'),
      ),
    );
  const machine = (host: string, address: TrustServerAddress): TestSession => {
    const server = openTrustServer({ registryHost: host, address, retry: { attempts: 1 } });
    scope.own({ stop: () => server.close() });
    const session = openSession(join(scope.folder(), String(machines++)), `http://${host}`, host);
    return { ...session, server };
  };
  const own: TrustServerAddress = { url: null, named: false };
  const sign = async (
    session: TestSession,
    host: string,
    { required = false, tag = '1' as string | null, name = 'alice' } = {},
  ) => {
    const signer = await storedSigner(session, name);
    const request = { repository: `${host}/team/app` as Repository, digest, tag, annotations: {} };
    const passedOver = session.note;
    const tags = tagSigner({ session, signer, required, passedOver });
    return dctImageSigner({ tags, required, passedOver }).sign(request, signer, sink);
  };

  it.each([401, 403, 404, 405])(
    'is passed over, with a word, where a plain registry answers %d',
    async (status) => {
      const { host } = await registry(status);
      const session = machine(host, own);
      expect(await sign(session, host)).toBeNull();
      expect(session.notes).toEqual([expect.stringMatching(/^not signed in dct: /)]);
      // No root key was made for nothing.
      expect((await session.keys.list()).map((key) => key.name)).toEqual(['alice']);
    },
  );

  it.each([401, 403, 404, 405])(
    'fails where it was asked for and the server answers %d',
    async (status) => {
      const { host } = await registry(status);
      await expect(sign(machine(host, own), host, { required: true })).rejects.toBeInstanceOf(
        CountersignError,
      );
    },
  );

  it.each([404, 405])('fails where the trust server was named and answers %d', async (status) => {
    const { host, url } = await registry(status);
    const session = machine(host, { url: new URL(url), named: true });
    await expect(sign(session, host)).rejects.toMatchObject({ code: 'NO_TRUST_SERVICE' });
  });

  it('fails where the server gives no answer: silence is no plain registry', async () => {
    const { host } = await registry(503);
    await expect(sign(machine(host, own), host)).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
  });

  it('fails where this machine has seen trust data of the repository before', async () => {
    const { host } = await registry(404);
    const session = machine(host, own);
    await session.cache.write(
      `${host}/team/app` as Repository,
      new Map([['root', Buffer.from('{}')]]),
    );
    await expect(sign(session, host)).rejects.toMatchObject({ code: 'NO_TRUST_DATA' });
  });

  it('signs tags: a digest alone has no place in it', async () => {
    const { host, seen } = await registry(404);
    const session = machine(host, own);
    expect(await sign(session, host, { tag: null })).toBeNull();
    expect(session.notes).toEqual([expect.stringContaining('it signs tags, and none was named')]);
    await expect(
      sign(session, host, { tag: null, required: true, name: 'bob' }),
    ).rejects.toMatchObject({
      code: 'USAGE',
    });
    expect(seen).toEqual([]);
  });

  it('asks Docker Hub’s own trust server only where it is asked for', async () => {
    const session = machine('docker.io', own);
    expect(await sign(session, 'docker.io')).toBeNull();
    expect(session.notes).toEqual([expect.stringContaining('DOCKER_CONTENT_TRUST_SERVER')]);
  });

  it('nothing is published where nobody tells the size of what cannot be read', async () => {
    const { host } = await registry(404);
    const session = machine(host, own);
    const signer = await storedSigner(session, 'alice');
    const hidden = {
      manifest: () => Promise.reject(new CountersignError('FORBIDDEN', 'not signed')),
    } as unknown as EvidenceSink;
    const request = {
      repository: `${host}/team/app` as Repository,
      digest,
      tag: '1',
      annotations: {},
    };
    const ports = { session, signer, required: true, passedOver: session.note };
    const signing = { ...ports, tags: tagSigner(ports) };
    await expect(dctImageSigner(signing).sign(request, signer, hidden)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('its size is signed too') as string,
    });
  });
});
