import type { AccessRule } from '../gate/access/access.ts';
import type { Endpoint } from '../gate/upstream/upstream.ts';
import type { TlsMaterial } from '../oci/tls.ts';

/** One registry that the service answers for. */
export interface RegistryConfig {
  /** The name that clients use, canonical: what policies and records call it. */
  readonly host: string;
  /** Other names of the same registry, canonical. */
  readonly aliases: readonly string[];
  /** Where the content is: in the service itself, or at an origin (scheme, host and port only). */
  readonly upstream: 'embedded' | URL;
  /** Certificates for upstream; an explicit authority is trusted instead of the usual ones. */
  readonly tls: TlsMaterial;
  /** What the gate itself authenticates to upstream with; `null`: the client's own are passed on. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** Token endpoint of a bearer-token upstream that the gate asks itself, or relays clients to. */
  readonly realm: Endpoint | null;
  /** Where upstream keeps blobs and redirects to: followed by the gate itself. */
  readonly storage: readonly Endpoint[];
}

/** How the listener speaks TLS: with its own authority, not at all, or with these files. */
export type TlsSetting = 'auto' | 'off' | { readonly cert: string; readonly key: string };

/** How the Notary v1 service keeps and makes its own keys. */
export interface NotaryConfig {
  /** The key that they are sealed under: as somebody wrote it in a variable, or the file that it is read from. */
  readonly masterKey:
    | { readonly text: string }
    /** `make`: one that is not there is made. */
    | { readonly file: string; readonly make: boolean };
  /** The type of keys that are made from now on. */
  readonly keyType: 'ecdsa-p256' | 'ed25519';
}

/** The whole configuration, checked, with defaults filled in and paths absolute. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: TlsSetting;
  /** Folder of everything the service keeps. */
  readonly data: string;
  /** The store's engine: `sqlite`. */
  readonly store: string;
  /** Folder of the policy files. */
  readonly policies: string;
  /** At least one; hosts and aliases never overlap. */
  readonly registries: readonly RegistryConfig[];
  readonly identities: { readonly htpasswd: string } | null;
  readonly access: readonly AccessRule[];
  readonly notary: NotaryConfig;
  /** What works but is probably not meant; for the log at start. */
  readonly warnings: readonly string[];
}

/** Options of `countersign serve`; each beats the variable and the file. */
export interface ServeFlags {
  readonly listen?: string;
  readonly upstream?: string;
  readonly data?: string;
  readonly policies?: string;
  /** `--http`: no TLS. */
  readonly http?: boolean;
}
