import { join } from 'node:path';
import { buildImage, pushImage } from '../../test/support/image.ts';
import { createSite, startService } from '../../test/support/countersign.ts';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { Measure } from '../support/measure.ts';
import { alternate, median } from '../support/measure.ts';
import type { Load } from '../support/wrk.ts';
import { wrk } from '../support/wrk.ts';

const SECONDS = 4;
const ROUNDS = 5;
const POLICY = `version: 1
authorities:
  - name: release-bot
    keys: [keys/release-bot.pub]
policies:
  - name: bench
    images: ["\${registry}/bench/**"]
    mode: enforce
    push: reject
    tags: registry
    require:
      - signatures: { by: [release-bot], formats: [cosign] }
`;

/** The request that every pull ends in, through the gate and from the registry behind it. */
export const manifest: Measure = {
  name: 'manifest',
  about:
    `GET of a signed image's manifest by digest, plain HTTP, \`wrk -t1 -c16 -d${SECONDS}s\`, ` +
    `${ROUNDS} alternating runs each: the gate warm, and docker-registry asked directly.`,
  needs: ['docker-registry', 'wrk'],
  run: async (folder) => {
    const site = createSite(join(folder, 'site'));
    await site.key('release-bot');
    site.policy(POLICY);
    const registry = await startDockerRegistry(join(folder, 'registry'));
    const gate = await startService(site, { upstream: registry.url });
    try {
      const digest = await pushImage(registry.url, 'bench/app', buildImage(), '1');
      const signed = await site.cli(['sign', `${gate.host}/bench/app:1`, '--key', 'release-bot']);
      if (signed.code !== 0) throw new Error(`sign: ${signed.output}`);
      const side = (url: string) => () =>
        wrk(`${url}/v2/bench/app/manifests/${digest}`, SECONDS, { Accept: MEDIA.ociManifest });
      await side(gate.url)();
      const [ours = [], theirs = []] = await alternate(ROUNDS, [
        side(gate.url),
        side(registry.url),
      ]);
      const of = (loads: readonly Load[], field: keyof Load): number[] =>
        loads.map((load) => load[field]);
      const rate = (loads: readonly Load[]): number => median(of(loads, 'requestsPerSecond'));
      const p99 = (loads: readonly Load[]): number => median(of(loads, 'p99'));
      return [
        {
          name: 'gate, requests per second',
          value: rate(ours),
          unit: '',
          samples: of(ours, 'requestsPerSecond'),
        },
        {
          name: 'docker-registry, requests per second',
          value: rate(theirs),
          unit: '',
          samples: of(theirs, 'requestsPerSecond'),
        },
        {
          name: 'ratio of the rates',
          value: rate(ours) / rate(theirs),
          unit: '×',
          bound: { at: 'least', value: 8 },
        },
        { name: 'gate, p99', value: p99(ours), unit: 'ms', samples: of(ours, 'p99') },
        {
          name: 'docker-registry, p99',
          value: p99(theirs),
          unit: 'ms',
          samples: of(theirs, 'p99'),
        },
        {
          name: 'ratio of the p99',
          value: p99(ours) / p99(theirs),
          unit: '×',
          bound: { at: 'most', value: 1 },
        },
      ];
    } finally {
      await gate.stop();
      await registry.stop();
    }
  },
};
