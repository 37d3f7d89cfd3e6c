import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readDockerVersion } from '../../../cli/docker-cli.ts';
import type { Site } from '../../support/countersign.ts';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';

describe('countersign docker', () => {
  const scope = suiteScope();
  let site: Site;
  let plugin = '';
  let made = 0;
  beforeEach(() => {
    made += 1;
    // A quote in the path: the launcher is a shell script.
    site = createSite(join(scope.folder(), `it's ${made}`));
    plugin = join(site.folder, 'docker-config', 'cli-plugins', 'docker-trust');
  });

  function put(text: string): void {
    mkdirSync(dirname(plugin), { recursive: true });
    writeFileSync(plugin, text);
    chmodSync(plugin, 0o755);
  }

  it('install puts a program where docker looks for plugins, which answers as docker asks', async () => {
    const ran = await site.cli(['docker', 'install']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain(`Installed ${plugin}\n`);
    expect(statSync(plugin).mode & 0o777).toBe(0o755);
    const said = execFileSync(plugin, ['docker-cli-plugin-metadata'], { encoding: 'utf8' });
    expect(JSON.parse(said)).toEqual({
      SchemaVersion: '0.1.0',
      Vendor: 'Countersign',
      Version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      ShortDescription: 'Manage trust on Docker images',
    });
  });

  it('install again changes nothing, and mends a launcher that names a Node of yesterday', async () => {
    await site.cli(['docker', 'install']);
    const text = readFileSync(plugin, 'utf8');
    const again = await site.cli(['--output', 'json', 'docker', 'install']);
    expect(JSON.parse(again.stdout)).toMatchObject({ path: plugin, changed: false });
    expect(readFileSync(plugin, 'utf8')).toBe(text);
    writeFileSync(plugin, text.replace(/^exec .*$/m, 'exec \'/gone/node\' "$@"'));
    const mended = await site.cli(['--output', 'json', 'docker', 'install']);
    expect(JSON.parse(mended.stdout)).toMatchObject({ changed: true });
    expect(readFileSync(plugin, 'utf8')).toBe(text);
  });

  it('a docker-trust of something else is replaced with --force only, and never removed', async () => {
    put('#!/bin/sh\necho another\n');
    const refused = await site.cli(['docker', 'install']);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('was not made by countersign; replace it with --force');
    expect((await site.cli(['docker', 'uninstall'])).code).toBe(2);
    expect(readFileSync(plugin, 'utf8')).toContain('echo another');
    expect((await site.cli(['docker', 'install', '--force'])).code).toBe(0);
    expect(readFileSync(plugin, 'utf8')).toContain('countersign docker uninstall');
  });

  it('uninstall takes it away; a second time there is nothing to do', async () => {
    await site.cli(['docker', 'install']);
    expect(await site.cli(['docker', 'uninstall'])).toMatchObject({
      code: 0,
      stdout: `Removed ${plugin}\n`,
    });
    expect(existsSync(plugin)).toBe(false);
    expect(await site.cli(['docker', 'uninstall'])).toMatchObject({
      code: 0,
      stdout: `There is no ${plugin}\n`,
    });
  });

  it('install writes to a folder for all users where it is told to', async () => {
    const folder = join(site.folder, 'lib', 'docker', 'cli-plugins');
    const ran = await site.cli(['--output', 'json', 'docker', 'install', '--dir', folder]);
    expect(JSON.parse(ran.stdout)).toMatchObject({ path: join(folder, 'docker-trust') });
    expect(existsSync(plugin)).toBe(false);
  });
});

describe('the version of docker', () => {
  it.each([
    // Without an engine `Server` is null; 29 tells the API versions besides.
    ['{"Client":{"Version":"29.1.3","ApiVersion":"1.52","Os":"linux"},"Server":null}', 29],
    ['{"Client":{"Version":"28.5.2+dfsg4"},"Server":{"Version":"20.10.24"}}', 28],
    ['{"Client":{"Version":"20.10.24+dfsg1"}}', 20],
    ['{"Client":{"Version":"dev"}}', 0],
  ])('%s is of generation %i', (text, major) => {
    expect(readDockerVersion(text)?.major).toBe(major);
  });

  it.each([
    '',
    'docker: command failed',
    '{"Client":{"Version":7}}',
    '{"Client":{"Version":"a b"}}',
  ])('is not known of %j', (text) => {
    expect(readDockerVersion(text)).toBeNull();
  });
});
