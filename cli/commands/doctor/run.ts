import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { parseHost } from '../../../src/oci/reference.ts';
import type { Context } from '../../commands.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import type { Check, Examined } from './check.ts';
import { check } from './check.ts';
import { examineContainerd } from './containerd.ts';
import { examineContainersImage } from './containers-image.ts';
import { examineDocker } from './docker.ts';
import { examineGate, examineRefusal } from './gate.ts';
import { Network } from './network.ts';
import { examineProxies } from './proxies.ts';

/** The options of `doctor`. */
export interface DoctorFlags extends RegistryFlags {
  readonly registry: readonly string[];
  readonly unsigned?: string;
  readonly root: string;
}

const WORDS: Readonly<Record<Check['status'], string>> = {
  closed: 'ok      ',
  open: 'OPEN    ',
  unknown: 'unknown ',
  note: 'note    ',
};

/** `doctor`: every way from this host to the registries, and whether it leads round the gate. */
export async function runDoctor(context: Context, name: string, flags: DoctorFlags): Promise<void> {
  const gate = parseServer(name, 'the gate');
  const image = flags.unsigned === undefined ? undefined : parseImage(flags.unsigned);
  if (image !== undefined && image.host !== gate) {
    throw new CountersignError('USAGE', `expected --unsigned to name an image of ${gate}`);
  }
  const named = flags.registry.length > 0 ? flags.registry : ['docker.io'];
  const registries = [...new Set(named.map((host) => unwrap(parseHost(host))))];
  if (registries.includes(gate)) {
    throw new CountersignError('USAGE', `expected another --registry than the gate itself`);
  }
  const root = resolve(flags.root);
  await expectFolder(root);
  const examined: Examined = { gate, registries, root, home: homedir() };
  const checks = await examine(context, flags, examined, image);
  const count = (status: Check['status']): number =>
    checks.filter((one) => one.status === status).length;
  const open = count('open');
  const unknown = count('unknown');
  context
    .output()
    .result({ gate, registries, open, unknown, checks }, () =>
      [...checks.map(describe), '', verdict(gate, open, unknown)].join('\n'),
    );
  if (open > 0) context.exit(1);
  else if (unknown > 0) context.exit(3);
}

/** Where nothing is configured nothing leads round the gate: a mistyped root must not look like that. */
async function expectFolder(root: string): Promise<void> {
  const found = await stat(root).catch(() => null);
  if (found?.isDirectory() === true) return;
  throw new CountersignError('USAGE', `expected --root to name a folder, found none at ${root}`);
}

async function examine(
  context: Context,
  flags: DoctorFlags,
  examined: Examined,
  image: Reference | undefined,
): Promise<readonly Check[]> {
  const client = openRegistry({ host: examined.gate }, flags, context.env);
  const network = new Network();
  try {
    const [gate, refusal, ways, docker, containerd, others, proxies] = await Promise.all([
      examineGate(client),
      image === undefined ? undefined : examineRefusal(client, image),
      Promise.all(examined.registries.map((registry) => network.way(registry))),
      examineDocker(examined),
      examineContainerd(examined),
      examineContainersImage(examined),
      examineProxies(examined, context.env),
    ]);
    const proof =
      refusal ??
      check('note', 'pull of an unsigned image', 'not tried', 'name one with --unsigned IMAGE');
    const settings = [...docker, ...containerd, ...others];
    const confirmed = await Promise.all(settings.map((one) => network.confirm(one)));
    return [gate, proof, ...ways, ...proxies, ...confirmed];
  } finally {
    await client.close();
  }
}

function describe({ status, subject, found, mend }: Check): string {
  const line = `${WORDS[status]} ${subject}: ${found}`;
  return mend === '' ? line : `${line}\n${' '.repeat(9)}${mend}`;
}

function verdict(gate: string, open: number, unknown: number): string {
  if (open > 0) return `${open} of these lead round ${gate}.`;
  if (unknown > 0)
    return `Nothing that was found leads round ${gate}; ${unknown} could not be found out.`;
  return `Nothing leads round ${gate}.`;
}
