import type { Document, Node } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, visit } from 'yaml';
import { quote } from './quote.ts';
import type { YamlProblems } from './yaml-problems.ts';
import { firstLine, report } from './yaml-problems.ts';

/**
 * Collects what two readers could take differently or what could hide a setting: duplicate keys,
 * anchors, aliases, tags, keys that are no text, and nesting deeper than `maxDepth`.
 */
export function strictness(document: Document, shared: YamlProblems, maxDepth: number): void {
  for (const warning of document.warnings) {
    // Tags are refused below, known or not.
    if (warning.code === 'TAG_RESOLVE_FAILED') continue;
    report(shared, warning.pos[0], firstLine(warning.message));
  }
  visit(document, {
    Node(_, node, path) {
      const at = node.range?.[0] ?? 0;
      if (isAlias(node) || ('anchor' in node && node.anchor !== undefined)) {
        report(shared, at, 'expected no anchors or aliases; write the value out');
      } else if (node.tag !== undefined) {
        report(shared, at, `expected no tags, found ${node.tag.slice(0, 60)}`);
      }
      if (path.filter((above) => isMap(above) || isSeq(above)).length >= maxDepth) {
        report(shared, at, `expected at most ${maxDepth} levels of nesting`);
        return visit.BREAK;
      }
      return undefined;
    },
    Map(_, map) {
      const seen = new Set<string>();
      for (const pair of map.items) {
        const key = isScalar(pair.key) ? pair.key.value : undefined;
        const at = (pair.key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0;
        if (typeof key !== 'string') report(shared, at, 'expected a key that is text');
        else if (seen.has(key)) {
          report(shared, at, `expected every key once, found ${quote(key)} again`);
        } else seen.add(key);
      }
    },
  });
}
