import type { Context } from '../../commands.ts';

/** Runs `master-key generate`. Throws KEY_EXISTS where the file is there, and as the disk does. */
export async function runGenerate(context: Context, file: string): Promise<void> {
  const { generateMasterKey } = await import('../../../src/notary/master-key.ts');
  const key = await generateMasterKey(file);
  context
    .output()
    .result({ file, id: key.id }, `Wrote master key ${key.id.slice(0, 12)} to ${file}`);
}
