import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { request } from 'undici';
import { unwrap } from '../../src/lib/result.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { formatByName } from '../../src/trust/formats.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Guarded } from '../support/guarded.ts';
import { BACKENDS, startGuarded } from '../support/guarded.ts';
import { MemoryEvidence } from '../support/evidence.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, pushBlob, pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';
import type { StallingProxy } from '../support/stalling-proxy.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';
import { tarLayer } from '../support/tar.ts';

const ROUNDS = 4;
const repository = (name: string) => unwrap(parseRepository(name));
const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

for (const backend of BACKENDS) {
  describeWithClients(
    `kill -9 of the gate in front of ${backend}`,
    backend === 'docker-registry' ? ['docker-registry'] : [],
    () => {
      const scope = suiteScope();
      let guarded: Guarded;

      beforeAll(async () => {
        guarded = await startGuarded(scope, backend);
      });

      it('serves what was signed (the positive control)', async () => {
        const digest = await guarded.pushSigned('reject/control:1', image('control\n'));
        expect(await servedBy(guarded.gate.url, 'reject/control:1')).toBe(digest);
      });

      it('loses no hold that was answered', async () => {
        const acknowledged = new Map<string, string>();
        for (let round = 0; round < ROUNDS; round++) {
          const pushing = Promise.allSettled(
            Array.from({ length: 8 }, async (_, n) => {
              const name = `hold/kill${round}-${n}`;
              const one = image(`${name}\n`);
              await pushImage(guarded.gate.url, name, one, '1');
              acknowledged.set(name, one.digest);
            }),
          );
          // Each round strikes at another moment of the pushes.
          await sleep(15 * (round + 1));
          await guarded.gate.kill();
          await pushing;
          await guarded.gate.start();
        }
        await pushImage(guarded.gate.url, 'hold/last', image('last\n'), '1');
        acknowledged.set('hold/last', image('last\n').digest);
        await guarded.sign([...acknowledged.keys()].map((name) => `${name}:1`));
        for (const [name, digest] of acknowledged) {
          expect(await eventually(guarded, `${name}:1`)).toBe(digest);
        }
      });

      it('finishes every promotion whose signature was answered', async () => {
        const acknowledgements: boolean[] = [];
        // Milliseconds from sending the signature to the kill; null: as soon as it is answered.
        for (const [round, delay] of [null, 0, 4, 8, 14, 22, null].entries()) {
          const path = `hold/promote${round}`;
          const one = image(`${path}\n`);
          await pushImage(guarded.gate.url, path, one, '1');
          const signature = await makeSignature(guarded, path, one);
          for (const bytes of signature.blobs) await pushBlob(guarded.gate.url, path, bytes);
          const answered = putSignature(guarded.gate.url, path, signature);
          await (delay === null ? answered : sleep(delay));
          await guarded.gate.kill();
          const acknowledged = await answered;
          acknowledgements.push(acknowledged);
          await guarded.gate.start();
          if (!acknowledged) await guarded.sign(`${path}:1`);
          expect(await eventually(guarded, `${path}:1`)).toBe(one.digest);
        }
        expect(acknowledgements.at(0)).toBe(true);
      });

      it('still serves what was signed before', async () => {
        expect(await servedBy(guarded.gate.url, 'reject/control:1')).toBe(
          image('control\n').digest,
        );
      });
    },
  );
}

// A promotion that the registry behind the gate leaves unanswered, so that the kill surely meets it.
describeWithClients('kill -9 of the gate in the middle of a promotion', ['docker-registry'], () => {
  const scope = suiteScope();
  let guarded: Guarded;
  let proxy: StallingProxy;

  beforeAll(async () => {
    const between = async (upstream: string): Promise<string> => {
      proxy = scope.own(await startStallingProxy(upstream));
      return proxy.url;
    };
    guarded = await startGuarded(scope, 'docker-registry', { between });
  });

  it('is completed at the next start, with nobody signing again', async () => {
    const held = image('in the middle\n');
    await pushImage(guarded.gate.url, 'hold/middle', held, '1');
    const signature = await makeSignature(guarded, 'hold/middle', held);
    for (const bytes of signature.blobs) await pushBlob(guarded.gate.url, 'hold/middle', bytes);
    proxy.stall((method, path) => method === 'PUT' && path.endsWith('/manifests/1'));
    const answered = putSignature(guarded.gate.url, 'hold/middle', signature);
    await proxy.stalled();
    expect(await servedBy(guarded.upstream?.url ?? '', 'hold/middle:1')).toBeNull();
    await guarded.gate.kill();
    await answered;
    proxy.stall(null);
    await guarded.gate.start();
    expect(await eventually(guarded, 'hold/middle:1')).toBe(held.digest);
  });
});

/** The digest that a tag gives a client, or `null` where it gives none. */
async function servedBy(url: string, name: string): Promise<string | null> {
  const [path = '', tag = ''] = name.split(':');
  const headers = { accept: MEDIA.ociManifest };
  const answer = await request(`${url}/v2/${path}/manifests/${tag}`, { headers });
  await answer.body.dump();
  return answer.statusCode === 200 ? String(answer.headers['docker-content-digest']) : null;
}

async function eventually(guarded: Guarded, name: string): Promise<string | null> {
  const end = performance.now() + 20_000;
  for (;;) {
    const digest = await servedBy(guarded.gate.url, name);
    if (digest !== null || performance.now() > end) return digest;
    await sleep(100);
  }
}

/** A signature artifact as its parts, so that a test can send the last of them at a moment of its choice. */
interface Signature {
  readonly tag: string;
  readonly manifest: Buffer;
  readonly blobs: readonly Buffer[];
}

async function makeSignature(
  { gate, spare }: Guarded,
  path: string,
  { digest }: TestImage,
): Promise<Signature> {
  const memory = new MemoryEvidence();
  const claim = {
    repository: repository(`${gate.host}/${path}`),
    digest,
    tag: '1',
    annotations: {},
  };
  await formatByName('cosign')?.sign(claim, spare, memory);
  const [[tag, manifest] = ['', digest]] = memory.tags;
  return {
    tag,
    manifest: Buffer.from(memory.manifests.get(manifest)?.bytes ?? []),
    blobs: [...memory.blobs.values()].map((bytes) => Buffer.from(bytes)),
  };
}

/** Puts the signature under its tag; whether that was answered with success. */
async function putSignature(url: string, path: string, signature: Signature): Promise<boolean> {
  try {
    const answer = await request(`${url}/v2/${path}/manifests/${signature.tag}`, {
      method: 'PUT',
      headers: { 'content-type': MEDIA.ociManifest },
      body: signature.manifest,
    });
    await answer.body.dump();
    return answer.statusCode === 201;
  } catch {
    return false;
  }
}
