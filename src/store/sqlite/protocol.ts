import type { ErrorCode } from '../../lib/errors.ts';
import type { EncodedEvent } from '../event-body.ts';
import type { Hold, Write } from '../store.ts';

/** A write as it crosses to the writer's thread: events encoded, the rest as it is. */
export type EncodedWrite =
  | Exclude<Write, { readonly kind: 'event' }>
  | { readonly kind: 'event'; readonly event: EncodedEvent };

/** What the writer's thread is started with. */
export interface WriterOptions {
  readonly data: string;
  /** Bounds the database's pages, so that a test can fill it. */
  readonly maxPages?: number;
}

/** To the writer's thread: commits for one transaction, or the request to end. */
export type Request =
  | {
      readonly kind: 'batch';
      readonly now: number;
      readonly commits: readonly (readonly EncodedWrite[])[];
    }
  | { readonly kind: 'close' };

/** A failure as plain data. */
export interface Failure {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: string;
}

/** What one commit gave. Manifests stay on the side that has them already. */
export interface Done {
  readonly ok: true;
  readonly events: readonly { readonly sequence: number; readonly body: Uint8Array }[];
  readonly holds: readonly Omit<Hold, 'manifest'>[];
}

/** How one commit of a batch ended. */
export type Outcome = Done | Failure;

/** From the writer's thread: `ready` once, then one `outcomes` for each batch. */
export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] };
