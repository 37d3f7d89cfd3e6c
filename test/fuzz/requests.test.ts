import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { describe, expect, it } from 'vitest';
import { createSite, startService } from '../support/countersign.ts';
import type { Ground } from '../support/fuzz-requests.ts';
import { Dice, fuzzRequest } from '../support/fuzz-requests.ts';
import { buildImage, buildIndex, pushImage } from '../support/image.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

/** Requests in all, and connections at a time. A run is repeated with the seed that it prints. */
const REQUESTS = Number(process.env['COUNTERSIGN_FUZZ_REQUESTS'] ?? '100000');
const CONNECTIONS = 16;
const SEED = Number(process.env['COUNTERSIGN_FUZZ_SEED'] ?? Date.now() % 2 ** 31);

/** In the unsigned manifests and nowhere else: these bytes must not leave the gate. */
const MARK = 'must-never-be-served';
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

/** True for a request by digest of the identity that has the right to push. */
const mayReadHeld = (request: string): boolean =>
  /^GET \S+\/manifests\/sha256:/.test(request) &&
  request.includes(`Authorization: ${basic('dev:dev')}\r\n`);

describe(`generated requests (COUNTERSIGN_FUZZ_SEED=${SEED})`, () => {
  const scope = suiteScope();

  async function ground(identities: boolean) {
    const site = createSite(join(scope.folder(), identities ? 'identities' : 'open'));
    await site.key('bot');
    site.policy(`version: 1
authorities: [{ name: bot, keys: [keys/bot.pub] }]
policies:
  - name: all
    images: ["**"]
    mode: enforce
    push: ${identities ? 'hold' : 'reject'}
    tags: registry
    require: [{ signatures: { by: [bot], formats: [cosign] } }]
`);
    const upstream = scope.own(await startRegistry(join(site.folder, 'registry')));
    writeFileSync(join(site.folder, 'users'), `dev:${hashSync('dev', 4)}\n`);
    const service = scope.own(
      await startService(site, {
        config: (host) => `registries: [{ host: "${host}", upstream: "${upstream.url}" }]
${identities ? `identities: { htpasswd: users }\naccess: [{ repositories: ["${host}/**"], pull: [anonymous], push: [dev] }]` : ''}`,
      }),
    );
    const good = buildImage({ annotations: { note: 'signed' } });
    const bad = buildImage({ annotations: { note: MARK } });
    const index = buildIndex([bad], { annotations: { note: MARK } });
    await pushImage(upstream.url, 'team/app', good, 'good');
    await pushImage(upstream.url, 'team/app', bad, 'bad');
    await pushImage(upstream.url, 'team/other', index, 'latest');
    if (identities) site.login(service.host, 'dev', 'dev');
    const signed = await site.cli(['sign', `${service.host}/team/app:good`, '--key', 'bot']);
    expect(signed.output).toContain('signed');
    const hex = (digest: string): string => digest.slice(7);
    const world: Ground = {
      host: service.host,
      paths: ['team/app', 'team/app', 'team/other', 'team/none'],
      references: [
        'good',
        'bad',
        'latest',
        'none',
        ...[good, bad, index].map(({ digest }) => digest),
        ...[good, bad, index].flatMap(({ digest }) => [
          `sha256-${hex(digest)}.sig`,
          `sha256-${hex(digest)}`,
          `sha256:${hex(digest).toUpperCase()}`,
          `sha512:${hex(digest)}`,
        ]),
      ],
      bodies: [
        ...[good, bad, index].map((one) => one.manifest),
        Buffer.from('{}'),
        Buffer.from(`{"image":"${service.host}/team/app:bad","action":"pull"}`),
        Buffer.alloc(0),
        Buffer.from('[['.repeat(2000)),
      ],
      pushes: [good, bad, index].flatMap(({ manifest, mediaType, digest }) =>
        [digest, 'good', 'bad', 'new', `sha256-${hex(digest)}.sig`, `sha256-${hex(digest)}`].map(
          (reference) => ({
            target: `/v2/team/app/manifests/${reference}`,
            mediaType,
            body: manifest,
          }),
        ),
      ),
      credentials: [
        basic('dev:dev'),
        basic('dev:dev'),
        basic('dev:no'),
        'Basic',
        'Bearer x',
        '\u00ff',
      ],
    };
    return { service, world, good, bad, index };
  }

  it.each([
    ['without identities', false, Math.ceil(REQUESTS * 0.7)],
    ['with identities and holds', true, Math.floor(REQUESTS * 0.3)],
  ] as const)(
    '%s: no unsigned bytes, no crash, no 5xx',
    async (_name, identities, requests) => {
      const { service, world, good, bad, index } = await ground(identities);
      const statuses = new Map<number, number>();
      const wrong: string[] = [];
      let left = requests;
      const attack = async (seed: number): Promise<void> => {
        const dice = new Dice(seed);
        const connection = new RawConnection(service.url);
        while (left-- > 0 && wrong.length < 5) {
          const request = fuzzRequest(dice, world);
          const answer = await connection.ask(request.bytes, {
            head: request.head,
            last: !request.clean,
          });
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
          const text = answer.bytes.toString('latin1');
          const served = text.includes(MARK) || connection.surplus().includes(MARK);
          const failed =
            answer.bytes.length > 0 && [...text.matchAll(/^HTTP\/1\.1 5/gm)].length > 0;
          // Who may push may read, by digest, what was pushed and waits; nobody else may.
          const waits = identities && mayReadHeld(request.bytes.toString('latin1'));
          if ((served && !waits) || failed) {
            wrong.push(
              `${request.bytes.toString('latin1').slice(0, 600)}\n=>\n${text.slice(0, 600)}`,
            );
          }
        }
        connection.close();
      };
      await Promise.all(
        Array.from({ length: CONNECTIONS }, (_, at) =>
          attack(SEED + at * 7919 + (identities ? 1 : 0)),
        ),
      );
      expect(wrong).toEqual([]);
      // The generator reaches what it is to attack: things are served, refused and not understood.
      for (const status of [200, 201, 400, 403, 404, 405, 421]) {
        expect.soft(statuses.get(status) ?? 0, `answers with ${status}`).toBeGreaterThan(0);
      }
      // Afterwards what was signed is served and nothing else is; a tag may have moved to what is signed.
      const after = async (path: string, reference: string): Promise<string> => {
        const answer = await fetch(`${service.url}/v2/${path}/manifests/${reference}`);
        const served = answer.ok && (await answer.text()) === good.manifest.toString();
        return served ? 'signed' : String(answer.status);
      };
      for (const reference of ['good', good.digest]) {
        expect(await after('team/app', reference)).toBe('signed');
      }
      expect(['403', 'signed']).toContain(await after('team/app', 'bad'));
      expect(await after('team/app', bad.digest)).toBe('403');
      for (const reference of ['latest', index.digest]) {
        expect(await after('team/other', reference)).toBe('403');
      }
      expect(service.logs()).not.toMatch(/unexpected failure|request failed|unhandled/i);
    },
    600_000,
  );
});
