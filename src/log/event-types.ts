import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/** Every type of event, by the log that it is in. A new one is a line here. */
export const EVENT_TYPES = {
  dec: ['allow', 'deny', 'deletion', 'scan', 'summary'],
  sig: [
    'signature',
    'hold',
    'hold-expired',
    'hold-superseded',
    'promotion-intended',
    'promoted',
    'revocation',
    'revocation-undone',
    'exception-used',
    'policy-loaded',
    'policy-rejected',
    'key-registered',
    'recovered',
    'trust-published',
    'trust-deleted',
    'trust-reset',
    'master-key-rotated',
    'trust-imported',
  ],
} as const;

/** The type of an event. */
export type EventType = (typeof EVENT_TYPES)[keyof typeof EVENT_TYPES][number];

const ALL: readonly EventType[] = [...EVENT_TYPES.dec, ...EVENT_TYPES.sig];

/** Reads the name of a type of event; refused with REQUEST_INVALID, the nearest known one named. */
export function parseEventType(text: string): Result<EventType> {
  const known = ALL.find((one) => one === text);
  if (known !== undefined) return ok(known);
  const near = nearest(text, ALL);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return refuse('REQUEST_INVALID', `expected a type of event, found ${quote(text)}${hint}`);
}
