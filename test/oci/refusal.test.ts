import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/lib/errors.ts';
import { printable } from '../../src/oci/refusal.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import { answerError, MANIFEST } from '../support/wire-server.ts';

describe('what a registry refuses', () => {
  const { serve, clientOf } = wireRegistries();

  async function pushRefused(status: number, code: string, message = ''): Promise<unknown> {
    const server = await serve((_request, response) =>
      answerError(response, status, code, message),
    );
    return clientOf(server)
      .putManifest('a', 'b', MANIFEST, 'application/json')
      .catch((error: unknown) => error);
  }

  it.each([
    [401, 'DENIED', 'UNAUTHENTICATED'],
    [403, 'MANIFEST_INVALID', 'FORBIDDEN'],
    [413, '', 'TOO_LARGE'],
    [429, 'TOOMANYREQUESTS', 'UPSTREAM_UNAVAILABLE'],
    [503, 'MANIFEST_INVALID', 'UPSTREAM_UNAVAILABLE'],
    [400, 'MANIFEST_INVALID', 'MANIFEST_INVALID'],
    [404, 'NAME_UNKNOWN', 'NAME_UNKNOWN'],
    [405, 'UNSUPPORTED', 'UNSUPPORTED'],
    [418, 'MANIFEST_INVALID_TOO', 'UPSTREAM_INVALID'],
    [200, 'MANIFEST_INVALID', 'UPSTREAM_INVALID'],
    // Codes of ours that are not the registry's to say, and words of JavaScript that are no codes.
    [400, 'NOT_TRUSTED', 'UPSTREAM_INVALID'],
    [400, 'constructor', 'UPSTREAM_INVALID'],
    [400, '__proto__', 'UPSTREAM_INVALID'],
  ])('with %i and %j is %s', async (status, said, code) => {
    expect(codeOf(await pushRefused(status, said))).toBe(code);
  });

  it('is told in its own words, made fit for a terminal', async () => {
    const message = `no \u001b[31mpolicy\u0007\r\nfor it\u202e${'x'.repeat(1000)}`;
    const { message: told } = (await pushRefused(403, 'DENIED', message)) as Error;
    expect(told).toMatch(/ refused pushing a b: no {2}\[31mpolicy for it x+…$/);
    expect(told.length).toBeLessThan(500);
  });
});

describe('printable text', () => {
  it.each([
    ['  plain  ', 'plain'],
    ['a\nb\tc', 'a b c'],
    ['a\u2066b\u200bc', 'a b c'],
    ['\u0000\u001b', ''],
  ])('%j is %j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });
});
