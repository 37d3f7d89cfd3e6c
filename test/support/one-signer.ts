/** How a policy of {@link oneSigner} differs from the usual one. */
export interface OneSigner {
  /** What it is for, below the registry's name. */
  readonly images?: string;
  readonly name?: string;
  readonly mode?: 'enforce' | 'warn' | 'off';
  /** What happens to unsigned pushes; the product's default where it is not given. */
  readonly push?: 'reject' | 'hold' | 'allow';
  readonly authority?: string;
  /** The authority's public key below `policies/`. */
  readonly key?: string;
  /** The formats that count; cosign's where it is not given. */
  readonly formats?: readonly string[];
}

/** A policy file that asks for one signature, by one authority with one key. */
export function oneSigner(options: OneSigner = {}): string {
  const { images = 'team/**', name = 'team', mode = 'enforce', push } = options;
  const { authority = 'release-bot', key = `keys/${authority}.pub` } = options;
  const { formats = ['cosign'] } = options;
  return `version: 1
authorities:
  - name: ${authority}
    keys: [${key}]
policies:
  - name: ${name}
    images: ["\${registry}/${images}"]
    mode: ${mode}
${push === undefined ? '' : `    push: ${push}\n`}    tags: registry
    require:
      - signatures: { by: [${authority}], formats: [${formats.join(', ')}] }
`;
}
