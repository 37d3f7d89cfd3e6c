import type { Logger } from '../lib/logger.ts';
import type { Listener, TlsMaterial } from './listener.ts';
import { keepAutoTls, watchCertificate } from './tls-renewal.ts';

/** How the service is to speak TLS, as the configuration says. */
export interface ServiceTlsOptions {
  readonly setting: 'auto' | 'off' | { readonly cert: string; readonly key: string };
  readonly dataDir: string;
  /** All names and aliases of the registries. */
  readonly hosts: readonly string[];
  readonly log: Logger;
  /** Told of every reload: taken, or refused with the last good pair kept. */
  readonly onReload: (ok: boolean) => void;
}

/** The certificate that the service shows, kept up with its files. */
export interface ServiceTls {
  readonly material: TlsMaterial;
  /** The certificate of the service's own authority; `null` where the operator brings the pair. */
  readonly caFile: string | null;
  /** Shows every later certificate on the listener. */
  follow(listener: Listener): void;
  close(): void;
}

/** Opens the service's certificate; `null` for plain HTTP. Throws CONFIG_INVALID where the files do not serve. */
export async function openServiceTls(options: ServiceTlsOptions): Promise<ServiceTls | null> {
  const { setting, dataDir, hosts, log, onReload } = options;
  if (setting === 'off') return null;
  let shown: Listener | undefined;
  const told = {
    changed(material: TlsMaterial): void {
      shown?.setTls(material);
      onReload(true);
      log.info({}, 'certificate reloaded');
    },
    problem(message: string): void {
      onReload(false);
      log.error({ problem: message }, 'certificate not reloaded; the last good one stays');
    },
  };
  const follow = (listener: Listener): void => {
    shown = listener;
  };
  if (setting !== 'auto') {
    const live = await watchCertificate(setting, told);
    return { material: live.material, caFile: null, follow, close: () => live.close() };
  }
  const live = await keepAutoTls({ dataDir, hosts }, told);
  const { material } = live;
  return { material, caFile: material.caFile, follow, close: () => live.close() };
}
