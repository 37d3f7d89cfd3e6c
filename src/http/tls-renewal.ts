import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse, unwrap } from '../lib/result.ts';
import { watchFiles } from '../lib/watch-files.ts';
import type { TlsMaterial } from './listener.ts';
import type { AutoTls, AutoTlsOptions } from './tls.ts';
import { autoTls } from './tls.ts';

/** TLS material that is kept up to date. */
export interface LiveTls<T extends TlsMaterial = TlsMaterial> {
  /** What to show at the start. */
  readonly material: T;
  /** Looks now; resolves when a change has been told. */
  refresh(): Promise<void>;
  close(): void;
}

/** Who is told of changes: what to show from now on, or why the old material stays. */
export interface TlsListener {
  changed(material: TlsMaterial): void;
  problem(message: string): void;
}

/** Longest certificate chain file. */
const CHAIN_BYTES = 256 * 1024;
const RENEWAL_CHECK_MS = 6 * 60 * 60 * 1000;

/** Reads a certificate chain and its private key (PEM); refuses a pair that does not fit or could not be served. */
export async function loadCertificate(files: {
  readonly cert: string;
  readonly key: string;
}): Promise<Result<TlsMaterial>> {
  const cert = await readBoundedFile(files.cert, CHAIN_BYTES, 'CONFIG_INVALID');
  if (!cert.ok) return cert;
  const key = await readBoundedFile(files.key, LIMITS.keyFileBytes, 'CONFIG_INVALID');
  if (!key.ok) return key;
  if ((key.value.mode & 0o007) !== 0) {
    return refuse(
      'KEY_FILE_EXPOSED',
      `the private key file ${files.key} is open to everybody; run: chmod o-rwx '${files.key}' (in Kubernetes: defaultMode: 0440)`,
    );
  }
  const material = {
    cert: cert.value.bytes.toString('utf8'),
    key: key.value.bytes.toString('utf8'),
  };
  try {
    const fits = new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key));
    if (!fits) {
      return refuse(
        'CONFIG_INVALID',
        `expected the key of the first certificate in ${files.cert}, found another one in ${files.key}`,
      );
    }
    createSecureContext(material);
  } catch (error) {
    return refuse(
      'CONFIG_INVALID',
      `expected a PEM certificate in ${files.cert} and its unencrypted key in ${files.key}, found something else (${messageOf(error)})`,
    );
  }
  return ok(material);
}

/**
 * Loads a certificate and its key and looks every second whether the files changed. A broken or half
 * written edit changes nothing but is told; the last good pair stays. Throws where the first load fails.
 */
export async function watchCertificate(
  files: { readonly cert: string; readonly key: string },
  listener: TlsListener,
  intervalMs?: number,
): Promise<LiveTls> {
  const material = unwrap(await loadCertificate(files));
  let shown: TlsMaterial = material;
  const reload = async (): Promise<void> => {
    const next = await loadCertificate(files);
    if (!next.ok) {
      listener.problem(next.refusal.message);
      return;
    }
    if (next.value.cert === shown.cert && next.value.key === shown.key) return;
    shown = next.value;
    listener.changed(shown);
  };
  const watch = await watchFiles([files.cert, files.key], reload, intervalMs);
  return { material, refresh: () => watch.refresh(), close: () => watch.close() };
}

/** As {@link autoTls}, and renews the certificate while the service runs. Throws where the first one cannot be made. */
export async function keepAutoTls(
  options: AutoTlsOptions,
  listener: TlsListener,
): Promise<LiveTls<AutoTls>> {
  const material = await autoTls(options);
  let shown = material.cert;
  const refresh = async (): Promise<void> => {
    try {
      const next = await autoTls(options);
      if (next.cert === shown) return;
      shown = next.cert;
      listener.changed(next);
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error;
      listener.problem(error.message);
    }
  };
  const timer = setInterval(() => void refresh(), RENEWAL_CHECK_MS);
  timer.unref();
  return { material, refresh, close: () => clearInterval(timer) };
}
