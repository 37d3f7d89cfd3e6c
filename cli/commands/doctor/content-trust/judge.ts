import { WITHOUT_TRUST } from '../../../docker-cli.ts';
import type { DockerCli } from '../../../docker-cli.ts';
import type { Check } from '../check.ts';
import { check } from '../check.ts';
import type { TrustSetting } from './settings.ts';
import { switchesOn } from './settings.ts';
import { ignoringTools, namedDockers } from './tools.ts';

/** When Docker's own trust server ends (Docker, "Retiring Docker Content Trust"). */
const HUB_ENDS = '2026-12-08';

const IN_FRONT =
  'put Countersign in front of the registry, which refuses what is not signed to every client, and pull by its name';
const PLUGIN = 'countersign docker install brings docker trust back';

/** Judges a setting that a docker of this machine would read. */
export function judgeHost(
  subject: string,
  setting: TrustSetting,
  docker: DockerCli | null,
  today: string,
): Check | null {
  if (setting.name === 'DOCKER_CONTENT_TRUST_SERVER') return judgeServer(subject, setting, today);
  if (!switchesOn(setting)) return null;
  if (docker === null) {
    return check(
      'unknown',
      subject,
      'DOCKER_CONTENT_TRUST is set, and no docker is on PATH that could be asked for its version',
      `Docker ${WITHOUT_TRUST} and later ignore it: ${IN_FRONT}`,
    );
  }
  return docker.major >= WITHOUT_TRUST || docker.major === 0
    ? check(
        'open',
        subject,
        `DOCKER_CONTENT_TRUST is set, and Docker ${docker.version} ignores it: unsigned images are pulled without a word`,
        `${IN_FRONT}; ${PLUGIN}`,
      )
    : check(
        'note',
        subject,
        `DOCKER_CONTENT_TRUST is set, and Docker ${docker.version} heeds it; Docker ${WITHOUT_TRUST} will not`,
        `before docker is upgraded: ${IN_FRONT}`,
      );
}

/** Judges a setting of a service: content trust is the client's, and no daemon ever heeded it. */
export function judgeService(
  subject: string,
  setting: TrustSetting,
  service: string,
  today: string,
): Check | null {
  if (setting.name === 'DOCKER_CONTENT_TRUST_SERVER') return judgeServer(subject, setting, today);
  if (!switchesOn(setting)) return null;
  return check(
    'open',
    subject,
    `DOCKER_CONTENT_TRUST is set for ${service}, which never heeded it: it is the docker command's`,
    IN_FRONT,
  );
}

/** Judges what a file of a project sets, by what else stands in the file. */
export function judgeFile(
  subject: string,
  text: string,
  settings: readonly TrustSetting[],
  today: string,
): readonly Check[] {
  const on = settings.find(switchesOn);
  const out = settings
    .filter(({ name }) => name === 'DOCKER_CONTENT_TRUST_SERVER')
    .map((setting) => judgeServer(`${subject}:${setting.line}`, setting, today));
  const newest = namedDockers(text).at(-1);
  if (on !== undefined) out.push(judgeUse(`${subject}:${on.line}`, text, newest));
  const signing = lineOf(text, /\bdocker\s+trust\s+(?:sign|revoke|inspect|key|signer)\b/);
  if (signing !== null && newest !== undefined && newest >= WITHOUT_TRUST) {
    out.push(
      check(
        'open',
        `${subject}:${signing}`,
        `docker trust is run by a Docker ${WITHOUT_TRUST} or later, which has it no more`,
        `${PLUGIN}; or sign with countersign sign`,
      ),
    );
  }
  return out;
}

function judgeUse(subject: string, text: string, newest: number | undefined): Check {
  const tools = ignoringTools(text);
  if (newest !== undefined && newest >= WITHOUT_TRUST) {
    return check(
      'open',
      subject,
      `DOCKER_CONTENT_TRUST is set for a Docker ${WITHOUT_TRUST} or later, which ignores it`,
      `${IN_FRONT}; ${PLUGIN}`,
    );
  }
  if (tools.length > 0) {
    const named = tools.map(({ tool, line }) => `${tool} (line ${line})`).join(', ');
    return check('open', subject, `DOCKER_CONTENT_TRUST is set, and ignored by ${named}`, IN_FRONT);
  }
  return newest === undefined
    ? check(
        'unknown',
        subject,
        `DOCKER_CONTENT_TRUST is set; whether it does anything depends on the docker of who runs this: ${WITHOUT_TRUST} and later ignore it`,
        IN_FRONT,
      )
    : check(
        'note',
        subject,
        `DOCKER_CONTENT_TRUST is set, and the Docker ${newest} that is named here heeds it; Docker ${WITHOUT_TRUST} will not`,
        `before it is upgraded: ${IN_FRONT}`,
      );
}

/** Docker's own server ends; another one is worth knowing. */
function judgeServer(subject: string, { value }: TrustSetting, today: string): Check {
  if (!/(?:^|\/\/|\.)notary\.docker\.io\b/.test(value)) {
    // A login or a token has no business there, and none in a report.
    const shown = value.replace(/\?.*$/, '?…').replace(/^.*@/, '…@');
    return check('note', subject, `DOCKER_CONTENT_TRUST_SERVER is ${shown}`);
  }
  const when = today < HUB_ENDS ? `is shut down on ${HUB_ENDS}` : `was shut down on ${HUB_ENDS}`;
  return check(
    'open',
    subject,
    `DOCKER_CONTENT_TRUST_SERVER is notary.docker.io, which ${when}`,
    'point it to a Countersign, which is a trust server too, and sign there',
  );
}

function lineOf(text: string, pattern: RegExp): number | null {
  const at = text.split(/\r?\n/).findIndex((line) => pattern.test(line) && !/^\s*#/.test(line));
  return at < 0 ? null : at + 1;
}
