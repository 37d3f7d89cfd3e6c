import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { oneSigner } from '../../support/one-signer.ts';
import { suiteScope } from '../../support/scope.ts';

const image = (note: string) => buildImage({ annotations: { note } });

describe('countersign verify', () => {
  const scope = suiteScope();
  let holding: Holding;
  let digest: Digest;
  let good = '';
  beforeAll(async () => {
    holding = await startHolding(scope);
    digest = await pushImage(holding.service.url, 'team/app', image('good'), '1');
    good = holding.at('team/app:1');
    await holding.cli('sign', good, '--key', 'release-bot');
  });

  /** A server that answers everything alike, on a port of its own. */
  async function serverThat(status: number, type: string, body: string): Promise<string> {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.own({
      stop: async () => {
        server.closeAllConnections();
        server.close();
      },
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('prints the decision and what it stands on', async () => {
    const ran = await holding.cli('verify', good);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^trusted {2}/);
    for (const part of [digest, 'policy    team', 'release-bot', good]) {
      expect(ran.stdout).toContain(part);
    }
    const { data } = await holding.json('verify', good);
    expect(data).toMatchObject({
      images: [
        {
          image: good,
          decision: {
            decision: 'allow',
            digest,
            policy: { name: 'team' },
            reason: { code: 'TRUSTED' },
            findings: [{ authority: 'release-bot', status: 'valid', signed: { tag: '1' } }],
          },
        },
      ],
    });
  });

  it('denies what nobody asked for signed, and what waits for a signature', async () => {
    const other = await pushImage(holding.service.url, 'team/other', image('other'), '1');
    await holding.cli('sign', holding.at(`team/other:1`), '--key', 'intern');
    const byDigest = await holding.cli('verify', holding.at(`team/other@${other}`));
    expect(byDigest).toMatchObject({ code: 1, stdout: expect.stringContaining('denied') });
    const byTag = await holding.cli('verify', holding.at('team/other:1'));
    expect(byTag).toMatchObject({ code: 1, stderr: expect.stringContaining('held') });
  });

  it('denies what is not there and what no policy governs', async () => {
    expect(await holding.cli('verify', holding.at('team/nothing:1'))).toMatchObject({ code: 1 });
    const free = await pushImage(holding.service.url, 'free/app', image('free'));
    const ran = await holding.cli('verify', holding.at(`free/app@${free}`));
    expect(ran).toMatchObject({ code: 1, stdout: expect.stringContaining('NO_POLICY') });
  });

  it('of several images, one refusal is the exit status, and all are shown', async () => {
    const { code, data } = await holding.json('verify', good, holding.at('team/nothing:1'));
    expect(code).toBe(1);
    expect(data).toMatchObject({
      images: [{ decision: { decision: 'allow' } }, { error: { code: 'MANIFEST_UNKNOWN' } }],
    });
  });

  it('could not find out: nobody there, no Countersign, a page, a failure', async () => {
    const plain = await serverThat(404, 'text/plain', '404 page not found\n');
    const page = await serverThat(200, 'text/html', '<html>welcome</html>');
    const broken = await serverThat(
      503,
      'application/json',
      '{"errors":[{"code":"UNAVAILABLE","message":"store is down"}]}',
    );
    for (const host of ['127.0.0.1:1', plain, page, broken]) {
      expect(await holding.cli('verify', `${host}/team/app:1`)).toMatchObject({ code: 3 });
    }
  });

  it('takes nothing but a whole allow for an allow', async () => {
    const answers: Readonly<Record<string, unknown>>[] = [
      { decision: 'allow' },
      { decision: 'ALLOW', digest, reason: { code: 'TRUSTED', message: '' } },
      { decision: true, digest, reason: { code: 'TRUSTED', message: '' } },
      { decision: 'allow', digest: 'sha256:1', reason: { code: 'TRUSTED', message: '' } },
    ];
    for (const answer of answers) {
      const host = await serverThat(200, 'application/json', JSON.stringify(answer));
      expect(await holding.cli('verify', `${host}/team/app:1`)).toMatchObject({ code: 3 });
    }
    const other = { decision: 'allow', digest, reason: { code: 'TRUSTED', message: '' } };
    const host = await serverThat(200, 'application/json', JSON.stringify(other));
    const asked = `${host}/team/app@sha256:${'0'.repeat(64)}`;
    expect(await holding.cli('verify', asked)).toMatchObject({ code: 3 });
  });

  it('asks another server when told so', async () => {
    const server = ['--server', holding.service.url];
    expect(await holding.cli('verify', good, ...server)).toMatchObject({ code: 0 });
    const foreign = await holding.cli('verify', 'elsewhere.example/team/app:1', ...server);
    expect(foreign).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('elsewhere.example'),
    });
    expect(await holding.cli('verify', good, '--server', 'ftp://x/y')).toMatchObject({ code: 2 });
  });

  it('does not call trusted what is only let through', async () => {
    const raw = await pushImage(holding.service.url, 'team/raw', image('raw'));
    holding.site.policy(oneSigner({ mode: 'warn' }));
    await expect
      .poll(async () => (await holding.cli('verify', holding.at(`team/raw@${raw}`))).stdout, {
        timeout: 10_000,
      })
      .toMatch(/^allowed {2}.*\n.*\(WARNED\)/);
    const told = await holding.cli('history', holding.at('team/raw'), '--type', 'allow');
    expect(told.stdout).toContain('pull, only warned: ');
    holding.site.policy(oneSigner({ push: 'hold' }));
  });

  describe('offline', () => {
    const offline = (...args: readonly string[]) =>
      holding.cli('verify', '--offline', '--policies', holding.site.policies, ...args);

    it('judges by policies and signatures, and says what it did not check', async () => {
      const ran = await offline(good);
      expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('revocations') });
      const { data } = await holding.json(
        'verify',
        '--offline',
        '--policies',
        holding.site.policies,
        good,
      );
      expect(data).toMatchObject({
        images: [{ decision: { decision: 'allow', record: null }, unchecked: ['revocations'] }],
      });
    });

    it('does not know of revocations', async () => {
      const name = holding.at(`team/app@${digest}`);
      await holding.cli('revoke', name);
      expect(await holding.cli('verify', name)).toMatchObject({ code: 1 });
      await holding.cli('revoke', '--undo', name);
      expect(await holding.cli('verify', name)).toMatchObject({ code: 0 });
    });

    it('needs policies that load, and no server', async () => {
      expect(
        await holding.cli('verify', '--offline', '--policies', '/nonexistent', good),
      ).toMatchObject({ code: 2 });
      expect(await offline('--server', holding.service.url, good)).toMatchObject({ code: 2 });
      expect(await holding.cli('verify', '--policies', holding.site.policies, good)).toMatchObject({
        code: 2,
      });
    });

    describe('by trust data', () => {
      const own = suiteScope();
      let dct: Holding;
      let old: Digest;
      const at = (name: string): string => `localhost:${dct.service.host.split(':')[1]}/${name}`;
      beforeAll(async () => {
        dct = await startHolding(own, { formats: ['dct'] });
        for (const [tag, note] of [
          ['1', 'old'],
          ['1', 'new'],
        ] as const) {
          const pushed = await pushImage(dct.service.url, 'team/app', image(note), tag);
          old ??= pushed;
          const name = `${at('team/app:1')}@${pushed}`;
          await dct.cli('sign', name, '--key', 'release-bot', '--format', 'dct');
        }
      });
      /** By the service's policy with something else put in it. */
      const judged = async (name: string, ...more: readonly string[]) => {
        const folder = mkdtempSync(join(dct.site.folder, 'policies-'));
        cpSync(dct.site.policies, folder, { recursive: true });
        const text = oneSigner({ formats: ['dct'] });
        const [rule = '', add = ''] = more;
        writeFileSync(join(folder, 'policy.yaml'), text.replace(rule, add));
        return dct.json('verify', '--offline', '--policies', folder, name);
      };
      const allowed = { code: 0, data: { images: [{ decision: { decision: 'allow' } }] } };
      const open = (what: string) => ({
        code: 3,
        data: {
          images: [
            {
              decision: {
                decision: 'deny',
                reason: {
                  code: 'CANNOT_VERIFY',
                  message: expect.stringMatching(
                    new RegExp(`${what}.*on the record.*countersign verify ${at('team/app')}`),
                  ) as string,
                },
              },
            },
          ],
        },
      });

      it('allows what the map says now, and says that a copy was not looked for', async () => {
        const ran = await judged(at('team/app:1'));
        expect(ran).toMatchObject(allowed);
        expect(ran.data).toMatchObject({
          images: [{ unchecked: ['revocations', 'copied trust data'] }],
        });
      });

      it('cannot find out how old a signature is, and says who can', async () => {
        const ran = await judged(at('team/app:1'), 'formats: [dct]', 'formats: [dct], maxAge: 90d');
        expect(ran).toMatchObject(open('when its tag was signed'));
      });

      it('cannot find out what was signed once, by digest; a tag that the map has not is denied', async () => {
        const name = `${at('team/app')}@${old}`;
        expect(await dct.cli('verify', name)).toMatchObject({ code: 0 });
        expect(await judged(name)).toMatchObject(open('whether it was signed once'));
        const current = await judged(name, 'tags: registry', 'tags: signed\n    digests: current');
        expect(current).toMatchObject({ code: 1 });
      });

      it('denies where nobody who is asked could have signed it', async () => {
        const name = `${at('team/app')}@${old}`;
        const ran = await judged(name, 'formats: [dct]', 'formats: [cosign]');
        expect(ran).toMatchObject({ code: 1 });
      });
    });

    it('cannot find out where the registry does not answer', async () => {
      expect(await offline('127.0.0.1:1/team/app:1')).toMatchObject({ code: 3 });
    });
  });
});
