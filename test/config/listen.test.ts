import { describe, expect, it } from 'vitest';
import { withPort } from '../../src/config/listen.ts';
import { configFolder } from '../support/configuration.ts';

const { load } = configFolder();

describe('names of a registry that nobody named', () => {
  it.each([
    ['localhost:5000', 'localhost:5000', ['127.0.0.1:5000', '[::1]:5000']],
    ['127.0.0.1:443', 'localhost', ['127.0.0.1', '[::1]']],
    ['127.0.0.9:5000', 'localhost:5000', ['127.0.0.1:5000', '[::1]:5000', '127.0.0.9:5000']],
    ['[::1]:5000', 'localhost:5000', ['127.0.0.1:5000', '[::1]:5000']],
    ['10.1.2.3:5000', '10.1.2.3:5000', []],
    ['[2001:db8::1]:5000', '[2001:db8::1]:5000', []],
  ])(
    'listening on %s answers for %s where no host is configured',
    async (listen, host, aliases) => {
      const config = await load({ flags: { listen, upstream: 'https://u.example.com' } });
      expect(config.registries).toMatchObject([{ host, aliases }]);
    },
  );

  it('carry the real port once that is known, also in access rules', async () => {
    const yaml = `
listen: localhost:0
identities: { htpasswd: u }
access: [{ repositories: ["\${registry}/a", "127.0.0.1:0/b/*", "**"], pull: ["*"] }]`;
    const config = withPort(await load({ yaml }), 40_001);
    expect(config).toMatchObject({
      listen: { port: 40_001 },
      registries: [{ host: 'localhost:40001', aliases: ['127.0.0.1:40001', '[::1]:40001'] }],
    });
    expect(config.access[0]?.repositories.map((pattern) => pattern.text)).toEqual([
      'localhost:40001/a',
      'localhost:40001/b/*',
      '**',
    ]);
    const named = await load({
      flags: { listen: 'localhost:0' },
      env: { COUNTERSIGN_HOST: 'r.example.com' },
    });
    expect(withPort(named, 40_001).registries).toEqual(named.registries);
  });
});
