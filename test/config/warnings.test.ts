import { describe, expect, it } from 'vitest';
import { configFolder } from '../support/configuration.ts';

const { load } = configFolder();

describe('warnings of a configuration', () => {
  it.each([
    ['tls: off\nlisten: 10.0.0.1:80', /without TLS on 10\.0\.0\.1/],
    [
      'listen: 0.0.0.0:5443',
      /no registry host is configured, so only localhost:5443 is answered for/,
    ],
    ['registries: [{ upstream: "http://u.example.com" }]', /u\.example\.com is asked without TLS/],
    ['identities: { htpasswd: u }', /everything is denied/],
    [
      `identities: { htpasswd: u }\naccess: [{ repositories: ["elsewhere.example.com/**"] }]`,
      /no registry has the host elsewhere/,
    ],
  ])('warns of %j', async (yaml, warning) => {
    const { warnings } = await load({ yaml });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(warning);
  });

  it('warns of variables that it does not know, but not of those that Kubernetes sets', async () => {
    const env = {
      COUNTERSIGN_POLICES: 'x',
      COUNTERSIGN_IDENTITIES: 'x',
      COUNTERSIGN_PORT: 'tcp://10.0.0.1:5443',
      COUNTERSIGN_SERVICE_HOST: '10.0.0.1',
    };
    expect((await load({ env })).warnings).toEqual([
      'the variable COUNTERSIGN_POLICES is no setting and is ignored; did you mean COUNTERSIGN_POLICIES?',
      'the variable COUNTERSIGN_IDENTITIES is no setting and is ignored',
    ]);
  });
});
