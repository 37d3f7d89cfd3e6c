import type { Document, YAMLParseError } from 'yaml';
import { LineCounter, parseDocument } from 'yaml';
import { decodeUtf8 } from './bytes.ts';
import type { ErrorCode } from './errors.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';
import { YamlDocument } from './yaml-node.ts';
import type { YamlProblems } from './yaml-problems.ts';
import { firstLine, report, summary } from './yaml-problems.ts';
import { strictness } from './yaml-strictness.ts';

/** How a file that a person writes is read. */
export interface YamlLimits {
  /** The code of every refusal: `CONFIG_INVALID`, `POLICY_INVALID`, … */
  readonly code: ErrorCode;
  readonly maxBytes: number;
  /** Deepest nesting of mappings and lists; 16 where it is not given. */
  readonly maxDepth?: number;
}

/**
 * Parses one YAML 1.2 document (core schema) for {@link YamlNode}'s strict accessors. Refuses what two
 * readers could take differently or what could hide a setting: duplicate keys, anchors, aliases, tags,
 * merge keys, directives, several documents, invalid UTF-8, and anything over the limits.
 *
 * The accessors do not throw: they collect `file:line: message`, and {@link YamlDocument.finish} turns
 * what was built into a result.
 */
export function readYaml(
  bytes: Uint8Array,
  file: string,
  limits: YamlLimits,
): Result<YamlDocument> {
  const bad = (message: string): Result<never> => refuse(limits.code, `${file}: ${message}`);
  if (bytes.byteLength > limits.maxBytes) {
    return bad(`expected at most ${limits.maxBytes} bytes, found ${bytes.byteLength}`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return bad('expected UTF-8, found invalid bytes');
  const lines = new LineCounter();
  const shared: YamlProblems = { file, lines, problems: [] };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      strict: true,
      // The library compares every key with every other; strictness() does it in linear time.
      uniqueKeys: false,
      resolveKnownTags: false,
      prettyErrors: false,
      lineCounter: lines,
    });
    // Nesting that exhausts the stack is over any limit of ours; the library reports or throws it.
    if (document.errors.some((error) => /call stack|stack overflow/i.test(error.message))) {
      return bad('expected fewer levels of nesting');
    }
    // One slip in a line makes the parser stumble over all that follow: the first one is the one to mend.
    const [slip] = document.errors;
    if (slip !== undefined) report(shared, slip.pos[0], described(slip));
    if (/^%/m.test(text.slice(0, document.range[0]))) {
      report(shared, 0, 'expected no YAML directive; remove the line that begins with %');
    }
    if (shared.problems.length === 0) strictness(document, shared, limits.maxDepth ?? 16);
  } catch (error) {
    if (error instanceof RangeError) return bad('expected fewer levels of nesting');
    throw error;
  }
  if (shared.problems.length > 0) return refuse(limits.code, summary(shared.problems));
  return ok(new YamlDocument(shared, limits.code, document.contents));
}

function described({ code, message }: YAMLParseError): string {
  return code === 'MULTIPLE_DOCS'
    ? 'expected one document, found multiple documents; write each into a file of its own, without ---'
    : `${firstLine(message)}; look at the indentation and the quotes around this line`;
}
