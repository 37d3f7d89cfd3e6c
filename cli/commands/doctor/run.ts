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
import { findDockerCli } from '../../docker-cli.ts';
import { examineContentTrust } from './content-trust/host.ts';
import { examineProject } from './content-trust/project.ts';
import { examineContainerd } from './containerd.ts';
import { examineContainersImage } from './containers-image.ts';
import { examineDocker } from './docker.ts';
import { examineGate, examineRefusal } from './gate.ts';
import { Network } from './network.ts';
import { examineProxies } from './proxies.ts';
import { describe, verdict } from './show.ts';

/** The options of `doctor`. */
export interface DoctorFlags extends RegistryFlags {
  readonly registry: readonly string[];
  readonly unsigned?: string;
  readonly root: string;
  readonly project?: string;
}

/** `doctor`: every way from this host to the registries, whether it leads round the gate, and content trust that does nothing. */
export async function runDoctor(
  context: Context,
  name: string | undefined,
  flags: DoctorFlags,
): Promise<void> {
  const gate = name === undefined ? null : parseServer(name, 'the gate');
  const root = resolve(flags.root);
  await expectFolder(root, '--root');
  const project = flags.project ?? (gate === null ? '.' : undefined);
  if (project !== undefined) await expectFolder(resolve(project), '--project');
  if (gate === null && (flags.unsigned !== undefined || flags.registry.length > 0)) {
    throw new CountersignError('USAGE', 'expected a gate with --registry and --unsigned');
  }
  const ways = gate === null ? null : await examineWays(context, gate, root, flags);
  const trust = await examineTrust(context, root, project);
  const checks = [...(ways?.checks ?? []), ...trust];
  const count = (status: Check['status']): number =>
    checks.filter((one) => one.status === status).length;
  const open = count('open');
  const unknown = count('unknown');
  const registries = ways?.registries ?? [];
  context
    .output()
    .result({ gate, registries, open, unknown, checks }, () =>
      [...checks.map(describe), '', verdict(gate, open, unknown)].join('\n'),
    );
  if (open > 0) context.exit(1);
  else if (unknown > 0) context.exit(3);
}

async function examineWays(
  context: Context,
  gate: string,
  root: string,
  flags: DoctorFlags,
): Promise<{ readonly registries: readonly string[]; readonly checks: readonly Check[] }> {
  const image = flags.unsigned === undefined ? undefined : parseImage(flags.unsigned);
  if (image !== undefined && image.host !== gate) {
    throw new CountersignError('USAGE', `expected --unsigned to name an image of ${gate}`);
  }
  const named = flags.registry.length > 0 ? flags.registry : ['docker.io'];
  const registries = [...new Set(named.map((host) => unwrap(parseHost(host))))];
  if (registries.includes(gate)) {
    throw new CountersignError('USAGE', `expected another --registry than the gate itself`);
  }
  const examined: Examined = { gate, registries, root, home: homedir() };
  return { registries, checks: await examine(context, flags, examined, image) };
}

/** Content trust that is switched on here, or in a project, and whether anything heeds it. */
async function examineTrust(
  { env }: Context,
  root: string,
  project: string | undefined,
): Promise<readonly Check[]> {
  const today = new Date().toISOString().slice(0, 10);
  const docker = root === '/' ? await findDockerCli(env) : null;
  const host = await examineContentTrust({ root, home: homedir(), env, docker, today });
  return project === undefined
    ? host
    : [...host, ...(await examineProject(resolve(project), today))];
}

/** Where nothing is configured nothing leads round the gate: a mistyped root must not look like that. */
async function expectFolder(path: string, option: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() === true) return;
  throw new CountersignError('USAGE', `expected ${option} to name a folder, found none at ${path}`);
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
    return [...gate, proof, ...ways, ...proxies, ...confirmed];
  } finally {
    await client.close();
  }
}
