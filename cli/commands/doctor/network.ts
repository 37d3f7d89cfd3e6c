import { connect } from 'node:net';
import type { Check } from './check.ts';
import { check } from './check.ts';

/** How long a connection may take, ms. */
const TIMEOUT = 5_000;

/** Where images of a registry really are asked for; Docker Hub's name serves a web page. */
const ADDRESSES: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** Tries connections from this host, each host once: what can be reached can be pulled from. */
export class Network {
  readonly #tried = new Map<string, Promise<string | null>>();

  /** The check of the direct way to a registry. */
  async way(registry: string): Promise<Check> {
    const subject = `connection to ${addressOf(registry).host}`;
    const failure = await this.#failure(registry);
    if (failure === null) {
      return check(
        'open',
        subject,
        `${registry} can be reached from here, round the gate`,
        'let only the gate through to it (firewall, network policy)',
      );
    }
    // Names that do not resolve and connections that are refused are what a closed network looks like.
    return check('closed', subject, `${registry} cannot be reached from here (${failure})`);
  }

  /** A setting that leads round the gate does no harm where none of its hosts can be reached. */
  async confirm(one: Check): Promise<Check> {
    const { around, ...rest } = one;
    if (one.status !== 'open' || around === undefined) return one;
    const failures = await Promise.all(around.map((host) => this.#failure(host)));
    if (failures.includes(null)) return one;
    return { ...rest, status: 'closed', found: `${one.found}, which cannot be reached`, mend: '' };
  }

  #failure(host: string): Promise<string | null> {
    const { hostname, port } = addressOf(host);
    const tried = this.#tried.get(host) ?? tryConnection(hostname, port);
    this.#tried.set(host, tried);
    return tried;
  }
}

function addressOf(registry: string): { host: string; hostname: string; port: number } {
  const text = `https://${ADDRESSES[registry] ?? registry}`;
  // What an engine's file names may be anything; what is no host cannot be reached either.
  const url = new URL(URL.canParse(text) ? text : 'https://0.invalid');
  const port = Number(url.port || '443');
  return { host: `${url.hostname}:${port}`, hostname: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** The reason why no connection came about; `null` where one did. */
function tryConnection(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT });
    const done = (result: string | null): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => done(null));
    socket.once('timeout', () => done('no answer'));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
}
