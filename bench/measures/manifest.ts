import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { MEDIA } from '../../src/oci/media-types.ts';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { buildImage, pushImage } from '../../test/support/image.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { alternate, median } from '../support/measure.ts';
import { openGate } from '../support/gate.ts';
import type { Load } from '../support/wrk.ts';
import { wrk } from '../support/wrk.ts';

const SECONDS = 4;
const ROUNDS = 5;
const PASSWORD = 'a password';

/** One way in which clients ask for a manifest. */
interface Asking {
  readonly name: string;
  readonly about: string;
  readonly by: 'tag' | 'digest';
  /** True where the gate has identities of its own, and every request a password. */
  readonly identified: boolean;
  /** How many times as many requests as the registry asked directly. */
  readonly atLeast: number;
}

/** Measures one way of asking for the manifest that every pull ends in, beside the registry behind the gate. */
function measure({ name, about, by, identified, atLeast }: Asking): Measure {
  return {
    name,
    about:
      `GET of a signed image's manifest ${about}, plain HTTP, \`wrk -t1 -c16 -d${SECONDS}s\`, ` +
      `${ROUNDS} alternating runs each: the gate warm, and docker-registry asked directly.`,
    needs: ['docker-registry', 'wrk'],
    run: async (folder) => {
      const registry = await startDockerRegistry(join(folder, 'registry'));
      const users = join(folder, 'users');
      writeFileSync(users, `ci:${hashSync(PASSWORD, 10)}\n`);
      const access = `access: [{ repositories: ["**"], pull: [ci], push: [ci], admin: [ci] }]`;
      const own = identified ? `identities: { htpasswd: "${users}" }\n${access}\n` : '';
      const gate = await openGate(join(folder, 'site'), registry.url, own);
      try {
        if (identified) gate.site.login(gate.service.host, 'ci', PASSWORD);
        const digest = await pushImage(registry.url, 'bench/app', buildImage(), '1');
        await gate.sign('bench/app:1');
        const basic = Buffer.from(`ci:${PASSWORD}`).toString('base64');
        const headers = {
          Accept: MEDIA.ociManifest,
          ...(identified ? { Authorization: `Basic ${basic}` } : {}),
        };
        const path = `/v2/bench/app/manifests/${by === 'tag' ? '1' : digest}`;
        const side = (url: string) => () => wrk(`${url}${path}`, SECONDS, headers);
        await side(gate.service.url)();
        const [ours = [], theirs = []] = await alternate(ROUNDS, [
          side(gate.service.url),
          side(registry.url),
        ]);
        return figures(ours, theirs, atLeast);
      } finally {
        await gate.service.stop();
        await registry.stop();
      }
    },
  };
}

function figures(ours: readonly Load[], theirs: readonly Load[], atLeast: number): Figure[] {
  const of = (loads: readonly Load[], field: keyof Load): number[] =>
    loads.map((load) => load[field]);
  const figure = (
    who: string,
    loads: readonly Load[],
    field: 'requestsPerSecond' | 'p99',
  ): Figure => {
    const samples = of(loads, field);
    const rate = field === 'requestsPerSecond';
    const name = `${who}, ${rate ? 'requests per second' : 'p99'}`;
    return { name, value: median(samples), unit: rate ? '' : 'ms', samples };
  };
  const ratio = (field: keyof Load): number => median(of(ours, field)) / median(of(theirs, field));
  return [
    figure('gate', ours, 'requestsPerSecond'),
    figure('docker-registry', theirs, 'requestsPerSecond'),
    {
      name: 'ratio of the rates',
      value: ratio('requestsPerSecond'),
      unit: '×',
      bound: { at: 'least', value: atLeast },
    },
    figure('gate', ours, 'p99'),
    figure('docker-registry', theirs, 'p99'),
    {
      name: 'ratio of the p99',
      value: ratio('p99'),
      unit: '×',
      bound: { at: 'most', value: 1 },
    },
  ];
}

/** The request that every pull ends in: by digest, by tag, and with a password that the gate checks. */
export const manifests: readonly Measure[] = [
  measure({ name: 'manifest', about: 'by digest', by: 'digest', identified: false, atLeast: 8 }),
  measure({ name: 'manifest-tag', about: 'by tag', by: 'tag', identified: false, atLeast: 8 }),
  measure({
    name: 'manifest-login',
    about: 'by tag, with an Authorization header that the gate checks',
    by: 'tag',
    identified: true,
    atLeast: 6,
  }),
];
