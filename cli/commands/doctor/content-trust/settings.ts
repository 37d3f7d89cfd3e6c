/** A variable of docker's content trust that a file or an environment sets. */
export interface TrustSetting {
  readonly name: 'DOCKER_CONTENT_TRUST' | 'DOCKER_CONTENT_TRUST_SERVER';
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

// As shells, systemd, Makefiles, Jenkins, YAML, Dockerfiles and fish write it.
const SETTING =
  /\b(DOCKER_CONTENT_TRUST(?:_SERVER)?)\b["']?(?:\s*[:?+]?=\s*|\s*:\s+|\s+)["']?([^\s"',;}\])]+)/g;
const SPACED = /(?:^\s*ENV\s+|\bset\s+-\S+\s+)$/i;
const COMMENT = /^\s*(?:#|\/\/|;)/;
const NAMED = /\bname:\s*["']?(DOCKER_CONTENT_TRUST(?:_SERVER)?)["']?\s*$/;
// At most some blanks, with one way to match them: a line of a megabyte of them is somebody's trap.
const VALUE = /^\s{0,200}(?:-\s{0,200})?value:\s*["']?([^\s"']+)/;

/** As much of what stands before as the words take: a line of a megabyte is not read again for each match. */
const before = (line: string, at: number): string =>
  at > 200 ? `…${line.slice(at - 200, at)}` : line.slice(0, at);

/** Finds what a text sets, in comments nothing; one setting a line. */
export function trustSettings(text: string): readonly TrustSetting[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, at): readonly TrustSetting[] => {
    if (COMMENT.test(line)) return [];
    // Kubernetes and Azure write the name and the value on lines of their own.
    const named = NAMED.exec(line)?.[1];
    const below = named === undefined ? null : VALUE.exec(lines[at + 1] ?? '');
    if (named !== undefined && below !== null) return [settingOf(named, below[1], at + 1)];
    for (const match of line.matchAll(SETTING)) {
      const [whole, name, value] = match;
      const assigned = /DOCKER_CONTENT_TRUST(?:_SERVER)?["']?\s*[:?+=]/.test(whole);
      if (assigned || SPACED.test(before(line, match.index))) {
        return [settingOf(name ?? '', value, at + 1)];
      }
    }
    return [];
  });
}

function settingOf(name: string, value: string | undefined, line: number): TrustSetting {
  return {
    name: name.endsWith('_SERVER') ? 'DOCKER_CONTENT_TRUST_SERVER' : 'DOCKER_CONTENT_TRUST',
    value: value ?? '',
    line,
  };
}

/** What the environment of a process sets. */
export function settingsOfEnvironment(env: NodeJS.ProcessEnv): readonly TrustSetting[] {
  const names = ['DOCKER_CONTENT_TRUST', 'DOCKER_CONTENT_TRUST_SERVER'] as const;
  return names.flatMap((name) => {
    const value = env[name] ?? '';
    return value === '' ? [] : [{ name, value, line: 0 }];
  });
}

const OFF = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False', '']);

/** True where docker took content trust for switched on: by anything but a false (dct-protocol 5.1). */
export function switchesOn({ name, value }: TrustSetting): boolean {
  return name === 'DOCKER_CONTENT_TRUST' && !OFF.has(value);
}
