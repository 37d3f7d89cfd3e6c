import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { makeCertificate } from '../../src/http/certificate.ts';

/** A certificate with its private key, both PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A throw-away authority, and what it signed for `localhost` and `127.0.0.1`. */
export interface TestAuthority {
  readonly ca: string;
  readonly server: CertificateFiles;
  readonly client: CertificateFiles;
}

const NAMES = ['localhost', '127.0.0.1'];

/** Makes an authority with two certificates, valid for a day where `server` does not say otherwise. */
export function makeAuthority(
  server: { readonly names?: readonly string[]; readonly notAfter?: Date } = {},
): TestAuthority {
  const validity = {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    names: server.names ?? NAMES,
  };
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: 'test authority', key: ca.privateKey };
  const issue = (subject: string, notAfter = validity.notAfter): CertificateFiles => {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { publicKey } = keys;
    return {
      cert: makeCertificate({ ...validity, notAfter, subject, publicKey, issuer, use: 'server' }),
      key: pem(keys.privateKey),
    };
  };
  return {
    ca: makeCertificate({
      ...validity,
      subject: issuer.name,
      publicKey: ca.publicKey,
      issuer,
      use: 'authority',
    }),
    server: issue('localhost', server.notAfter),
    client: issue('client'),
  };
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
