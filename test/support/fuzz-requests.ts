/** Numbers from a seed (mulberry32): a failing run can be repeated exactly. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `below` - 1. */
  number(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  /** True once in `times`. */
  one(times: number): boolean {
    return this.number(times) === 0;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.number(from.length)];
    if (found === undefined) throw new Error('expected something to pick from');
    return found;
  }
}

/** What the generator knows of the gate that it attacks. */
export interface Ground {
  readonly host: string;
  /** Repository paths and references that exist, signed and not. */
  readonly paths: readonly string[];
  readonly references: readonly string[];
  /** Bodies worth sending: manifests, signed and not, and other JSON. */
  readonly bodies: readonly Buffer[];
  /** Pushes that make sense in themselves. */
  readonly pushes: readonly {
    readonly target: string;
    readonly mediaType: string;
    readonly body: Buffer;
  }[];
  /** Authorization values, good and bad. */
  readonly credentials: readonly string[];
}

/** One request as bytes. `clean` where its framing is beyond doubt, so that the connection may be kept. */
export interface FuzzRequest {
  readonly bytes: Buffer;
  readonly head: boolean;
  readonly clean: boolean;
}

const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'HEAD',
  'HEAD',
  'PUT',
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
];
const ODD_METHODS = [
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'SEARCH',
  'get',
  'GETS',
  'PURGE',
  'M-SEARCH',
  'G\u00e9T',
  '',
  'PRI',
];
const KINDS = [
  'manifests',
  'manifests',
  'manifests',
  'manifests',
  'blobs',
  'blobs',
  'tags',
  'referrers',
  'uploads',
  '_trust',
  '_trust',
  'Manifests',
  'manifest',
];
const SPELLINGS: readonly ((path: string, dice: Dice) => string)[] = [
  (path, dice) => insert(path, dice, '/'),
  (path, dice) =>
    insert(
      path,
      dice,
      dice.pick([
        '/.',
        '/..',
        '/%2e',
        '/%2e%2e',
        '%2f',
        '%5c',
        '\\',
        ';x=y',
        '%00',
        '\0',
        ' ',
        '%20',
        '#',
        '?',
        '\u00e9',
        '%c0%af',
        '..;/',
      ]),
    ),
  (path, dice) => encode(path, dice),
  (path, dice) => `${path}${dice.pick(['/', '//', '.', '%2f', '/.', ' ', '?', '#', ';', '%'])}`,
  (path) => path.toUpperCase(),
  (path, dice) =>
    path.replace(
      '/v2/',
      dice.pick(['/V2/', '//v2/', '/v2//', '/./v2/', '/v1/', '/x/../v2/', 'v2/', '/v2/%2e%2e/v2/']),
    ),
  (path, dice) => path.slice(0, dice.number(path.length)),
  (path, dice) => path + 'a'.repeat(dice.pick([100, 300, 2000, 9000])),
  (path, dice) =>
    `${dice.pick(['http://', 'https://', '//', 'HTTP://'])}${dice.pick(['evil.example', 'localhost', '127.0.0.1'])}${path}`,
];
const QUERIES = [
  'tag=latest',
  'tag=good&tag=bad',
  'Tag=x',
  '%74ag=x',
  'ns=docker.io',
  'digest=sha256:00',
  'n=1',
  'n=-1',
  'n=99999999999',
  'last=..',
  'mount=x&from=y',
  'platform=linux',
  'reference=good',
  '&&&',
  '=',
  '%',
  'n=1&n=2',
  'artifactType=x',
  'records=1',
  'records=-1&change_id=1',
  'records=x',
];
const HEADERS: readonly ((dice: Dice, ground: Ground) => string)[] = [
  (dice) =>
    `Accept: ${dice.pick(['*/*', 'application/vnd.oci.image.manifest.v1+json', 'text/html', 'application/vnd.docker.distribution.manifest.v1+prettyjws', '', 'x'.repeat(3000)])}`,
  (dice) => `Range: ${dice.pick(['bytes=0-', 'bytes=0-0,5-9', 'bytes=-5', 'bytes=9999999-', 'x'])}`,
  (dice, ground) => `If-None-Match: "${dice.pick(ground.references)}"`,
  (dice, ground) =>
    `X-Original-URL: /v2/${dice.pick(ground.paths)}/manifests/${dice.pick(ground.references)}`,
  (dice, ground) =>
    `X-Rewrite-URL: /v2/${dice.pick(ground.paths)}/manifests/${dice.pick(ground.references)}`,
  (dice) => `X-HTTP-Method-Override: ${dice.pick(['GET', 'DELETE', 'PUT'])}`,
  (dice) => `X-Forwarded-For: ${dice.pick(['127.0.0.1', '::1', 'evil'])}`,
  (dice) => `X-Forwarded-Host: ${dice.pick(['evil.example', 'localhost'])}`,
  (dice) => `Forwarded: for=127.0.0.1;host=${dice.pick(['evil.example', 'x"'])}`,
  (dice, ground) => `Authorization: ${dice.pick(ground.credentials)}`,
  (dice) => `User-Agent: ${dice.pick(['docker/28', 'trivy', 'Harbor-Scanner', 'kube-probe'])}`,
  (dice) =>
    `Connection: ${dice.pick(['close', 'keep-alive', 'Authorization', 'Host, X', 'upgrade'])}`,
  () => 'Upgrade: h2c',
  () => 'Expect: 100-continue',
  (dice) => `Cookie: ${'a=b; '.repeat(dice.number(50))}`,
  (dice) => `X-${dice.number(1e6)}: ${'y'.repeat(dice.pick([1, 100, 5000]))}`,
  (dice) =>
    `Content-Type: ${dice.pick(['application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json', 'application/json', 'multipart/form-data; boundary=b', 'text/plain', 'x/y; charset=\u00ff', ''])}`,
  () => 'Docker-Content-Digest: sha256:' + '0'.repeat(64),
];
/** What there may be behind `/_trust/`. */
const TRUST_FILES = [
  'tuf/',
  'tuf/',
  'tuf',
  'tuf/root.json',
  'tuf/timestamp.json',
  'tuf/snapshot.json',
  'tuf/targets.json',
  'tuf/targets/releases.json',
  'tuf/targets/../root.json',
  `tuf/root.${'ab'.repeat(32)}.json`,
  'tuf/1.root.json',
  'tuf/0.root.json',
  'tuf/9999999999.root.json',
  'tuf/timestamp.key',
  'tuf/snapshot.key',
  'tuf/root.key',
  'changefeed',
  'changefeed/',
  'manifests/1',
];
/** Headers whose framing two readers could see differently. */
const SMUGGLES = [
  'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding : chunked',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: -1',
  'Content-Length: 0x5',
  'Content-Length: 99999999999',
  ' Folded: yes',
  'Bad Header: x',
  ': none',
  'NoColon',
  'Nul: a\0b',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
];

