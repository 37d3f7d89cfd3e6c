import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service } from '../../src/app.ts';
import { startService } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { generateKey } from '../../src/keys/generate.ts';
import type { Signer } from '../../src/keys/key.ts';
import { publicKeyPem } from '../../src/keys/public-key.ts';
import { fileSigner } from '../../src/keys/signers/file.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import { createRegistryClient } from '../../src/oci/client.ts';

const POLICIES = `version: 1
authorities:
  - name: release-bot
    keys: [release-bot.pub]
policies:
  - name: production
    images: ["\${registry}/prod/**"]
    push: reject
    require: [{ signatures: { by: [release-bot] } }]
  - name: staging
    images: ["\${registry}/staging/**"]
    push: hold
    require: [{ signatures: { by: [release-bot] } }]
`;

/** A throw-away service with two policies and one key. */
export interface Stage {
  readonly host: string;
  readonly signer: Signer;
  readonly client: RegistryClient;
  /** Stops the service and removes all its files. */
  close(): Promise<void>;
}

/** Starts the real service on a free loopback port, in a folder of its own. */
export async function openStage(version: string): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
  let service: Service | undefined;
  try {
    const signer = fileSigner(await generateKey('ed25519'));
    const policies = join(folder, 'policies');
    await mkdir(policies);
    await writeFile(join(policies, 'release-bot.pub'), publicKeyPem(signer.publicKey));
    await writeFile(join(policies, 'demo.yaml'), POLICIES);
    const flags = { listen: '127.0.0.1:0', data: join(folder, 'data'), policies };
    // The demo shows itself, whatever the shell that runs it has set.
    const config = unwrap(await loadConfig({ flags, env: {}, cwd: folder }));
    service = await startService(config, { log: silentLogger, version });
    const host = service.hosts[0] ?? '';
    const client = createRegistryClient({ host });
    const running = service;
    return {
      host,
      signer,
      client,
      async close() {
        await client.close();
        await running.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await service?.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
