import { join } from 'node:path';
import type { ClientName } from './clients.ts';
import type { DockerHome } from './docker-home.ts';
import { dockerHome } from './docker-home.ts';
import type { DockerRegistry } from './docker-registry.ts';
import { startDockerRegistry } from './docker-registry.ts';
import type { Dockerd, ImageStore } from './dockerd.ts';
import { startDockerd } from './dockerd.ts';
import type { Scope } from './scope.ts';
import type { TrustServer, TrustServerKind } from './trust-server.ts';
import { startTrustServer } from './trust-server.ts';
import type { TrustWire } from './trust-wire.ts';
import { startTrustWire } from './trust-wire.ts';

/** A registry, a trust server that signs for it behind a wire that a test reads and changes, and an engine. */
export interface TrustStage {
  readonly server: TrustServer;
  readonly wire: TrustWire;
  readonly registry: DockerRegistry;
  readonly engine: Dockerd;
  /** `REGISTRY/name`: what an image is called, and its repository's GUN. */
  at(name: string): string;
  /** Another person's docker, which asks the wire. */
  home(name: string, client: ClientName, options?: { readonly server?: string }): DockerHome;
}

/** An engine and a registry, for the stages of all servers of a suite. */
export type TrustGround = Pick<TrustStage, 'registry' | 'engine'>;

/** Starts engine and registry. */
export async function startTrustGround(
  scope: Scope,
  store: ImageStore = 'graph',
): Promise<TrustGround> {
  const [engine, registry] = await Promise.all([
    startDockerd(join(scope.folder(), 'engine'), { store }),
    startDockerRegistry(join(scope.folder(), 'registry')),
  ]);
  return { engine: scope.own(engine), registry: scope.own(registry) };
}

/** Starts a trust server of the kind beside them; its name below the suite's folder is `name`. */
export async function startTrustStage(
  scope: Scope,
  kind: TrustServerKind,
  { registry, engine }: TrustGround,
  name: string = kind,
): Promise<TrustStage> {
  const folder = join(scope.folder(), name);
  const server = scope.own(
    await startTrustServer(folder, kind, { registry: registry.host, upstream: registry.url }),
  );
  const wire = scope.own(await startTrustWire(server.authority, () => server.url));
  return {
    server,
    wire,
    registry,
    engine,
    at: (path) => `${registry.host}/${path}`,
    home: (person, client, options = {}) =>
      dockerHome(join(folder, 'homes', person), {
        engine: engine.address,
        client,
        server: options.server ?? wire.url,
      }),
  };
}

/** Starts a trust server of the kind that clients find at the registry's own host; returns that host. */
export async function startSameOrigin(
  scope: Scope,
  kind: TrustServerKind,
  { registry }: TrustGround,
  folder: string,
): Promise<string> {
  const server = scope.own(await startTrustServer(join(folder, kind), kind, {}));
  if (kind === 'countersign') return server.host;
  const route = (path: string): string => (path.includes('/_trust/') ? server.url : registry.url);
  return scope.own(await startTrustWire(server.authority, route)).host;
}