/** Generates one request: mostly close to what clients send, with one to three things bent. */
export function fuzzRequest(dice: Dice, ground: Ground): FuzzRequest {
  if (dice.one(20)) return sensiblePush(dice, ground);
  const method = dice.one(12) ? dice.pick(ODD_METHODS) : dice.pick(METHODS);
  let path = pathOf(dice, ground);
  if (dice.one(2)) path = dice.pick(SPELLINGS)(path, dice);
  if (dice.one(4)) path += `${path.includes('?') ? '&' : '?'}${dice.pick(QUERIES)}`;
  const headers: string[] = [];
  if (!dice.one(60))
    headers.push(
      `Host: ${dice.one(15) ? dice.pick(['evil.example', 'localhost:1', '', `${ground.host}.`, `${ground.host}:443`, 'a b']) : ground.host}`,
    );
  if (dice.one(80)) headers.push(`Host: ${ground.host}`);
  for (let n = dice.number(4); n > 0; n--) headers.push(dice.pick(HEADERS)(dice, ground));
  const version = dice.one(60)
    ? dice.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', ''])
    : 'HTTP/1.1';
  const smuggled = dice.one(25);
  let body: Buffer = Buffer.alloc(0);
  if (smuggled) {
    headers.push(dice.pick(SMUGGLES));
    body = Buffer.from(
      `0\r\n\r\nGET /v2/${dice.pick(ground.paths)}/manifests/${dice.pick(ground.references)} HTTP/1.1\r\nHost: ${ground.host}\r\n\r\n`,
      'latin1',
    );
  } else if (method === 'PUT' || method === 'PATCH' || method === 'POST' || dice.one(20)) {
    const content = bodyOf(dice, ground);
    if (dice.one(4)) {
      headers.push('Transfer-Encoding: chunked');
      body = Buffer.concat([
        Buffer.from(`${content.length.toString(16)}\r\n`),
        content,
        Buffer.from('\r\n0\r\n\r\n'),
      ]);
      if (content.length === 0) body = Buffer.from('0\r\n\r\n');
    } else {
      headers.push(`Content-Length: ${content.length}`);
      body = content;
    }
  }
  const head = `${method} ${path} ${version}\r\n${headers.join('\r\n')}\r\n\r\n`;
  const clean =
    !smuggled &&
    version === 'HTTP/1.1' &&
    METHODS.includes(method) &&
    !headers.some((one) => /^(?:connection|upgrade|expect)/i.test(one));
  return {
    bytes: Buffer.concat([Buffer.from(head, 'latin1'), body]),
    head: method === 'HEAD',
    clean,
  };
}

