import { parseHost } from '../../../src/oci/reference.ts';

/**
 * What one look at the host found: `closed` leads through the gate or nowhere, `open` goes round it,
 * `unknown` could not be found out, `note` is worth knowing.
 */
export interface Check {
  readonly status: 'closed' | 'open' | 'unknown' | 'note';
  /** What was looked at: a file, a connection. */
  readonly subject: string;
  readonly found: string;
  /** What to do; empty where nothing is to be done. */
  readonly mend: string;
  /** Hosts that an open way leads to; where none of them can be reached the way is closed all the same. */
  readonly around?: readonly string[];
}

/** What the host is judged by. */
export interface Examined {
  /** Canonical host of the gate. */
  readonly gate: string;
  /** Canonical hosts that must not be reached round it. */
  readonly registries: readonly string[];
  /** Folder that stands for `/`. */
  readonly root: string;
  /** The user's home, below the root. */
  readonly home: string;
}

/** Makes a check. */
export function check(status: Check['status'], subject: string, found: string, mend = ''): Check {
  return { status, subject, found, mend };
}

/** Makes the check of a setting that leads round the gate, to these hosts. */
export function leadsAround(
  subject: string,
  found: string,
  mend: string,
  around: readonly string[],
): Check {
  return { status: 'open', subject, found, mend, around };
}

/** The host of a URL, or of a `host[:port][/path]` as engines write it. */
export function hostIn(address: string): string {
  const bare = address.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
  const host = parseHost(bare);
  return host.ok ? host.value : bare;
}
