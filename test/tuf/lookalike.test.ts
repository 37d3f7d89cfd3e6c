import { beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { isArray, isObject } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { parseListing } from '../../src/tuf/listing.ts';
import { parseRoot } from '../../src/tuf/root.ts';
import { parseTargets } from '../../src/tuf/targets.ts';
import type { MadeRepository } from '../support/tuf.ts';
import { makeRepository } from '../support/tuf.ts';

let made: MadeRepository;
beforeAll(async () => {
  made = await makeRepository();
});

/** Names that Go takes for this one: `ſ` is its `s`, the Kelvin sign its `k`. */
function lookalikesOf(name: string): readonly string[] {
  const first = name.slice(0, 1).toUpperCase() + name.slice(1);
  const all = [name.toUpperCase(), first, name.replace('s', 'ſ'), name.replace('k', '\u212a')];
  return [...new Set(all)].filter((one) => one !== name);
}

/** The object with every lookalike of one member beside it. */
function beside(object: JsonObject, name: string): readonly JsonObject[] {
  return lookalikesOf(name).map((other) => ({ ...object, [other]: object[name] ?? null }));
}

/** The value with the object at a path replaced; an empty step is the first member or element. */
function at(
  value: Json,
  path: readonly string[],
  change: (object: JsonObject) => JsonObject,
): Json {
  const [step, ...rest] = path;
  if (step === undefined) return change(value as JsonObject);
  if (isArray(value)) return [at(value[0] ?? null, rest, change), ...value.slice(1)];
  if (!isObject(value)) throw new Error(`nothing at ${path.join('.')}`);
  const name = step === '' ? (Object.keys(value)[0] ?? '') : step;
  return { ...value, [name]: at(value[name] ?? null, rest, change) };
}

function read(role: string, bytes: Uint8Array): boolean {
  const envelope = parseEnvelope(bytes);
  if (!envelope.ok) return false;
  if (role === 'root') return parseRoot(envelope.value).ok;
  if (role === 'snapshot' || role === 'timestamp') return parseListing(envelope.value, role).ok;
  return parseTargets(envelope.value, role).ok;
}

describe('a member that Go takes for another one', () => {
  it.each([
    ['root', [], ['_type', 'version', 'expires', 'keys', 'roles', 'consistent_snapshot']],
    ['root', ['roles', 'targets'], ['keyids', 'threshold']],
    ['root', ['keys', ''], ['keytype', 'keyval']],
    ['root', ['keys', '', 'keyval'], ['public', 'private']],
    ['targets', [], ['version', 'expires', 'targets', 'delegations']],
    ['targets', ['targets', ''], ['hashes', 'length', 'custom']],
    ['targets', ['delegations'], ['keys', 'roles']],
    ['targets', ['delegations', 'roles', ''], ['name', 'keyids', 'threshold', 'paths']],
    ['snapshot', [], ['meta']],
    ['snapshot', ['meta', 'targets'], ['hashes', 'length']],
    ['timestamp', [], ['meta', 'expires']],
  ] as const)('T-11: in a %s, at %j, is refused beside it', (role, path, names) => {
    const bytes = made.files.get(role) as Buffer;
    expect(read(role, bytes)).toBe(true);
    const { signed, signatures } = JSON.parse(bytes.toString()) as Record<string, Json>;
    let tried = 0;
    for (const name of names) {
      const object: JsonObject[] = [];
      at(signed ?? null, path, (found) => (object.push(found), found));
      for (const bent of beside(object[0] ?? {}, name)) {
        const file = { signed: at(signed ?? null, path, () => bent), signatures };
        expect([Object.keys(bent), read(role, Buffer.from(JSON.stringify(file)))]).toEqual([
          Object.keys(bent),
          false,
        ]);
        tried++;
      }
    }
    expect(tried).toBeGreaterThanOrEqual(2 * names.length);
  });

  it('T-11: in a signature is refused', () => {
    const { signed, signatures } = JSON.parse((made.files.get('targets') as Buffer).toString()) as {
      signed: Json;
      signatures: JsonObject[];
    };
    for (const name of ['keyid', 'method', 'sig'])
      for (const bent of beside(signatures[0] ?? {}, name))
        expect(read('targets', Buffer.from(JSON.stringify({ signed, signatures: [bent] })))).toBe(
          false,
        );
  });

  it('is a tag, a role or an unknown member like any other where names are free', () => {
    const { signed, signatures } = JSON.parse((made.files.get('targets') as Buffer).toString()) as {
      signed: { targets: JsonObject };
      signatures: Json;
    };
    const targets = {
      ...signed.targets,
      LATEST: signed.targets['old'],
      Targets: signed.targets['old'],
    };
    const file = { signed: { ...signed, targets, Unknown: { Length: 1 } }, signatures };
    const envelope = unwrap(parseEnvelope(Buffer.from(JSON.stringify(file))));
    expect([...unwrap(parseTargets(envelope, 'targets')).targets.keys()]).toEqual([
      'old',
      'LATEST',
      'Targets',
    ]);
  });
});

describe('a number that Go reads as no integer', () => {
  it.each(['3.0', '3e0', '30e-1', '-0', '0.0'])('%s is refused', (number) => {
    const text = (made.files.get('targets') as Buffer).toString();
    expect(read('targets', Buffer.from(text.replace('"version":1', `"version":${number}`)))).toBe(
      false,
    );
    expect(read('targets', Buffer.from(text.replace('"version":1', '"version":3')))).toBe(true);
  });
});
