import { hash as digest, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { readBoundedFile } from '../lib/file.ts';
import type { Result } from '../lib/result.ts';
import { unwrap } from '../lib/result.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Clock } from '../lib/time.ts';
import { systemClock } from '../lib/time.ts';
import { watchFiles } from '../lib/watch-files.ts';
import type { Login } from './basic.ts';
import { parseBasic } from './basic.ts';
import { Bcrypt } from './bcrypt.ts';
import type { UserSet } from './users.ts';
import { parseUsers } from './users.ts';

/** Who a request says it is from. */
export type Identity =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** The identities of an htpasswd file, kept up with it. */
export interface Htpasswd {
  /**
   * Judges an Authorization header: none at all is `anonymous`, a wrong one `refused`. Throws
   * CANNOT_AUTHENTICATE (never an allow) where the check cannot be made now.
   */
  authenticate(header: string | undefined): Promise<Identity>;
  /** Why the file on disk is not what is in force; `null` where it is. */
  problem(): string | null;
  /** Looks at the file now; resolves when what it says is in force or refused. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** What {@link openHtpasswd} may be told. */
export interface HtpasswdOptions {
  readonly clock?: Clock;
  /** Told of every reload: `null`, or why the last good set stays. */
  readonly onReload?: (problem: string | null) => void;
  readonly intervalMs?: number;
}

const FILE_BYTES = 2 * 1024 * 1024;
/** How long a good password is taken without computing its hash again, ms. */
const REMEMBERED_MS = 60_000;
/** Wrong passwords for one name: so many at once, then one per refill. */
const ATTEMPTS = 10;
const REFILL_MS = 6000;

/** Opens an htpasswd file with bcrypt hashes. Throws CONFIG_INVALID with file and line where it does not load. */
export async function openHtpasswd(file: string, options: HtpasswdOptions = {}): Promise<Htpasswd> {
  const users = unwrap(await loadUsers(file));
  const judge = new Judge(users, options.clock ?? systemClock);
  let problem: string | null = null;
  const reload = async (): Promise<void> => {
    const loaded = await loadUsers(file);
    problem = loaded.ok ? null : loaded.refusal.message;
    if (loaded.ok) judge.users = loaded.value;
    options.onReload?.(problem);
  };
  const watch = await watchFiles([file], reload, options.intervalMs);
  return {
    authenticate: (header) => judge.authenticate(header),
    problem: () => problem,
    refresh: () => watch.refresh(),
    close: () => {
      watch.close();
      return judge.close();
    },
  };
}

async function loadUsers(file: string): Promise<Result<UserSet>> {
  const content = await readBoundedFile(file, FILE_BYTES, 'CONFIG_INVALID');
  return content.ok ? parseUsers(content.value.bytes, file) : content;
}

const WRONG = 'wrong name or password; log in again';

class Judge {
  users: UserSet;
  readonly #clock: Clock;
  readonly #bcrypt = new Bcrypt();
  readonly #checks = new SingleFlight<boolean>();
  // Good logins by a hash keyed with a secret of this process: neither the password nor a hash of it
  // that could be tried elsewhere is kept. The hash it was good for is, so that a reload takes effect.
  readonly #key = randomBytes(32).toString('hex');
  readonly #good = new LRUCache<string, { readonly at: number; readonly hash: string }>({
    max: 10_000,
  });
  readonly #failures = new LRUCache<string, { readonly left: number; readonly at: number }>({
    max: 10_000,
  });

  constructor(users: UserSet, clock: Clock) {
    this.users = users;
    this.#clock = clock;
  }

  close(): Promise<void> {
    return this.#bcrypt.close();
  }

  async authenticate(header: string | undefined): Promise<Identity> {
    if (header === undefined) return { kind: 'anonymous' };
    const login = parseBasic(header);
    if (login === null) return { kind: 'anonymous' };
    if (typeof login === 'string') return { kind: 'refused', reason: login };
    const hash = this.users.hashes.get(login.name);
    const id = this.#idOf(login);
    const last = this.#good.get(id);
    const known = last !== undefined && last.hash === hash;
    const now = this.#clock().getTime();
    if (known && now - last.at < REMEMBERED_MS) return { kind: 'user', name: login.name };
    // A password that was right a while ago is checked again ahead of the limits, so that guessing at
    // a name does not lock its owner out.
    if (!known && this.#left(login.name, now) < 1) {
      return {
        kind: 'refused',
        reason: `too many wrong passwords for this name; wait ${REFILL_MS / 1000} seconds`,
      };
    }
    const matches = await this.#checks.run(`${id} ${hash ?? ''}`, () =>
      this.#bcrypt.check(login.password, hash ?? this.users.decoy, known),
    );
    if (!matches || hash === undefined) {
      this.#good.delete(id);
      this.#fail(login.name);
      return { kind: 'refused', reason: WRONG };
    }
    this.#good.set(id, { at: now, hash });
    return { kind: 'user', name: login.name };
  }

  #idOf(login: Login): string {
    // A name holds no NUL in the file and no password may: the pair has one spelling.
    // In one call, since every request makes one; it is compared with nothing that leaves the process.
    return digest('sha256', `${this.#key}${login.name}\0${login.password}`, 'base64');
  }

  #left(name: string, now: number): number {
    const entry = this.#failures.get(name);
    if (entry === undefined) return ATTEMPTS;
    return Math.min(ATTEMPTS, entry.left + (now - entry.at) / REFILL_MS);
  }

  #fail(name: string): void {
    const now = this.#clock().getTime();
    this.#failures.set(name, { left: this.#left(name, now) - 1, at: now });
  }
}
