import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBasic } from '../../src/http/basic.ts';
import type { Htpasswd } from '../../src/http/htpasswd.ts';
import { openHtpasswd } from '../../src/http/htpasswd.ts';
import { parseUsers } from '../../src/http/users.ts';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { mustRun } from '../support/run.ts';

let folder: string;
let now: number;
const opened: Htpasswd[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  now = Date.parse('2026-11-21T00:00:00Z');
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  rmSync(folder, { recursive: true });
});

const file = (): string => join(folder, 'users');
const write = (users: Record<string, string>): void =>
  writeFileSync(
    file(),
    Object.entries(users)
      .map(([name, hash]) => `${name}:${hash}\n`)
      .join(''),
  );
async function open(onReload?: (problem: string | null) => void): Promise<Htpasswd> {
  const one = await openHtpasswd(file(), {
    clock: () => new Date(now),
    intervalMs: 1_000_000,
    ...(onReload === undefined ? {} : { onReload }),
  });
  opened.push(one);
  return one;
}
const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
// Cost 4 is the cheapest there is: these tests are about who gets in, not about how slowly.
const hash = (password: string): string => hashSync(password, 4);
const WRONG = { kind: 'refused', reason: 'wrong name or password; log in again' };

describe('htpasswd identities', () => {
  it('knows who has the right password, and refuses every other answer alike', async () => {
    write({ ci: hash('right'), 'jürgen@example.com': hash('päss:wörd') });
    const users = await open();
    expect(await users.authenticate(undefined)).toEqual({ kind: 'anonymous' });
    expect(await users.authenticate(basic('ci', 'right'))).toEqual({ kind: 'user', name: 'ci' });
    expect(await users.authenticate(basic('jürgen@example.com', 'päss:wörd'))).toEqual({
      kind: 'user',
      name: 'jürgen@example.com',
    });
    for (const [name, password] of [
      ['ci', 'wrong'],
      ['ci', ''],
      ['CI', 'right'],
      ['nobody', 'right'],
      ['jürgen@example.com', 'päss'],
    ] as const) {
      expect(await users.authenticate(basic(name, password))).toEqual(WRONG);
    }
  });

  it('takes an empty name with an empty password, as podman sends without a login, for none', async () => {
    write({ ci: hash('right') });
    const users = await open();
    expect(await users.authenticate(basic('', ''))).toEqual({ kind: 'anonymous' });
  });

  it('asks nobody in for a name that is in no file, whatever the password', async () => {
    write({});
    const users = await open();
    expect(await users.authenticate(basic('nobody', ''))).toEqual(WRONG);
    expect(await users.authenticate(basic('toString', 'x'))).toEqual(WRONG);
    expect(await users.authenticate(basic('__proto__', 'x'))).toEqual(WRONG);
  });

  it.each([
    '',
    'Basic',
    'Basic ',
    'Bearer abc',
    'Basic !!!!',
    'Basic Y2k6cmlnaHQ',
    'Basic Y2k6cmlnaHQ=\n',
    `Basic ${'A'.repeat(2000)}`,
    basic('', 'x'),
    `Basic ${Buffer.from('ci').toString('base64')}`,
    `Basic ${Buffer.from([0x63, 0x3a, 0xff]).toString('base64')}`,
    basic('c'.repeat(129), 'x'),
    basic('ci', 'x'.repeat(73)),
    basic('ci', 'right\0'),
  ])('refuses the header %j without repeating it', async (header) => {
    write({ ci: hash('right') });
    const identity = await (await open()).authenticate(header);
    expect(identity.kind).toBe('refused');
    expect(identity.kind === 'refused' && identity.reason).not.toMatch(/right|abc|ccc|xxx/);
  });

  it('takes a changed password, a new name and a removed one from the file, at once also for those who just logged in', async () => {
    write({ ci: hash('old'), gone: hash('pw') });
    const users = await open();
    expect(await users.authenticate(basic('ci', 'old'))).toMatchObject({ kind: 'user' });
    expect(await users.authenticate(basic('gone', 'pw'))).toMatchObject({ kind: 'user' });
    write({ ci: hash('new'), fresh: hash('pw') });
    await users.refresh();
    expect(await users.authenticate(basic('ci', 'old'))).toEqual(WRONG);
    expect(await users.authenticate(basic('gone', 'pw'))).toEqual(WRONG);
    expect(await users.authenticate(basic('ci', 'new'))).toMatchObject({ kind: 'user' });
    expect(await users.authenticate(basic('fresh', 'pw'))).toMatchObject({ kind: 'user' });
  });

  it('keeps the last good set when the file breaks or goes, and says so', async () => {
    write({ ci: hash('pw') });
    const told: (string | null)[] = [];
    const users = await open((problem) => told.push(problem));
    writeFileSync(file(), 'ci:{SHA}x\n');
    await users.refresh();
    expect(users.problem()).toMatch(/users:1: expected a bcrypt hash for ci .*found a SHA-1 hash/);
    expect(await users.authenticate(basic('ci', 'pw'))).toMatchObject({ kind: 'user' });
    rmSync(file());
    await users.refresh();
    expect(users.problem()).toMatch(/there is no such file/);
    write({ ci: hash('pw') });
    await users.refresh();
    expect(users.problem()).toBeNull();
    expect(told).toHaveLength(3);
  });

  it('slows down guessing at one name without locking out its owner or others', async () => {
    write({ ci: hash('right'), other: hash('right') });
    const users = await open();
    expect(await users.authenticate(basic('ci', 'right'))).toMatchObject({ kind: 'user' });
    for (let i = 0; i < 10; i++)
      expect(await users.authenticate(basic('ci', `guess ${i}`))).toEqual(WRONG);
    expect(await users.authenticate(basic('ci', 'guess'))).toEqual({
      kind: 'refused',
      reason: 'too many wrong passwords for this name; wait 6 seconds',
    });
    expect(await users.authenticate(basic('ci', 'right'))).toMatchObject({ kind: 'user' });
    expect(await users.authenticate(basic('other', 'right'))).toMatchObject({ kind: 'user' });
    now += 6000;
    expect(await users.authenticate(basic('ci', 'guess'))).toEqual(WRONG);
  });

  it('checks a remembered login again after a minute, ahead of the limit', async () => {
    write({ ci: hash('right') });
    const users = await open();
    await users.authenticate(basic('ci', 'right'));
    now += 120_000;
    for (let i = 0; i < 10; i++) await users.authenticate(basic('ci', `guess ${i}`));
    expect(await users.authenticate(basic('ci', 'right'))).toMatchObject({ kind: 'user' });
  });

  it('answers "cannot tell" to logins that are too many, never "yes", and goes on afterwards', async () => {
    write({ ci: hash('right') });
    const users = await open();
    const logins = Array.from({ length: 200 }, (_, i) =>
      users.authenticate(basic(`user${i}`, 'x')),
    );
    const outcomes = await Promise.allSettled(logins);
    const refused = outcomes.filter(
      (one) => one.status === 'fulfilled' && one.value.kind === 'refused',
    );
    const unknown = outcomes.filter(
      (one) =>
        one.status === 'rejected' &&
        (one.reason as { code: string }).code === 'CANNOT_AUTHENTICATE',
    );
    expect(refused.length + unknown.length).toBe(200);
    expect(unknown.length).toBeGreaterThan(0);
    expect(await users.authenticate(basic('ci', 'right'))).toMatchObject({ kind: 'user' });
  });

  it('makes one check of many requests with the same login at once', async () => {
    write({ ci: hash('right') });
    const users = await open();
    const logins = Array.from({ length: 200 }, () => users.authenticate(basic('ci', 'right')));
    for (const identity of await Promise.all(logins))
      expect(identity).toEqual({ kind: 'user', name: 'ci' });
  });

  it.each([
    ['ci', 'users:1: expected name:hash'],
    [
      '# c\n\nci:$apr1$x$y',
      'users:3: expected a bcrypt hash for ci (made by htpasswd -B), found an Apache MD5 hash',
    ],
    ['ci:{SHA}x', /found a SHA-1 hash/],
    ['ci:$6$x', /found a SHA-2 crypt hash/],
    ['ci:plain', /found something else/],
    [`ci:$2y$15$${'a'.repeat(53)}`, /a cost outside 4 to 14/],
    [`ci:$2y$10$${'a'.repeat(52)}`, /damaged/],
    [`ci:$2x$10$${'a'.repeat(53)}`, /found something else/],
    [
      `ci:$2y$10$${'a'.repeat(53)}\nci:$2y$10$${'a'.repeat(53)}`,
      /users:2: expected every name once/,
    ],
    [`anonymous:$2y$10$${'a'.repeat(53)}`, /reserved/],
    [`countersign:$2y$10$${'a'.repeat(53)}`, /reserved/],
    [`*:$2y$10$${'a'.repeat(53)}`, /without spaces, colons and stars/],
    [`a b:$2y$10$${'a'.repeat(53)}`, /without spaces/],
    [`:$2y$10$${'a'.repeat(53)}`, /expected a name/],
  ])('does not load %j', (text, message) => {
    const parsed = parseUsers(Buffer.from(text), 'users');
    expect(parsed).toMatchObject({ ok: false, refusal: { code: 'CONFIG_INVALID' } });
    const found = parsed.ok ? '' : parsed.refusal.message;
    expect(found).toMatch(message);
    expect(found).not.toContain('aaaa');
  });

  it('checks unknown names at the cost of the costliest entry', () => {
    const parsed = parseUsers(
      Buffer.from(`a:$2y$04$${'a'.repeat(53)}\nb:$2a$12$${'a'.repeat(53)}\r\n`),
      'users',
    );
    expect(parsed.ok && parsed.value.decoy).toMatch(/^\$2b\$12\$[./A-Za-z0-9]{53}$/);
    expect(parsed.ok && [...parsed.value.hashes.keys()]).toEqual(['a', 'b']);
  });

  it('reads back every name and password that a client can send', () => {
    const name = fc.string({ minLength: 1, maxLength: 60 }).filter((text) => !text.includes(':'));
    fc.assert(
      fc.property(name, fc.string({ maxLength: 60 }), (user, password) => {
        fc.pre(!password.includes('\0'));
        expect(parseBasic(basic(user, password))).toEqual({ name: user, password });
      }),
    );
  });
});

describeWithClients('the htpasswd program', ['htpasswd'], () => {
  it('makes files that load, and the password that it was given opens', async () => {
    await mustRun(clientPath('htpasswd'), ['-cbB', file(), 'ci', 'geheim']);
    const users = await open();
    expect(await users.authenticate(basic('ci', 'geheim'))).toEqual({ kind: 'user', name: 'ci' });
    expect(await users.authenticate(basic('ci', 'geheim '))).toEqual(WRONG);
  });
});
