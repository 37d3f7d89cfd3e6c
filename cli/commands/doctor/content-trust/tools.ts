import { WITHOUT_TRUST } from '../../../docker-cli.ts';

/** A tool in a file that pulls or builds and knows nothing of content trust. */
export interface IgnoringTool {
  readonly tool: string;
  readonly line: number;
}

const TOOLS: readonly (readonly [pattern: RegExp, tool: string])[] = [
  [/\bdocker\/(?:build-push|bake)-action\b/, 'buildx'],
  [/\bdocker\s+buildx\b/, 'docker buildx'],
  [/\bdocker[\s-]compose\b/, 'docker compose'],
  [/\bkaniko\b/, 'kaniko'],
  [/(?:^|[\s;&|(`"'[])(podman|buildah|skopeo|nerdctl|crane|crictl|ctr)\s+(?:-|[a-z])/, ''],
];
const BUILD = /\bdocker\s+(?:image\s+)?build\b/;
const CLASSIC = /\bDOCKER_BUILDKIT\b["']?\s*[:=]\s*["']?(?:0|false)\b/;
const COMMENT = /^\s*(?:#|\/\/)/;

/**
 * What a CI file or script runs that ignores DOCKER_CONTENT_TRUST whatever docker's version is; the first
 * line of each. `docker build` is BuildKit, which does not check what it builds on, unless told otherwise.
 */
export function ignoringTools(text: string): readonly IgnoringTool[] {
  const classic = CLASSIC.test(text);
  const found = new Map<string, number>();
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (COMMENT.test(line)) continue;
    for (const [pattern, name] of TOOLS) {
      const match = pattern.exec(line);
      const tool = name === '' ? match?.[1] : name;
      if (match !== null && tool !== undefined && !found.has(tool)) found.set(tool, at + 1);
    }
    if (!classic && BUILD.test(line) && !found.has('docker build')) {
      found.set('docker build', at + 1);
    }
  }
  return [...found].map(([tool, line]) => ({ tool, line }));
}

// `docker:29-dind`, `docker:28.5.2-cli`; without a version it is the newest.
const IMAGE = /(?:^|[\s"'/=])docker(?::([\w.-]+))?["']?\s*$/;
const NAMES_IMAGE = /\b(?:image|name|FROM|container)\b\s*[:=]?\s*|^\s*-\s+/;

/** The generations of docker that a file names as an image, oldest first; the newest where no version is said. */
export function namedDockers(text: string): readonly number[] {
  const found = new Set<number>();
  for (const line of text.split(/\r?\n/)) {
    const match = COMMENT.test(line) || !NAMES_IMAGE.test(line) ? null : IMAGE.exec(line);
    if (match === null) continue;
    const [, tag] = match;
    // A service beside a job (`- docker:29-dind`) is the daemon, which never minded.
    const asService = tag === undefined || tag.includes('dind');
    if (asService && !/image|FROM/.test(line)) continue;
    const major = /^(\d{1,3})\b/.exec(tag ?? '')?.[1];
    found.add(major === undefined ? WITHOUT_TRUST : Number(major));
  }
  return [...found].toSorted((a, b) => a - b);
}
