import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describe as describeCheck } from '../../cli/commands/doctor/show.ts';
import { examineProject } from '../../cli/commands/doctor/content-trust/project.ts';
import { describeSignedMap } from '../../cli/commands/inspect/show.ts';
import { display, displayJson, oneLine } from '../../cli/display.ts';
import { dockerPretty } from '../../cli/docker-trust/report.ts';
import { suiteScope } from '../support/scope.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/;
// oxlint-disable-next-line no-control-regex -- our own colours
const COLOURS = /\u001b\[3[129]m/g;
const EVIL = '\u001b]0;owned\u0007\u001b[2J\u009b1A1.0\n    good  sha256:00  alice';

describe('what comes from outside cannot command a terminal', () => {
  const scope = suiteScope();

  it('in any text, and our own colours stay', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(display(text).replaceAll(COLOURS, '')).not.toMatch(OBEYED);
        expect(oneLine(text)).not.toContain('\n');
        expect(JSON.parse(displayJson(JSON.stringify(text)))).toBe(text);
      }),
    );
    expect(display('\u001b[31mred\u001b[39m\tand\n')).toBe('\u001b[31mred\u001b[39m\tand\n');
    // Black on black, and a mark that turns the direction.
    expect(display('\u001b[30mhidden\u061c')).toBe('\ufffd[30mhidden\ufffd');
    expect(oneLine('\u001b[31mred')).toBe('\ufffd[31mred');
    expect(displayJson(JSON.stringify('\u009b2J'))).toBe('"\\u009b2J"');
  });

  it('as a tag of the signed map: it is one line, and no other tag’s', () => {
    const tags = [{ tag: EVIL, digest: 'ab', signers: [] }];
    const report = { tags, signers: [], rootKeys: [], repositoryKeys: [] };
    for (const text of [describeSignedMap(report), dockerPretty('host/app', report)]) {
      expect(display(text)).not.toMatch(OBEYED);
      expect(text.split('\n').filter((line) => line.trim().startsWith('good'))).toEqual([]);
    }
  });

  it('as a file of a project that doctor looks through', async () => {
    const folder = join(scope.folder(), 'project');
    mkdirSync(folder);
    const name = 'ok\u001b[2J\nok       everything: fine\n.sh';
    writeFileSync(join(folder, name), 'export DOCKER_CONTENT_TRUST_SERVER=https://x/\u001b[2J\n');
    const [found] = await examineProject(folder, '2026-11-22');
    const text = found === undefined ? '' : display(describeCheck(found));
    expect(text).toContain('DOCKER_CONTENT_TRUST_SERVER is https://x/');
    expect(text).not.toMatch(OBEYED);
    expect(text.split('\n')).toHaveLength(1);
  });

  it('T-78: nor is a login told that stands in a trust server’s address', async () => {
    const folder = join(scope.folder(), 'login');
    mkdirSync(folder);
    const line = 'export DOCKER_CONTENT_TRUST_SERVER=https://robot:hunter2@trust.example.com\n';
    writeFileSync(join(folder, 'ci.sh'), line);
    const [found] = await examineProject(folder, '2026-11-22');
    expect(found?.found).toBe('DOCKER_CONTENT_TRUST_SERVER is …@trust.example.com');
    const more =
      'DOCKER_CONTENT_TRUST_SERVER=https://robot:hun@ter2@trust.example.com/?token=s3cret@x\n';
    writeFileSync(join(folder, 'ci.sh'), more);
    const [again] = await examineProject(folder, '2026-11-22');
    expect(again?.found).toBe('DOCKER_CONTENT_TRUST_SERVER is …@trust.example.com/?…');
  });
});
