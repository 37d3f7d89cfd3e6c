import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CountersignError, messageOf } from '../../lib/errors.ts';
import type { EngineAddress } from '../engine.ts';
import { connectEngine, engineMessage } from '../engine.ts';
import { parseReference } from '../reference.ts';
import { printable } from '../refusal.ts';
import type { Archive } from './archive.ts';
import { openArchive } from './archive.ts';
import { openDockerArchive } from './docker-archive.ts';
import type { ImageSource } from './source.ts';
import { invalidSource } from './source.ts';

/**
 * Exports an image from a Docker Engine (Engine API, `GET /images/{name}/get`) and opens it as a
 * docker archive. Throws SOURCE_INVALID where the engine cannot be reached or has no such image.
 */
export async function openDockerDaemon(
  name: string,
  address: EngineAddress,
  signal?: AbortSignal,
): Promise<ImageSource> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-daemon-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'image.tar');
    await save(name, address, file, signal);
    const archive = await openArchive(file, signal);
    const owned: Archive = {
      ...archive,
      async close() {
        await archive.close();
        await remove();
      },
    };
    // Asked for by name, the export holds that image alone; asked for by id, it has no name.
    return await openDockerArchive(owned, undefined);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function save(
  name: string,
  address: EngineAddress,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  // An image's name or id, and nothing that the engine would read as another path.
  if (!parseReference(name).ok)
    throw invalidSource(`expected the name of an image, found ${printable(name)}`);
  const { client, where } = await connectEngine(address);
  try {
    const answer = await client.request({
      method: 'GET',
      path: `/images/${name}/get`,
      signal: signal ?? null,
    });
    if (answer.statusCode !== 200) {
      const said = await engineMessage(answer.body);
      throw invalidSource(
        `the docker engine does not give ${name}: ${said ?? `status ${answer.statusCode}`}`,
      );
    }
    await pipeline(answer.body, createWriteStream(file));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CountersignError) throw error;
    throw invalidSource(`cannot ask the docker engine at ${where}: ${messageOf(error)}`, error);
  } finally {
    await client.destroy();
  }
}
