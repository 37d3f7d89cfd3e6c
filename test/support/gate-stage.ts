import { beforeAll } from 'vitest';
import type { MatrixColumn } from '../../docs/client-matrix.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { proves } from './client-matrix.ts';
import type { ClientSession, GateClient } from './gate-client.ts';
import type { Backend, Guarded } from './guarded.ts';
import { PASSWORD, PUSHER, READER, startGuarded } from './guarded.ts';
import type { TestImage } from './image.ts';
import { buildImage, pushImage } from './image.ts';
import type { Ran } from './run.ts';
import { suiteScope } from './scope.ts';
import { tarLayer } from './tar.ts';

/** How a program ended, in one line that a failed assertion shows whole: `done DIGEST` or `exit CODE: all it said`. */
export const said = (ran: Ran & { readonly digest?: Digest | null }): string =>
  ran.code === 0 ? `done ${ran.digest ?? ''}` : `exit ${ran.code}: ${ran.output}`;

/** A program that failed and gave this reason. */
export const failing = (reason: string): RegExp => new RegExp(`^exit -?[0-9]+: [^]*${reason}`);

/** What is said of a tag that nothing was given. */
export const ABSENT: RegExp = failing('(?:manifest unknown|MANIFEST_UNKNOWN|not found)');

/** The refusal that a person must see, of the policy with this name. */
export const notSigned = (policy: string): RegExp =>
  failing(`not signed: policy ${policy} needs release-bot`);

/** What a person sees who pulls a held tag that nothing was given before. */
export const HELD_BACK: RegExp = failing('is held until it is signed');

/** The digest in a `done DIGEST` line, `none` where it has none. */
export const digestIn = (text: string): string => /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? 'none';

/** An image of one small file. */
export const image = (content: string): TestImage =>
  buildImage({ layers: [tarLayer({ content })] });

/** One client before a gate of its own. Names are written without the gate's host. */
export interface GateStage {
  readonly client: GateClient;
  readonly backend: Backend;
  /** What the suite's hook has started. */
  readonly guarded: () => Guarded;
  readonly session: () => ClientSession;
  /** A name at the gate, as the client writes it. */
  readonly at: (name: string) => string;
  /** Sends an image as no client does, over HTTP; returns its digest. */
  readonly upload: (path: string, made: TestImage, tag?: string | null) => Promise<Digest>;
  readonly pull: (name: string) => Promise<string>;
  readonly push: (name: string, content: string) => Promise<string>;
  readonly pushAgain: (from: string, to: string) => Promise<string>;
  /** Throws where the client has no command for that; `session().pushIndex` tells. */
  readonly pushIndex: (name: string, index: TestImage) => Promise<string>;
  /** Writes a proof into the client matrix; after the assertions. */
  readonly proves: (column: MatrixColumn, value?: string) => void;
}

/** Starts gate and client before the suite's tests; call it in the suite's body. */
export function gateStage(client: GateClient, backend: Backend): GateStage {
  const scope = suiteScope();
  let guarded: Guarded;
  let session: ClientSession;
  const at = (name: string): string => `${guarded.gate.host}/${name}`;
  beforeAll(async () => {
    guarded = await startGuarded(scope, backend, { identities: client.identified === true });
    session = await client.start(scope);
  });
  // Who pushes may read what is not signed yet: what everyone else gets, somebody else must ask for.
  const become = async (user: string): Promise<void> => {
    if (client.identified === true) await session.login(guarded.gate.host, user, PASSWORD);
  };
  return {
    client,
    backend,
    guarded: () => guarded,
    session: () => session,
    at,
    upload: (path, made, tag = '1') =>
      pushImage(guarded.gate.url, path, made, tag ?? undefined, guarded.headers),
    pull: async (name) => {
      await become(READER);
      return said(await session.pull(at(name)));
    },
    push: async (name, content) => {
      await become(PUSHER);
      return said(await session.push(at(name), content));
    },
    pushAgain: async (from, to) => {
      await become(PUSHER);
      return said(await session.pushAgain(at(from), at(to)));
    },
    pushIndex: async (name, index) => {
      const { pushIndex } = session;
      if (pushIndex === undefined) throw new Error(`${client.name} pushes no indexes`);
      await become(PUSHER);
      return said(await pushIndex(at(name), index));
    },
    proves: (column, value) => proves(client, backend, column, value),
  };
}
