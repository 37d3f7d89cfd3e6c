import { packageVersion } from '../version.ts';

/** The word with which docker asks a program whether it is a plugin. */
export const METADATA_COMMAND = 'docker-cli-plugin-metadata';

/** What it expects for an answer (docker/cli, cli-plugins/metadata). */
export function metadata(): string {
  return `${JSON.stringify({
    SchemaVersion: '0.1.0',
    Vendor: 'Countersign',
    Version: packageVersion(),
    ShortDescription: 'Manage trust on Docker images',
  })}\n`;
}
