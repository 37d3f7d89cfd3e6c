import type { PassphraseRequest, PassphraseSource } from '../../src/keys/passphrase.ts';
import type { Passphrases } from '../passphrase.ts';
import { TrustFailure } from './failure.ts';
import type { Talk } from './talk.ts';

const ROOT = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
const REPOSITORY = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
const ATTEMPTS = 5;
const MIN_CHARACTERS = 8;
const GIVEN_UP = 'maximum number of passphrase attempts exceeded';

/** Passphrases as docker asks for them (dct-protocol 5.2): its variables, else its questions on stdout. */
export function dockerPassphrases(talk: Talk): Passphrases {
  return { open: source(talk, askOld), fresh: source(talk, askNew) };
}

function source(
  talk: Talk,
  ask: (talk: Talk, key: string, id: string) => Promise<string>,
): PassphraseSource {
  return async (request) => {
    const value = talk.env[request.role === 'root' ? ROOT : REPOSITORY] ?? '';
    if (value !== '') return value;
    return ask(talk, nameOf(request), (request.notaryId ?? '').slice(0, 7));
  };
}

/** Docker calls the keys of a repository "repository", and a signer's by the signer. */
function nameOf({ role }: PassphraseRequest): string {
  return role === 'targets' || role === 'snapshot' ? 'repository' : (role ?? 'signer');
}

async function askOld(talk: Talk, key: string, id: string): Promise<string> {
  return answered(
    await talk.ask(`Enter passphrase for ${key} key with ID ${id}: `, { secret: true }),
  );
}

async function askNew(talk: Talk, key: string, id: string): Promise<string> {
  const which = `passphrase for new ${key} key with ID ${id}: `;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first = answered(await talk.ask(`Enter ${which}`, { secret: true }));
    if (first.length < MIN_CHARACTERS) {
      talk.out(
        'Passphrase is too short. Please use a password manager to generate and store a good random passphrase.\n',
      );
      continue;
    }
    const second = answered(await talk.ask(`Repeat ${which}`, { secret: true }));
    if (first === second) return first;
    talk.out('Passphrases do not match. Please retry.\n');
  }
  throw new TrustFailure(GIVEN_UP);
}

function answered(line: string | null): string {
  if (line === null) throw new TrustFailure(GIVEN_UP);
  return line;
}
