import { open } from 'node:fs/promises';
import type { PassphraseRequest, PassphraseSource } from '../src/keys/passphrase.ts';
import { decodeUtf8 } from '../src/lib/bytes.ts';
import { CountersignError, messageOf } from '../src/lib/errors.ts';
import type { Terminal } from './terminal.ts';
import { openTerminal } from './terminal.ts';

/** Where passphrases come from. Never the command line's arguments, which every user of the machine can read. */
export interface PassphraseOptions {
  readonly env: NodeJS.ProcessEnv;
  /** `--passphrase-file`. */
  readonly file?: string | undefined;
  /** `--new-passphrase-file`. */
  readonly newFile?: string | undefined;
  /** Defaults to the process's own terminal. */
  readonly terminal?: Terminal | null;
}

/** The passphrases of one command. */
export interface Passphrases {
  /** For a key that is opened: `--passphrase-file`, the variable, the terminal. */
  readonly open: PassphraseSource;
  /**
   * For a key that is written: `--new-passphrase-file`, `--passphrase-file`, the variable, what
   * opened the key just now, or the terminal, which asks twice. At least 8 characters.
   */
  readonly fresh: PassphraseSource;
}

/** Docker's variables, and cosign's for cosign's files. */
const ROOT = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
const REPOSITORY = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
const COSIGN = 'COSIGN_PASSWORD';
const MIN_CHARACTERS = 8;
const MAX_FILE_BYTES = 4096;

/** Gives the passphrases of one command, from its options and surroundings. */
export function passphrases(options: PassphraseOptions): Passphrases {
  const { env, file, newFile } = options;
  const terminal = (): Terminal | null =>
    options.terminal === undefined ? openTerminal() : options.terminal;
  let opened: string | undefined;
  return {
    open: async (request) => {
      opened =
        (await fromFile(file)) ??
        fromVariable(env, request) ??
        (await theTerminal(terminal(), request).secret(`Enter passphrase for ${request.subject}`));
      return opened;
    },
    fresh: async (request) => {
      const given =
        (await fromFile(newFile)) ??
        (await fromFile(file)) ??
        fromVariable(env, request) ??
        opened ??
        (await askTwice(theTerminal(terminal(), request), request));
      if (given.length >= MIN_CHARACTERS) return given;
      throw new CountersignError(
        'USAGE',
        `expected a new passphrase of at least ${MIN_CHARACTERS} characters for ${request.subject}, found a shorter one`,
      );
    },
  };
}

function variableOf({ role, cosign }: PassphraseRequest): string {
  if (cosign) return COSIGN;
  return role === 'root' ? ROOT : REPOSITORY;
}

function fromVariable(env: NodeJS.ProcessEnv, request: PassphraseRequest): string | undefined {
  const value = env[variableOf(request)];
  // Docker takes an empty variable for none; cosign for a key with an empty passphrase.
  return value === '' && !request.cosign ? undefined : value;
}

function theTerminal(terminal: Terminal | null, request: PassphraseRequest): Terminal {
  if (terminal !== null) return terminal;
  throw new CountersignError(
    'PASSPHRASE_MISSING',
    `a passphrase for ${request.subject} is needed and there is no terminal to ask on; give --passphrase-file FILE or set ${variableOf(request)}`,
  );
}

async function askTwice(terminal: Terminal, request: PassphraseRequest): Promise<string> {
  const first = await terminal.secret(
    `Enter a new passphrase for ${request.subject} (at least ${MIN_CHARACTERS} characters)`,
  );
  // Too short is said before it is asked for again.
  if (first.length < MIN_CHARACTERS) return first;
  const second = await terminal.secret(`Repeat the passphrase for ${request.subject}`);
  if (first === second) return first;
  throw new CountersignError('USAGE', 'the two passphrases differ');
}

async function fromFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readStart(path);
  // One line's end is the editor's, not the passphrase's.
  const text = decodeUtf8(bytes)?.replace(/\r?\n$/, '');
  if (text === undefined || text === '' || /[\r\n\0]/.test(text) || bytes.length > MAX_FILE_BYTES) {
    throw new CountersignError(
      'USAGE',
      `expected one line of text with the passphrase in ${path}, found something else`,
    );
  }
  return text;
}

/** Reads one byte more than is allowed; a pipe (`<(vault read …)`, /dev/stdin) is as good as a file. */
async function readStart(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } catch (error) {
    throw new CountersignError(
      'USAGE',
      `could not read the passphrase file ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
