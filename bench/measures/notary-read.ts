import { sha256Hex } from '../../src/lib/bytes.ts';
import { trustPath } from '../../test/support/trust-http.ts';
import type { TrustServer } from '../../test/support/trust-server.ts';
import { tag } from '../../test/support/tuf.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { alternate, median } from '../support/measure.ts';
import { NOTARY_CLIENTS, beginRepository, openNotaryPeers } from '../support/notary.ts';
import type { Load } from '../support/wrk.ts';
import { wrk, wrkInTurn } from '../support/wrk.ts';

const SECONDS = 4;
const ROUNDS = 5;
const TIMES = 3;
/** A hundred tags: the targets of an ordinary repository. */
const TAGS = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`v${n}`, tag(`v${n}`)]));

/** What every pull with content trust asks first, and what a new reader asks next. */
export const notaryRead: Measure = {
  name: 'notary-read',
  about:
    `GET of a repository's trust data over TLS, \`wrk -t1 -c16 -d${SECONDS}s\`, ${ROUNDS} alternating ` +
    'runs each: countersign, and notary-server 0.7.0 with PostgreSQL.',
  needs: [...NOTARY_CLIENTS, 'wrk'],
  run: async (folder) => {
    const peers = await openNotaryPeers(folder);
    const { ours, theirs } = peers;
    try {
      const published = async (server: TrustServer): Promise<string> => {
        const publisher = await beginRepository(server, 'read');
        const targets = await publisher.targets(2, TAGS);
        const answer = await server.http.publish(publisher.gun, [['targets', targets]]);
        if (answer.status !== 200) throw new Error(`publish: ${answer.status} ${answer.code}`);
        return trustPath(publisher.gun, `targets.${sha256Hex(targets)}.json`);
      };
      const [mine, other] = [await published(ours), await published(theirs)];
      const stamp = (path: string): string =>
        path.replace(/targets\.[0-9a-f]+\.json$/, 'timestamp.json');
      const compare = async (
        name: string,
        file: (path: string) => string,
        headers: Readonly<Record<string, string>>,
        bound: number | null,
      ): Promise<Figure[]> => {
        const load = (server: TrustServer, path: string) => () =>
          wrk(`${server.url}${file(path)}`, SECONDS, headers);
        await load(ours, mine)();
        const sides = [load(ours, mine), load(theirs, other)];
        const [own = [], peer = []] = await alternate(ROUNDS, sides);
        return figures(name, own, peer, bound);
      };
      // A new reader's three requests: the timestamp, then by hash what it lists and what that lists.
      const reader = async (server: TrustServer, path: string): Promise<readonly string[]> => {
        const listed = await server.http.call('GET', stamp(path));
        const snapshot = snapshotHash(listed.body);
        return [stamp(path), path.replace(/targets\.[0-9a-f]+/, `snapshot.${snapshot}`), path];
      };
      const [myReader, otherReader] = [await reader(ours, mine), await reader(theirs, other)];
      const [whole = [], wholePeer = []] = await alternate(ROUNDS, [
        () => wrkInTurn(ours.url, myReader, SECONDS),
        () => wrkInTurn(theirs.url, otherReader, SECONDS),
      ]);
      return [
        ...figures('timestamp, snapshot and targets by hash in turn', whole, wholePeer, null),
        ...(await compare('timestamp.json', stamp, {}, TIMES)),
        ...(await compare('targets by hash', (path) => path, {}, TIMES)),
        // docker opens a connection for every request: most of it is the TLS handshake.
        ...(await compare(
          'timestamp.json, a connection each',
          stamp,
          { Connection: 'close' },
          null,
        )),
      ];
    } finally {
      await peers.stop();
    }
  },
};

/** Hex SHA-256 of the snapshot that a timestamp lists. */
function snapshotHash(timestamp: Uint8Array): string {
  const file = JSON.parse(Buffer.from(timestamp).toString()) as {
    signed: { meta: { snapshot: { hashes: { sha256: string } } } };
  };
  return Buffer.from(file.signed.meta.snapshot.hashes.sha256, 'base64').toString('hex');
}

function figures(
  name: string,
  ours: readonly Load[],
  theirs: readonly Load[],
  bound: number | null,
): Figure[] {
  const rates = (loads: readonly Load[]): number[] => loads.map((load) => load.requestsPerSecond);
  const [mine, other] = [rates(ours), rates(theirs)];
  return [
    {
      name: `${name}: countersign, requests per second`,
      value: median(mine),
      unit: '',
      samples: mine,
    },
    { name: `${name}: notary-server`, value: median(other), unit: '', samples: other },
    {
      name: `${name}: ratio`,
      value: median(mine) / median(other),
      unit: '×',
      ...(bound === null ? {} : { bound: { at: 'least', value: bound } }),
    },
    { name: `${name}: countersign, p99`, value: median(ours.map(({ p99 }) => p99)), unit: 'ms' },
    {
      name: `${name}: notary-server, p99`,
      value: median(theirs.map(({ p99 }) => p99)),
      unit: 'ms',
    },
  ];
}
