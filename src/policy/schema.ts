import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import { readYaml } from '../lib/yaml.ts';
import type { AuthorityDraft, FileDraft, SchemaOptions } from './draft.ts';
import { placed, readName } from './draft.ts';
import { keysOf } from './fields.ts';
import { readKeyPath } from './key-path.ts';
import { readPolicy } from './schema-policy.ts';

/**
 * Reads one policy file. Refuses at once what is not strict YAML; every other problem is collected
 * in the draft's document with file and line, so that a person sees all of them.
 */
export function readPolicyFile(
  bytes: Uint8Array,
  file: string,
  options: SchemaOptions,
): Result<FileDraft> {
  const parsed = readYaml(bytes, file, {
    code: 'POLICY_INVALID',
    maxBytes: LIMITS.policyFileBytes,
    maxDepth: 12,
  });
  if (!parsed.ok) return parsed;
  const document = parsed.value;
  const root = document.root.mapping(keysOf('file'));
  if (root === undefined) return ok({ document, authorities: [], policies: [] });
  readVersion(root.need('version'));
  const authorities = root.get('authorities')?.list() ?? [];
  const policies = root.get('policies')?.list() ?? [];
  return ok({
    document,
    authorities: authorities.flatMap((node) => readAuthority(node) ?? []),
    policies: policies.flatMap((node) => readPolicy(node, options) ?? []),
  });
}

function readVersion(node: YamlNode | undefined): void {
  const version = node?.integer(1, 1_000_000);
  if (node !== undefined && version !== undefined && version !== 1) {
    node.fail(`expected version 1, found ${version}; a newer Countersign may read it`);
  }
}

function readAuthority(node: YamlNode): AuthorityDraft | undefined {
  const fields = node.mapping(keysOf('authority'));
  if (fields === undefined) return undefined;
  const name = readName(fields.need('name'));
  const keys = fields.need('keys');
  const files = keys?.list() ?? [];
  if (files.length === 0) keys?.fail('expected at least one key file, found none');
  if (name === undefined) return undefined;
  return { name, node, keys: files.flatMap((file) => placed(file, readKeyPath(file)) ?? []) };
}
