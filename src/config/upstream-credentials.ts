import { resolve } from 'node:path';
import { decodeUtf8 } from '../lib/bytes.ts';
import { readBoundedFile } from '../lib/file.ts';
import { isLoopback } from '../lib/loopback.ts';
import type { RegistryConfig } from './config.ts';
import type { Problems } from './problems.ts';
import type { Written, WrittenRegistry } from './written.ts';

/** Longest password that a registry is asked with; more in the file is a mistake. */
const PASSWORD_BYTES = 4096;

/** Reads what the gate itself logs in with, the password from its file; `null` where nothing is set. What is wrong is collected. */
export async function readCredentials(
  written: WrittenRegistry,
  upstream: RegistryConfig['upstream'] | undefined,
  problems: Problems,
): Promise<RegistryConfig['credentials']> {
  const { username, passwordFile } = written;
  if (username === undefined && passwordFile === undefined) return null;
  if (username === undefined || passwordFile === undefined) {
    const at = username?.at ?? passwordFile?.at ?? written.at;
    problems.add(at, 'expected both a username and a passwordFile');
    return null;
  }
  if (upstream === 'embedded') {
    problems.add(username.at, 'expected no credentials for the embedded registry');
  } else if (upstream?.protocol === 'http:' && !isLoopback(upstream.hostname)) {
    problems.add(
      username.at,
      `expected an https:// upstream where credentials are sent, found ${upstream.origin}`,
    );
  }
  // RFC 7617 section 2: a colon ends the name.
  if (/[:\p{Cc}]/u.test(username.text)) {
    problems.add(username.at, 'expected a username without colon and control characters');
  }
  const password = await readPassword(passwordFile, problems);
  return password === undefined ? null : { username: username.text, password };
}

async function readPassword(written: Written, problems: Problems): Promise<string | undefined> {
  const path = resolve(written.base, written.text);
  const file = await readBoundedFile(path, PASSWORD_BYTES, 'CONFIG_INVALID');
  if (!file.ok) return problems.add(written.at, file.refusal.message);
  if ((file.value.mode & 0o007) !== 0) {
    return problems.add(
      written.at,
      `expected a password file that others cannot read, found ${path} open to everybody; run chmod o-rwx on it`,
    );
  }
  if ((file.value.mode & 0o020) !== 0) {
    problems.warn(`${written.at}: ${path} can be changed by its group`);
  }
  const text = decodeUtf8(file.value.bytes)?.replace(/\r?\n$/, '');
  if (text === undefined || text === '' || /\p{Cc}/u.test(text)) {
    return problems.add(written.at, `expected one line with the password in ${path}`);
  }
  return text;
}
