import type { Digest } from '../../src/oci/digest.ts';
import type { ClientName } from './clients.ts';
import type { Ran } from './run.ts';
import type { Scope } from './scope.ts';

/** A container client as the gate suites use it, so that each of them meets the same cases. */
export interface GateClient {
  readonly name: string;
  readonly needs: readonly ClientName[];
  start(scope: Scope): Promise<ClientSession>;
}

/** What a program said, and the digest that it reports for the image. */
export interface Moved extends Ran {
  readonly digest: Digest | null;
}

export interface ClientSession {
  /** Makes an image that holds `content` and pushes it. */
  push(reference: string, content: string): Promise<Moved>;
  /** Pulls with nothing kept from earlier pulls. */
  pull(reference: string): Promise<Moved>;
  login(host: string, user: string, password: string): Promise<Ran>;
}
