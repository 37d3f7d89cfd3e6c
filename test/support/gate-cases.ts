import { beforeAll, expect, it } from 'vitest';
import { describeWithClients } from './describe-with-clients.ts';
import type { ClientSession, GateClient } from './gate-client.ts';
import type { Guarded } from './guarded.ts';
import { BACKENDS, startGuarded } from './guarded.ts';
import { buildImage, buildIndex, pushImage } from './image.ts';
import { suiteScope } from './scope.ts';
import { tarLayer } from './tar.ts';

/** The reason that a person must see, of the policy with this name. */
const notSigned = (policy: string): RegExp =>
  new RegExp(`not signed: policy ${policy} needs release-bot`);

const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

/**
 * The cases that every container client meets at the gate, in front of each backend. The first is
 * the positive control: a client that refuses everything would pass all the others.
 */
export function gateCases(client: GateClient): void {
  for (const backend of BACKENDS) {
    describeWithClients(
      `${client.name} through the gate in front of ${backend}`,
      [...client.needs, ...(backend === 'docker-registry' ? ([backend] as const) : [])],
      () => {
        const scope = suiteScope();
        let guarded: Guarded;
        let session: ClientSession;
        /** A name at the gate, as the client writes it. */
        const at = (name: string): string => `${guarded.gate.host}/${name}`;

        beforeAll(async () => {
          guarded = await startGuarded(scope, backend);
          session = await client.start(scope);
        });

        it('pulls a signed image by tag and by digest', async () => {
          const digest = await guarded.pushSigned('reject/signed:1', image('signed\n'));
          expect(await session.pull(at('reject/signed:1'))).toMatchObject({ code: 0, digest });
          expect(await session.pull(at(`reject/signed@${digest}`))).toMatchObject({
            code: 0,
            digest,
          });
        });

        it('pulls a signed index by tag, and its child by digest', async () => {
          const child = image('child\n');
          const index = buildIndex([child, image('other child\n')]);
          const digest = await guarded.pushSigned('reject/multi:1', index);
          expect(await session.pull(at('reject/multi:1'))).toMatchObject({ code: 0 });
          expect(await session.pull(at(`reject/multi@${digest}`))).toMatchObject({ code: 0 });
          expect(await session.pull(at(`reject/multi@${child.digest}`))).toMatchObject({
            code: 0,
            digest: child.digest,
          });
        });

        it('is refused an unsigned image by tag and by digest, and says why', async () => {
          const digest = await pushImage(
            guarded.gate.url,
            'allow/unsigned',
            image('unsigned\n'),
            '1',
          );
          for (const name of ['allow/unsigned:1', `allow/unsigned@${digest}`]) {
            const pulled = await session.pull(at(name));
            expect(pulled.code).not.toBe(0);
            expect(pulled.output).toMatch(notSigned('allow'));
          }
        });

        it('is refused an unsigned index and its child, and says why', async () => {
          const child = image('unsigned child\n');
          await pushImage(guarded.gate.url, 'allow/multi', buildIndex([child]), '1');
          for (const name of ['allow/multi:1', `allow/multi@${child.digest}`]) {
            const pulled = await session.pull(at(name));
            expect(pulled.code).not.toBe(0);
            expect(pulled.output).toMatch(notSigned('allow'));
          }
        });

        it('is refused an image that only a key counts for that nobody asked for', async () => {
          await pushImage(guarded.gate.url, 'allow/intern', image('by the intern\n'), '1');
          await guarded.sign('allow/intern:1', 'intern');
          const pulled = await session.pull(at('allow/intern:1'));
          expect(pulled.code).not.toBe(0);
          expect(pulled.output).toMatch(notSigned('allow'));
        });

        it('is refused an unsigned push where policy rejects it, and says why', async () => {
          const pushed = await session.push(at('reject/app:1'), 'rejected\n');
          expect(pushed.code).not.toBe(0);
          expect(pushed.output).toMatch(notSigned('reject'));
          expect((await session.pull(at('reject/app:1'))).code).not.toBe(0);
        });

        it('pushes again what was signed before', async () => {
          const pushed = await session.push(at('allow/again:1'), 'again\n');
          expect(pushed).toMatchObject({ code: 0, digest: expect.stringMatching(/^sha256:/) });
          await guarded.sign('allow/again:1');
          expect(await session.push(at('allow/again:2'), 'again\n')).toMatchObject({ code: 0 });
          expect(await session.pull(at('allow/again:1'))).toMatchObject({ digest: pushed.digest });
        });

        it('pushes where policy holds; nobody can pull it until it is signed', async () => {
          const pushed = await session.push(at('hold/app:1'), 'held\n');
          expect(pushed).toMatchObject({ code: 0, digest: expect.stringMatching(/^sha256:/) });
          for (const name of ['hold/app:1', `hold/app@${pushed.digest}`]) {
            expect((await session.pull(at(name))).code).not.toBe(0);
          }
          await guarded.sign(`hold/app@${pushed.digest}`);
          for (const name of ['hold/app:1', `hold/app@${pushed.digest}`]) {
            expect(await session.pull(at(name))).toMatchObject({ code: 0, digest: pushed.digest });
          }
        });

        it('still gets the signed image after an unsigned one was pushed over its tag', async () => {
          const first = await session.push(at('hold/over:1'), 'first\n');
          await guarded.sign(`hold/over@${first.digest}`);
          const second = await session.push(at('hold/over:1'), 'second\n');
          expect(second.code).toBe(0);
          expect(second.digest).not.toBe(first.digest);
          expect(await session.pull(at('hold/over:1'))).toMatchObject({
            code: 0,
            digest: first.digest,
          });
          await guarded.sign(`hold/over@${second.digest}`);
          expect(await session.pull(at('hold/over:1'))).toMatchObject({
            code: 0,
            digest: second.digest,
          });
        });

        it('is refused a revoked image at the next pull, by tag and by digest', async () => {
          const digest = await guarded.pushSigned('reject/revoked:1', image('revoked\n'));
          expect(await session.pull(at('reject/revoked:1'))).toMatchObject({ code: 0 });
          const revoked = await guarded.site.cli(['revoke', at(`reject/revoked@${digest}`)]);
          expect(revoked).toMatchObject({ code: 0 });
          for (const name of ['reject/revoked:1', `reject/revoked@${digest}`]) {
            const pulled = await session.pull(at(name));
            expect(pulled.code).not.toBe(0);
            expect(pulled.output).toMatch(/revoked/);
          }
        });

        it('is refused a repository that no policy names', async () => {
          await pushImage(guarded.gate.url, 'elsewhere/app', image('no policy\n'));
          const pulled = await session.pull(at(`elsewhere/app@${image('no policy\n').digest}`));
          expect(pulled.code).not.toBe(0);
          expect(pulled.output).toMatch(/no policy/);
        });
      },
    );
  }
}
