import type { Command } from 'commander';
import type { ServeFlags } from '../../src/config/config.ts';
import type { Context } from '../commands.ts';
import { processLogger } from '../logger.ts';
import { packageVersion } from '../version.ts';

const HELP = `
Examples:
  $ countersign serve                                              embedded registry on https://localhost:5443
  $ countersign serve --upstream http://localhost:5000 --http      in front of a registry, plain HTTP
  $ countersign serve --config countersign.yaml

Every flag is also a key of countersign.yaml and a variable (COUNTERSIGN_LISTEN, …); a flag beats a
variable beats the file. It logs one JSON line per request on stderr, and stops on SIGTERM or SIGINT.`;

interface Options extends ServeFlags {
  readonly config?: string;
  readonly logLevel: string;
}

/** `countersign serve`: runs the gate until it is told to stop. */
export function define(program: Command, context: Context): void {
  program
    .command('serve')
    .description('run the gate in front of a registry')
    .option('--config <file>', 'configuration file (default: countersign.yaml, if there)')
    .option('--listen <host:port>', 'address to listen on (default: localhost:5443)')
    .option('--upstream <url>', 'the registry behind the gate (default: an embedded one)')
    .option('--data <dir>', 'folder for everything the service keeps (default: ./countersign-data)')
    .option('--policies <dir>', 'folder of policy files (default: ./policies)')
    .option('--http', 'plain HTTP, no TLS')
    .option('--log-level <level>', 'info, warn or error', 'info')
    .addHelpText('after', HELP)
    .action(async (options: Options) => run(options, context));
}

async function run(options: Options, context: Context): Promise<void> {
  // What a service needs is loaded here, so that no other command waits for it.
  const { loadConfig } = await import('../../src/config/load.ts');
  const { startService } = await import('../../src/app.ts');
  const { unwrap } = await import('../../src/lib/result.ts');
  const { config: file, logLevel, ...flags } = options;
  const config = unwrap(await loadConfig({ file, flags, env: context.env }));
  const log = processLogger(logLevel);
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const service = await startService(config, { log, version: packageVersion() });
  // Before it says that it is ready: whoever hears that may end it at once.
  const end = stopped();
  const output = context.output();
  const url = service.urls[0] ?? '';
  output.result(
    { ready: true, urls: service.urls, hosts: service.hosts, ca: service.caFile },
    `countersign ready on ${url}`,
  );
  if (service.caFile !== null) output.note(`clients trust it by ${service.caFile}`);
  await end;
  output.note('stopping: letting running requests finish');
  await service.close();
  log.flush();
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.once('SIGTERM', () => process.exit(1));
      process.once('SIGINT', () => process.exit(1));
      resolve();
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
}
