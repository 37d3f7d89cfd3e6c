import { CountersignError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import { archiveLayout, openArchive } from './archive.ts';
import { openDockerArchive } from './docker-archive.ts';
import type { EngineAddress } from '../engine.ts';
import { openDockerDaemon } from './docker-daemon.ts';
import { folderLayout } from './folder.ts';
import { openLayout } from './layout.ts';
import type { ImageSource } from './source.ts';

/** The kinds of source, as they are written. */
export const SOURCE_FORMS = [
  'oci:DIR[:TAG]',
  'oci-archive:FILE[:TAG]',
  'docker-archive:FILE[:NAME]',
  'docker-daemon:NAME',
] as const;

/**
 * Opens an image source as people write it (skopeo's spelling). Throws USAGE for an unknown form and
 * SOURCE_INVALID for what cannot be read or is damaged. Whoever opens it closes it.
 */
export async function openSource(
  text: string,
  options: { readonly daemon?: EngineAddress; readonly signal?: AbortSignal } = {},
): Promise<ImageSource> {
  const { daemon = {}, signal } = options;
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  if (rest === '') throw unknown(text);
  switch (kind) {
    case 'oci': {
      const { path, name } = split(rest);
      return openLayout(folderLayout(path), name);
    }
    case 'oci-archive': {
      const { path, name } = split(rest);
      const archive = await openArchive(path, signal);
      try {
        return await openLayout(archiveLayout(archive), name);
      } catch (error) {
        await archive.close();
        throw error;
      }
    }
    case 'docker-archive': {
      const { path, name } = split(rest);
      return openDockerArchive(await openArchive(path, signal), name);
    }
    case 'docker-daemon':
      return openDockerDaemon(rest, daemon, signal);
    default:
      throw unknown(text);
  }
}

/** `PATH[:NAME]`: the path ends at the first colon, as in skopeo. */
function split(rest: string): { readonly path: string; readonly name: string | undefined } {
  const colon = rest.indexOf(':');
  if (colon < 0) return { path: rest, name: undefined };
  return { path: rest.slice(0, colon), name: rest.slice(colon + 1) || undefined };
}

function unknown(text: string): CountersignError {
  return new CountersignError(
    'USAGE',
    `expected a source like ${SOURCE_FORMS.join(', ')}; found ${quote(text, 120)}`,
  );
}
