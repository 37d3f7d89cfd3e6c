import { describe, expect, it } from 'vitest';
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
});
