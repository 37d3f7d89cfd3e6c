import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { repeated } from '../repeated.ts';
import type { DoctorFlags } from './doctor/run.ts';

/** Adds `doctor`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('doctor [gate]')
    .description('is the gate the only way to a registry, and does content trust still do anything')
    .addOption(
      new Option(
        '--registry <host>',
        'a registry that must not be reached round the gate (may be repeated)',
      )
        .argParser(repeated)
        .default([], 'docker.io'),
    )
    .option('--unsigned <image>', 'an image that the gate must refuse: it is asked for and must be')
    .option(
      '--project <dir>',
      'a folder whose CI files and scripts are looked at (default: the current one, without a gate)',
    )
    .option('--root <dir>', "where the engines' configuration is read below", '/');
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
Run it on a host that pulls images. It asks the gate, tries to connect to each registry directly, and
reads what docker, containerd, podman, buildah and skopeo are configured with: a mirror that refuses
an image is passed over by all of them, so a gate that is only a mirror stops nothing. Proxies are
not gone through: one that is configured is reported as not found out.

It also finds where DOCKER_CONTENT_TRUST is set and does nothing: Docker 29 and later ignore it, and so do
buildx, podman, containerd and Kubernetes at all times. It looks at the environment, shell profiles,
systemd units, and the CI files, Dockerfiles, Makefiles and scripts of a project. Without a gate that is all.

Exit status: 0 nothing goes round the gate, 1 something does, or does nothing; 3 something could not be
found out.

Examples:
  $ countersign doctor
  $ countersign doctor --project ./my-service
  $ countersign doctor registry.example.com --registry docker.io --registry harbor.internal
  $ countersign doctor registry.example.com --unsigned registry.example.com/test/unsigned:1`,
    )
    .action(async (gate: string | undefined, flags: DoctorFlags) =>
      (await import('./doctor/run.ts')).runDoctor(context, gate, flags),
    );
}
