import { spawn } from 'node:child_process';
import { isObject, parseJson } from '../src/lib/json.ts';
import type { Json } from '../src/lib/json.ts';

/** A docker command line program on this machine. */
export interface DockerCli {
  readonly version: string;
  /** The first number of the version; 0 where it is none. */
  readonly major: number;
}

const TIMEOUT_MS = 10_000;
const OUTPUT_BYTES = 256 * 1024;
/** From this version on the CLI knows nothing of content trust (docker/cli#6603), nor has `docker trust`. */
export const WITHOUT_TRUST = 29;

/** Asks the docker program on PATH for its version; `null` where there is none. The engine may be away. */
export async function findDockerCli(env: NodeJS.ProcessEnv): Promise<DockerCli | null> {
  const said = await outputOf('docker', ['version', '--format', '{{json .}}'], env);
  return said === null ? null : readDockerVersion(said);
}

/** Reads what `docker version --format '{{json .}}'` prints; `null` for anything else. */
export function readDockerVersion(text: string): DockerCli | null {
  const json = parseJson(Buffer.from(text.trim()), { maxBytes: OUTPUT_BYTES });
  const client: Json | undefined =
    json.ok && isObject(json.value) ? json.value['Client'] : undefined;
  const version = isObject(client) ? client['Version'] : undefined;
  if (typeof version !== 'string' || !/^[\w.+~-]{1,64}$/.test(version)) return null;
  return { version, major: Number(/^(\d{1,4})\./.exec(version)?.[1] ?? 0) };
}

function outputOf(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      if (text.length <= OUTPUT_BYTES) text += part;
    });
    child.on('error', () => resolve(null));
    // Without an engine it ends with 1, and has told its own version all the same.
    child.on('close', () => resolve(text));
  });
}
