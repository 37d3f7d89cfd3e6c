import { join } from 'node:path';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Json } from '../../../src/lib/json.ts';
import { isArray, isObject, parseJson } from '../../../src/lib/json.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { tlsFiles } from '../../../src/oci/tls.ts';
import { DEFAULT_TIMEOUTS, createTransport } from '../../../src/oci/transport.ts';
import { dockerConfigFolder } from '../../docker-config.ts';

/** What the decision API answers, as far as it is shown (DESIGN 4.2). */
export interface ServerDecision {
  readonly decision: 'allow' | 'deny';
  readonly policy: { readonly name: string; readonly revision: string } | null;
  readonly reason: { readonly code: string; readonly message: string };
  readonly findings: readonly {
    readonly format: string;
    readonly authority: string | null;
    readonly status: string;
    readonly reason: string;
  }[];
}

const MAX_ANSWER = 4 * 1024 * 1024;

/** Asks a running service for its decision. Throws USAGE for a wrong URL, UPSTREAM_* where no decision came back. */
export async function askServer(
  server: string,
  image: string,
  flags: { readonly action: string; readonly ca?: string },
  env: NodeJS.ProcessEnv,
): Promise<ServerDecision> {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new CountersignError(
      'USAGE',
      `expected --server to be an http(s) URL, found ${JSON.stringify(server.slice(0, 120))}`,
    );
  }
  const transport = createTransport({
    tls: tlsFiles({
      directories: ['/etc/docker/certs.d', join(dockerConfigFolder(env), 'tls')],
      ...(flags.ca === undefined ? {} : { caFile: flags.ca }),
    }),
    timeouts: DEFAULT_TIMEOUTS,
    userAgent: 'countersign',
  });
  try {
    const answer = await transport.send({
      method: 'POST',
      url: new URL('/api/v1/decisions', server),
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ image, action: flags.action })),
    });
    const body = await answer.read(MAX_ANSWER);
    const json = unwrap(parseJson(body, { maxBytes: MAX_ANSWER }));
    const decision = answer.status === 200 ? readDecision(json) : undefined;
    if (decision !== undefined) return decision;
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `expected a decision from ${server}, found status ${answer.status}${errorMessage(json)}`,
    );
  } finally {
    await transport.close();
  }
}

function readDecision(json: Json): ServerDecision | undefined {
  if (!isObject(json) || !isObject(json['reason'])) return undefined;
  const { decision, policy, reason, findings } = json;
  if (decision !== 'allow' && decision !== 'deny') return undefined;
  return {
    decision,
    policy: isObject(policy)
      ? { name: text(policy['name']), revision: text(policy['revision']) }
      : null,
    reason: { code: text(reason['code']), message: text(reason['message']) },
    findings: (isArray(findings) ? findings : []).filter(isObject).map((finding) => ({
      format: text(finding['format']),
      authority: typeof finding['authority'] === 'string' ? finding['authority'] : null,
      status: text(finding['status']),
      reason: text(finding['reason']),
    })),
  };
}

/** The message of an OCI error body, if it is one. */
function errorMessage(json: Json): string {
  const errors = isObject(json) ? json['errors'] : undefined;
  const first = isArray(errors) ? errors[0] : undefined;
  return isObject(first) ? `: ${text(first['message'])}` : '';
}

/** Text from outside goes to a terminal: without control characters. */
function text(value: Json | undefined): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  const control = /[\u0000-\u001f\u007f-\u009f]/g;
  return typeof value === 'string' ? value.slice(0, 1000).replaceAll(control, ' ') : '';
}
