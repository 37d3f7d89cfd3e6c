import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as forward } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterEach } from 'vitest';
import { startService } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { firstManifest, signatureLayer } from '../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../src/trust/cosign/payload.ts';
import { freePort } from './child.ts';
import type { Called, CallOptions } from './http-call.ts';
import { call } from './http-call.ts';
import { pushBlob } from './image.ts';
import { startRegistry } from './registry.ts';
import type { TestSigner } from './signer.ts';
import { testSigner } from './signer.ts';
import { startWireServer } from './wire-server.ts';

/** What a test does to a request on its way from the gate to the registry: answers it (`true`), or lets it pass. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A gate in front of a registry whose answers a test can change, and what an attacker has to work with. */
export interface Attacked {
  readonly host: string;
  readonly url: string;
  /** The registry behind the gate, for what is done behind its back. */
  readonly registry: string;
  readonly policies: string;
  readonly signer: TestSigner;
  /** Changes the registry's answers from now on; `null`: no more. */
  fault(fault: Fault | null): void;
  /** What the gate asked of the registry since the last look: `METHOD /path`. */
  asked(): readonly string[];
  call(method: string, target: string, options?: CallOptions): Promise<Called>;
  /** Gives `path@digest` the signature of `signer`, naming no tag; returns the answer to the signature's tag. */
  sign(path: string, digest: Digest, headers?: Readonly<Record<string, string>>): Promise<Called>;
  /** As {@link sign}, in the registry itself, round the gate. */
  signBehind(path: string, digest: Digest): Promise<Called>;
  /** Ends the service and starts it over the same data. */
  restart(): Promise<void>;
  /** Ends the service; it may be started again by `restart`. */
  stop(): Promise<void>;
  /** Moves the service's clock on by so many milliseconds. */
  later(ms: number): void;
  /** All that the service has logged, one JSON text a line, errors with everything they hold. */
  logs(): string;
  /** The folder with the configuration, the data and the policies. */
  readonly folder: string;
}

/** How the gate under attack is configured. */
export interface AttackedOptions {
  /** Members of the one policy, under `images`, `mode` and `require`. */
  readonly policy?: string;
  /** Further policies, as list items. */
  readonly more?: string;
  /** `access` of the configuration, as list items; identities `ci`, `dev` and `boss` then exist. */
  readonly access?: string;
  /** Further members of the one registry, under `host` and `upstream`; `null` leaves them out for the embedded one. */
  readonly registry?: string | null;
}

/** The password of every identity. */
export const PASSWORD = 'geheim';

/** The Authorization header of one of the identities. */
export const as = (name: string): { readonly authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${name}:${PASSWORD}`).toString('base64')}`,
});

/** Opens gates for a suite; call it in the body of `describe`. They end with their test. */
export function attackedGates(): (options?: AttackedOptions) => Promise<Attacked> {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });
  return async (options = {}) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const behind = await startRegistry(join(folder, 'registry'));
    undo.push(() => behind.stop());
    let fault: Fault | null = null;
    const wire = await startWireServer((request, response) => {
      if (fault?.(request, response) !== true) pass(behind.url, request, response);
    });
    undo.push(() => wire.stop());
    const signer = testSigner();
    const host = `127.0.0.1:${await freePort()}`;
    const policies = layOut(folder, host, wire.url, signer, options);
    const config = unwrap(await loadConfig({ flags: {}, env: {}, cwd: folder }));
    let offset = 0;
    const clock = (): Date => new Date(Date.now() + offset);
    const { log, text } = keepingLogger();
    const start = () => startService(config, { log, version: '0.0.0', clock });
    let service = await start();
    undo.push(() => service.close());
    const url = `http://${host}`;
    let looked = 0;
    return {
      host,
      url,
      registry: behind.url,
      policies,
      signer,
      fault: (next) => {
        fault = next;
      },
      asked: () => wire.seen.slice(looked, (looked = wire.seen.length)).map((one) => one.line),
      call: (method, target, more) => call(url, method, target, more),
      sign: (path, digest, headers = {}) => sign({ url, host, signer }, path, digest, headers),
      signBehind: (path, digest) => sign({ url: behind.url, host, signer }, path, digest, {}),
      restart: async () => {
        await service.close();
        service = await start();
      },
      stop: () => service.close(),
      later: (ms) => {
        offset += ms;
      },
      logs: text,
      folder,
    };
  };
}

function layOut(
  folder: string,
  host: string,
  upstream: string,
  signer: TestSigner,
  { policy = '', more = '', access, registry = '' }: AttackedOptions,
): string {
  const policies = join(folder, 'policies');
  mkdirSync(policies);
  writeFileSync(join(policies, 'bot.pub'), signer.publicPem);
  writeFileSync(
    join(policies, 'policy.yaml'),
    `version: 1
authorities:
  - { name: bot, keys: [bot.pub] }
policies:
  - name: team
    images: ["\${registry}/team/**"]
    mode: enforce
    tags: registry
    require: [{ signatures: { by: [bot], formats: [cosign] } }]
    ${policy}
${more}`,
  );
  const identities =
    access === undefined ? '' : `identities: { htpasswd: users }\naccess:\n${access}`;
  writeFileSync(
    join(folder, 'users'),
    ['ci', 'dev', 'boss'].map((name) => `${name}:${hashSync(PASSWORD, 4)}\n`).join(''),
  );
  // What `credentials` of a test may name as passwordFile.
  writeFileSync(join(folder, 'secret'), `${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `listen: ${host}
tls: off
registries:
  - host: "${host}"
    upstream: ${registry === null ? 'embedded' : `"${upstream}"\n    ${registry}`}
${identities}`,
  );
  return policies;
}

/** Keeps every line with all that its fields hold, secrets included, so that a test can look for them. */
function keepingLogger(): { readonly log: Logger; readonly text: () => string } {
  const lines: string[] = [];
  const all = (_: string, value: unknown): unknown =>
    value instanceof Error
      ? {
          ...Object.fromEntries(Object.entries(value)),
          message: value.message,
          stack: value.stack,
          cause: value.cause,
        }
      : value;
  const keep = (fields: object, message: string): void => {
    lines.push(JSON.stringify({ message, ...fields }, all));
  };
  return { log: { info: keep, warn: keep, error: keep }, text: () => lines.join('\n') };
}

/** Passes a request on to a registry (`http://host:port`) and its answer back. */
export function pass(registry: string, request: IncomingMessage, response: ServerResponse): void {
  const { host, ...headers } = request.headers;
  void host;
  const { hostname, port } = new URL(registry);
  const onward = forward(
    { hostname, port, method: request.method, path: request.url, headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}

async function sign(
  gate: { readonly url: string; readonly host: string; readonly signer: TestSigner },
  path: string,
  digest: Digest,
  headers: Readonly<Record<string, string>>,
): Promise<Called> {
  const { repository } = unwrap(parseReference(`${gate.host}/${path}`));
  const payload = makePayload({
    repository,
    tag: null,
    digest,
    annotations: {},
    creator: null,
    timestamp: null,
  });
  const layer = signatureLayer(payload, await gate.signer.sign(payload));
  const { bytes, config } = firstManifest(layer);
  await pushBlob(gate.url, path, Buffer.from(payload), headers);
  await pushBlob(gate.url, path, Buffer.from(config.bytes), headers);
  return call(gate.url, 'PUT', `/v2/${path}/manifests/${digest.replace(':', '-')}.sig`, {
    headers: { ...headers, 'content-type': MEDIA.ociManifest },
    body: bytes,
  });
}
