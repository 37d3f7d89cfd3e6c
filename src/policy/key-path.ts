import { quote } from '../lib/quote.ts';
import type { YamlNode } from '../lib/yaml-node.ts';

/**
 * Reads the path of a key file, or collects why it is none. A key file lies in the policy folder: what
 * is trusted is one folder that can be copied and reviewed.
 */
export function readKeyPath(node: YamlNode): string | undefined {
  const path = node.text();
  if (path === undefined) return undefined;
  const parts = path.split('/');
  if (path.includes('\\') || path.includes('\0') || path.length > 512) {
    return node.fail('expected a path of a key file with / between folders');
  }
  if (path.startsWith('/') || parts.some((part) => part === '..')) {
    return node.fail(
      `expected a key file inside the policy folder, found ${quote(path)}; copy the key there`,
    );
  }
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}
