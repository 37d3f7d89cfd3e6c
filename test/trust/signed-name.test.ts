import { describe, expect, it } from 'vitest';
import { parseSignedName } from '../../src/trust/signed-name.ts';

describe('a name that a signature binds', () => {
  it.each([
    ['registry.example.com/prod/app:1.2', 'registry.example.com/prod/app', '1.2'],
    ['registry.example.com/prod/app', 'registry.example.com/prod/app', undefined],
    ['REGISTRY.example.com:443/prod/app:1.2', 'registry.example.com/prod/app', '1.2'],
    ['localhost/app', 'localhost/app', undefined],
    ['127.0.0.1:5000/app:1', '127.0.0.1:5000/app', '1'],
    ['[::1]:5000/app:1', '[::1]:5000/app', '1'],
    ['docker.io/nginx', 'docker.io/library/nginx', undefined],
  ])('is read from %s', (text, repository, tag) => {
    const read = parseSignedName(text);
    expect(read).toMatchObject({ ok: true, value: { repository } });
    expect(read.ok && read.value.tag).toBe(tag);
  });

  it.each([
    '',
    '_',
    'nginx',
    'prod/app:1.2',
    'app:1',
    '/app',
    'https://h.example/app',
    'h.example/',
  ])('is not read from %j, which names no host or no repository', (text) => {
    expect(parseSignedName(text)).toMatchObject({
      ok: false,
      refusal: { code: expect.stringMatching(/^(?:REFERENCE|NAME|TAG)_INVALID$/) as string },
    });
  });
});
