import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientSession, Moved } from '../gate-client.ts';
import type { TestImage } from '../image.ts';
import { contentImage, writeOciLayout } from '../image.ts';

// What the clients share that push an OCI layout byte for byte: skopeo, crane, oras and ctr.

/** The layouts of one client, each under the name that it was pushed as. */
export interface Layouts {
  /** Writes a layout anew for the image, with the tag `image` or another; returns its folder. */
  write(reference: string, image: TestImage, tag?: string): string;
  /** As `write`, for an image of one file that holds `content`. */
  writeContent(reference: string, content: string): string;
  /** Where the layout of that name was written. */
  at(reference: string): string;
}

/** Layouts under a folder. */
export function layouts(folder: string): Layouts {
  const at = (reference: string): string =>
    join(folder, 'layouts', reference.replaceAll(/[^a-z0-9]/g, '-'));
  const write: Layouts['write'] = (reference, image, tag = 'image') => {
    const layout = at(reference);
    rmSync(layout, { recursive: true, force: true });
    mkdirSync(layout, { recursive: true });
    writeOciLayout(layout, image, tag);
    return layout;
  };
  return {
    at,
    write,
    writeContent: (reference, content) => write(reference, contentImage(content)),
  };
}

/** The pushes of a client that needs no more than a layout and where it goes. */
export function layoutPushes(
  made: Layouts,
  push: (layout: string, reference: string) => Promise<Moved>,
): Pick<ClientSession, 'push' | 'pushAgain' | 'pushIndex'> {
  return {
    push: (reference, content) => push(made.writeContent(reference, content), reference),
    pushAgain: (from, to) => push(made.at(from), to),
    pushIndex: (reference, index) => push(made.write(reference, index), reference),
  };
}
