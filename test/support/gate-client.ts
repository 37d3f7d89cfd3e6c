import type { Digest } from '../../src/oci/digest.ts';
import { isDigest } from '../../src/oci/digest.ts';
import type { ClientName } from './clients.ts';
import type { TestImage } from './image.ts';
import type { Ran } from './run.ts';
import type { Scope } from './scope.ts';

/** A container client as the gate suites use it, so that each of them meets the same cases. */
export interface GateClient {
  readonly name: string;
  readonly needs: readonly ClientName[];
  /** The programs whose versions the client matrix names: the client, and the engine that speaks for it. */
  readonly programs: readonly ClientName[];
  /**
   * True where the gate must know the client: oras reads back what it has just put, which only an
   * identity with the right to push may; containerd asks for a tag before it pushes it.
   */
  readonly identified?: boolean;
  start(scope: Scope): Promise<ClientSession>;
}

/** What a program said, and the digest that it reports for the image. */
export interface Moved extends Ran {
  readonly digest: Digest | null;
}

/** One client, set up for one suite. */
export interface ClientSession {
  /** Makes an image that holds `content` and pushes it. */
  push(reference: string, content: string): Promise<Moved>;
  /** Pushes what was last pushed as `from`, with no pull in between, under another or the same name. */
  pushAgain(from: string, to: string): Promise<Moved>;
  /** Pushes an index with all its children; absent where the client has no command for that. */
  readonly pushIndex?: (reference: string, index: TestImage) => Promise<Moved>;
  /** Pulls with nothing kept from earlier pulls. */
  pull(reference: string): Promise<Moved>;
  login(host: string, user: string, password: string): Promise<Ran>;
}

/** What a program said, with the digest that it prints, by the pattern's first group. */
export function moved(ran: Ran, pattern: RegExp): Moved {
  const found = ran.code === 0 ? (pattern.exec(ran.stdout)?.[1] ?? '') : '';
  return { ...ran, digest: isDigest(found) ? found : null };
}