/** What a client would push, with at most one thing bent: it gets further than what is bent all over. */
function sensiblePush(dice: Dice, ground: Ground): FuzzRequest {
  const push = dice.pick(ground.pushes);
  const target = dice.one(3) ? `${push.target}?${dice.pick(QUERIES)}` : push.target;
  const more = dice.one(2) ? `${dice.pick(HEADERS)(dice, ground)}\r\n` : '';
  const login = dice.one(2) ? `Authorization: ${dice.pick(ground.credentials)}\r\n` : '';
  const head = `PUT ${target} HTTP/1.1\r\nHost: ${ground.host}\r\n${login}${more}Content-Type: ${push.mediaType}\r\nContent-Length: ${push.body.length}\r\n\r\n`;
  const clean = !/^(?:connection|upgrade|expect|content-|transfer-)/im.test(more);
  return { bytes: Buffer.concat([Buffer.from(head, 'latin1'), push.body]), head: false, clean };
}

function pathOf(dice: Dice, ground: Ground): string {
  if (dice.one(30))
    return dice.pick([
      '/',
      '/v2',
      '/v2/',
      '/v2/_catalog',
      '*',
      '',
      '/api/v1/decisions',
      '/api/v1/holds',
      '/api/v1/history',
      '/metrics',
      '/healthz',
      '/readyz',
      '/log/sig/checkpoint',
      '/admission/validate',
      '/v2/_oci/ext/discover',
      '/v2/_trust/changefeed',
      '/v2/_trust/tuf/root.json',
      '/_notary_server/health',
      '/api/v1/repositories',
      '/api/v1/roots/reset',
      '/token',
    ]);
  const kind = dice.pick(KINDS);
  const reference = dice.pick(ground.references);
  const path = dice.one(30)
    ? dice.pick(['', '..', 'a'.repeat(300), 'Team/App', 'team', 'team/app/manifests/x', '_catalog'])
    : dice.pick(ground.paths);
  if (kind === 'tags') return `/v2/${path}/tags/list`;
  if (kind === 'uploads') return `/v2/${path}/blobs/uploads/${dice.one(2) ? '' : reference}`;
  if (kind === '_trust') {
    const gun = dice.one(4) ? path : `${ground.host}/${path}`;
    return `/v2/${gun}/_trust/${dice.pick(TRUST_FILES)}`;
  }
  return `/v2/${path}/${kind}/${reference}`;
}

function bodyOf(dice: Dice, ground: Ground): Buffer {
  const body = dice.one(8) ? formOf(dice, ground) : Buffer.from(dice.pick(ground.bodies));
  if (!dice.one(3)) return body;
  const cut = body.subarray(0, dice.number(body.length + 1));
  if (cut.length > 0 && dice.one(2)) cut[dice.number(cut.length)] = dice.number(256);
  return cut;
}

/** An upload of trust data, of whatever it has. */
function formOf(dice: Dice, ground: Ground): Buffer {
  const parts = Array.from({ length: dice.number(4) }, () => {
    const role = dice.pick(['root', 'targets', 'targets/releases', '../x', '', 'snapshot.json']);
    const head = `--b\r\nContent-Disposition: form-data; name="files"; filename="${role}"\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), dice.pick(ground.bodies), Buffer.from('\r\n')]);
  });
  return Buffer.concat([...parts, Buffer.from('--b--\r\n')]);
}

function insert(path: string, dice: Dice, text: string): string {
  const at = dice.number(path.length + 1);
  return path.slice(0, at) + text + path.slice(at);
}

function encode(path: string, dice: Dice): string {
  const at = dice.number(path.length);
  const code = path.charCodeAt(at).toString(16).padStart(2, '0');
  return `${path.slice(0, at)}%${dice.one(2) ? code.toUpperCase() : code}${path.slice(at + 1)}`;
}
