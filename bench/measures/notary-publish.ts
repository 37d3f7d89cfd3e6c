import { Pool, errors } from 'undici';
import { multipart, trustPath } from '../../test/support/trust-http.ts';
import type { Publisher } from '../../test/support/trust-publisher.ts';
import type { TrustServer } from '../../test/support/trust-server.ts';
import { tag } from '../../test/support/tuf.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { alternate, median } from '../support/measure.ts';
import { startedProcessorMs } from '../support/process.ts';
import { NOTARY_CLIENTS, beginRepository, openNotaryPeers } from '../support/notary.ts';

const CLIENTS = 8;
const PUBLISHES = 40;
const ROUNDS = 5;
const TIMES = 3;

/** Stands for the status of an answer that never came: the server closed the connection. */
const NO_ANSWER = 599;

/** A publish that is ready to be sent. */
interface Upload {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

/** Publishing, by eight clients on repositories of their own and on one. */
export const notaryPublish: Measure = {
  name: 'notary-publish',
  about:
    `Publishes of targets over TLS by ${CLIENTS} clients that each wait for their answer, ${PUBLISHES} ` +
    `each in a run, signed beforehand; ${ROUNDS} alternating runs: countersign (SQLite, fsync before the ` +
    'answer), and notary-server 0.7.0 with notary-signer and PostgreSQL.',
  needs: NOTARY_CLIENTS,
  run: async (folder) => {
    const peers = await openNotaryPeers(folder);
    const { ours, theirs } = peers;
    try {
      const apart = async (server: TrustServer): Promise<(round: number) => Promise<Run>> => {
        const publishers = await Promise.all(
          Array.from({ length: CLIENTS }, (_, n) => beginRepository(server, `apart-${n}`)),
        );
        const runs = await inTurn(ROUNDS + 1, (round) =>
          Promise.all(publishers.map((publisher) => uploads(publisher, round))),
        );
        return async (round) => {
          const pool = open(server);
          const [before, begin] = [startedProcessorMs(), performance.now()];
          await Promise.all(
            (runs[round] ?? []).map(async (own) => {
              for (const upload of own) expectDone(await send(pool, upload));
            }),
          );
          const seconds = (performance.now() - begin) / 1000;
          const processor = startedProcessorMs() - before;
          await pool.close();
          const publishes = CLIENTS * PUBLISHES;
          return { perSecond: publishes / seconds, processorMs: processor / publishes };
        };
      };
      const [mine, other] = [await apart(ours), await apart(theirs)];
      // The first run warms both.
      await alternate(1, [mine, other]);
      const shifted = [mine, other].map((side) => (round: number) => side(round + 1));
      const [own = [], peer = []] = await alternate(ROUNDS, shifted);
      const contest = await alternate(1, [() => race(ours), () => race(theirs)]);
      const [[us], [them]] = contest as [[Race], [Race]];
      return [
        ...runFigures('countersign', own),
        ...runFigures('notary-server', peer),
        {
          name: 'on repositories of their own: ratio',
          value: median(own.map(perSecond)) / median(peer.map(perSecond)),
          unit: '×',
          bound: { at: 'least', value: TIMES },
        },
        ...raceFigures('countersign', us, true),
        ...raceFigures('notary-server', them, false),
      ];
    } finally {
      await peers.stop();
    }
  },
};

/** One run of eight clients. */
interface Run {
  readonly perSecond: number;
  /** Of all processes of the side together, for one publish; what else runs on the machine does not change it much. */
  readonly processorMs: number;
}

const perSecond = (one: Run): number => one.perSecond;

function runFigures(who: string, runs: readonly Run[]): Figure[] {
  const name = `on repositories of their own: ${who}`;
  const rates = runs.map(perSecond);
  const times = runs.map(({ processorMs }) => processorMs);
  return [
    { name: `${name}, publishes per second`, value: median(rates), unit: '', samples: rates },
    { name: `${name}, processor time each`, value: median(times), unit: 'ms', samples: times },
  ];
}

/** How rounds of eight publishes at once on one base ended. */
interface Race {
  readonly rounds: number;
  readonly roundsPerSecond: number;
  /** Rounds that exactly one publish won. */
  readonly decided: number;
  /** Answers that said a failure of the server, and those that never came. */
  readonly failures: number;
}

async function race(server: TrustServer): Promise<Race> {
  const publisher = await beginRepository(server, 'together');
  const rounds = await inTurn(PUBLISHES, (round) =>
    Promise.all(Array.from({ length: CLIENTS }, (_, n) => upload(publisher, round + 2, `${n}`))),
  );
  const pool = open(server);
  let [decided, failures] = [0, 0];
  const begin = performance.now();
  for (const round of rounds) {
    const statuses = await Promise.all(round.map((one) => send(pool, one)));
    if (statuses.filter((status) => status === 200).length === 1) decided += 1;
    failures += statuses.filter((status) => status >= 500).length;
  }
  const seconds = (performance.now() - begin) / 1000;
  await pool.close();
  return { rounds: rounds.length, roundsPerSecond: rounds.length / seconds, decided, failures };
}

function raceFigures(who: string, race: Race, bound: boolean): Figure[] {
  const name = `all on one: ${who}`;
  return [
    { name: `${name}, rounds per second`, value: race.roundsPerSecond, unit: '' },
    {
      name: `${name}, rounds that one won`,
      value: (100 * race.decided) / race.rounds,
      unit: '%',
      ...(bound ? { bound: { at: 'least', value: 100 } } : {}),
    },
    {
      name: `${name}, answers of 500, and none`,
      value: race.failures,
      unit: '',
      ...(bound ? { bound: { at: 'most', value: 0 } } : {}),
    },
  ];
}

/** One client's publishes of a run, each on top of the one before. */
function uploads(publisher: Publisher, round: number): Promise<Upload[]> {
  return inTurn(PUBLISHES, (n) => upload(publisher, round * PUBLISHES + n + 2, `${n}`));
}

async function upload(publisher: Publisher, version: number, name: string): Promise<Upload> {
  const targets = await publisher.targets(version, { [name]: tag(`${version}`) });
  return { path: trustPath(publisher.gun), ...multipart([['targets', targets]]) };
}

async function inTurn<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const out: T[] = [];
  for (let index = 0; index < count; index++) out.push(await make(index));
  return out;
}

function open(server: TrustServer): Pool {
  return new Pool(server.url, { connections: CLIENTS, connect: { ca: server.authority.ca } });
}

/** The status of the answer, {@link NO_ANSWER} where the connection was closed before (notary-server 0.7.0 does, now and then). */
async function send(pool: Pool, { path, type, body }: Upload): Promise<number> {
  const headers = { 'content-type': type };
  try {
    const answer = await pool.request({ method: 'POST', path, body, headers });
    await answer.body.dump();
    return answer.statusCode;
  } catch (error) {
    if (error instanceof errors.SocketError) return NO_ANSWER;
    throw error;
  }
}

function expectDone(status: number): void {
  if (status !== 200) throw new Error(`a publish was answered with ${status}`);
}
