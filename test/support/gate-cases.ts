import { beforeAll, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { describeWithClients } from './describe-with-clients.ts';
import type { ClientSession, GateClient } from './gate-client.ts';
import type { Guarded } from './guarded.ts';
import { BACKENDS, startGuarded } from './guarded.ts';
import type { TestImage } from './image.ts';
import { buildImage, buildIndex, pushImage } from './image.ts';
import type { Ran } from './run.ts';
import { suiteScope } from './scope.ts';
import { tarLayer } from './tar.ts';

/** How a program ended, in one line that a failed assertion shows whole: `done DIGEST` or `exit CODE: all it said`. */
const said = (ran: Ran & { readonly digest?: Digest | null }): string =>
  ran.code === 0 ? `done ${ran.digest ?? ''}` : `exit ${ran.code}: ${ran.output}`;

/** A program that failed and gave this reason. */
const failing = (reason: string): RegExp => new RegExp(`^exit -?[0-9]+: [^]*${reason}`);

/** The refusal that a person must see, of the policy with this name. */
const notSigned = (policy: string): RegExp =>
  failing(`not signed: policy ${policy} needs release-bot`);

const digestIn = (text: string): string => /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? 'none';

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

        const upload = (path: string, made: TestImage, tag: string | null = '1') =>
          pushImage(guarded.gate.url, path, made, tag ?? undefined);
        const pull = async (name: string): Promise<string> => said(await session.pull(at(name)));
        const push = async (name: string, content: string): Promise<string> =>
          said(await session.push(at(name), content));

        beforeAll(async () => {
          guarded = await startGuarded(scope, backend);
          session = await client.start(scope);
        });

        it('pulls a signed image by tag and by digest', async () => {
          const digest = await guarded.pushSigned('reject/signed:1', image('signed\n'));
          expect(await pull('reject/signed:1')).toBe(`done ${digest}`);
          expect(await pull(`reject/signed@${digest}`)).toBe(`done ${digest}`);
        });

        it('pulls a signed index by tag, and its child by digest', async () => {
          const child = image('child\n');
          const index = buildIndex([child, image('other child\n')]);
          const digest = await guarded.pushSigned('reject/multi:1', index);
          expect(await pull('reject/multi:1')).toMatch(/^done/);
          expect(await pull(`reject/multi@${digest}`)).toMatch(/^done/);
          expect(await pull(`reject/multi@${child.digest}`)).toBe(`done ${child.digest}`);
        });

        it('is refused an unsigned image by tag and by digest, and says why', async () => {
          const digest = await upload('allow/unsigned', image('unsigned\n'));
          expect(await pull('allow/unsigned:1')).toMatch(notSigned('allow'));
          expect(await pull(`allow/unsigned@${digest}`)).toMatch(notSigned('allow'));
        });

        it('is refused an unsigned index and its child, and says why', async () => {
          const child = image('unsigned child\n');
          await upload('allow/multi', buildIndex([child]));
          expect(await pull('allow/multi:1')).toMatch(notSigned('allow'));
          expect(await pull(`allow/multi@${child.digest}`)).toMatch(notSigned('allow'));
        });

        it('is refused an image that was signed only with a key that nobody asked for', async () => {
          await upload('allow/intern', image('by the intern\n'));
          await guarded.sign('allow/intern:1', 'intern');
          expect(await pull('allow/intern:1')).toMatch(notSigned('allow'));
        });

        it('is refused an unsigned push where policy rejects it, and says why', async () => {
          expect(await push('reject/app:1', 'rejected\n')).toMatch(notSigned('reject'));
          expect(await pull('reject/app:1')).toMatch(failing('(?:manifest unknown|not found)'));
        });

        it('pushes where policy allows it, and pulls once it is signed', async () => {
          const pushed = await push('allow/app:1', 'allowed\n');
          expect(pushed).toMatch(/^done sha256:/);
          expect(await pull('allow/app:1')).toMatch(notSigned('allow'));
          await guarded.sign('allow/app:1');
          expect(await pull('allow/app:1')).toBe(pushed);
        });

        it('pushes where policy holds; nobody can pull it until it is signed', async () => {
          const pushed = await push('hold/app:1', 'held\n');
          expect(pushed).toMatch(/^done sha256:/);
          const byDigest = `hold/app@${digestIn(pushed)}`;
          expect(await pull('hold/app:1')).toMatch(failing('is held until it is signed'));
          expect(await pull(byDigest)).toMatch(notSigned('hold'));
          await guarded.sign(byDigest);
          expect(await pull('hold/app:1')).toBe(pushed);
          expect(await pull(byDigest)).toBe(pushed);
        });

        it('still gets the signed image after an unsigned one was pushed over its tag', async () => {
          const first = await push('hold/over:1', 'first\n');
          await guarded.sign(`hold/over@${digestIn(first)}`);
          const second = await push('hold/over:1', 'second\n');
          expect(second).not.toBe(first);
          expect(await pull('hold/over:1')).toBe(first);
          await guarded.sign(`hold/over@${digestIn(second)}`);
          expect(await pull('hold/over:1')).toBe(second);
        });

        it('is refused a revoked image at the next pull, by tag and by digest', async () => {
          const revoke = async (digest: Digest): Promise<string> =>
            said(await guarded.site.cli(['revoke', at(`reject/revoked@${digest}`)]));
          const seen = await guarded.pushSigned('reject/revoked:seen', image('seen\n'));
          expect(await pull('reject/revoked:seen')).toBe(`done ${seen}`);
          expect(await revoke(seen)).toMatch(/^done/);
          expect(await pull('reject/revoked:seen')).toMatch(failing('revoked'));
          // Another one by digest: dockerd keeps manifests that it has seen, and does not ask for them again.
          const unseen = await guarded.pushSigned('reject/revoked:unseen', image('unseen\n'));
          expect(await revoke(unseen)).toMatch(/^done/);
          expect(await pull(`reject/revoked@${unseen}`)).toMatch(failing('revoked'));
        });

        it('is refused a repository that no policy names', async () => {
          const digest = await upload('elsewhere/app', image('no policy\n'), null);
          expect(await pull(`elsewhere/app@${digest}`)).toMatch(failing('no policy'));
        });
      },
    );
  }
}
