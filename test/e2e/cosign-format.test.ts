import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyType, PublicKey } from '../../src/keys/key.ts';
import { parsePublicKey } from '../../src/keys/public-key.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import { createRegistryClient } from '../../src/oci/client.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { repositoryOf } from '../../src/oci/reference.ts';
import type { Finding } from '../../src/trust/format.ts';
import { FORMATS, formatByName } from '../../src/trust/formats.ts';
import type { SignedImage } from '../../src/trust/sign.ts';
import { signImage } from '../../src/trust/sign.ts';
import type { ClientName } from '../support/clients.ts';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, buildIndex, pushBlob, pushImage } from '../support/image.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import type { TestSigner } from '../support/signer.ts';
import { testSigner } from '../support/signer.ts';

const COSIGNS: readonly ClientName[] = ['cosign-2', 'cosign-3'];
// How each generation signs without a transparency log, in the classic format.
const SIGN: Readonly<Record<string, readonly string[]>> = {
  'cosign-2': ['--tlog-upload=false'],
  'cosign-3': ['--use-signing-config=false', '--tlog-upload=false', '--new-bundle-format=false'],
};
const words = (text: string): string[] => text.split(' ');
const signatureTag = (digest: Digest): string => `${digest.replace(':', '-')}.sig`;

describeWithClients(
  'classic cosign signatures, as cosign and skopeo see them',
  [...COSIGNS, 'skopeo-1.18', 'docker-registry'],
  () => {
    const scope = suiteScope();
    let url = '';
    let host = '';
    let client: RegistryClient;
    let serial = 0;

    beforeAll(async () => {
      const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      ({ url, host } = registry);
      client = createRegistryClient({ host });
    });
    afterAll(async () => client.close());

    /** A new image in a repository of its own, under tag `v1`. */
    async function push(
      image: TestImage = buildImage(),
    ): Promise<{ path: string; digest: Digest }> {
      const path = `app${serial++}`;
      return { path, digest: await pushImage(url, path, image, 'v1') };
    }

    const repository = (path: string): Repository => unwrap(repositoryOf(host, path));

    async function sign(
      path: string,
      digest: Digest,
      signer: TestSigner,
      more: { annotations?: Record<string, string>; recursive?: boolean } = {},
    ): Promise<readonly SignedImage[]> {
      return signImage({
        subject: { repository: repository(path), digest },
        tag: 'v1',
        signer,
        formats: FORMATS,
        annotations: {},
        sink: client.evidence(path),
        ...more,
      });
    }

    async function findings(
      path: string,
      digest: Digest,
      key: PublicKey,
    ): Promise<readonly Finding[]> {
      const subject = { repository: repository(path), digest };
      const authorities = [{ name: 'signer', keys: [key] }];
      const source = { ...client.evidence(path), trustData: async () => null };
      const found = formatByName('cosign')?.verify(subject, source, authorities);
      return (await found) ?? [];
    }

    function keyFile(signer: TestSigner): string {
      const file = join(scope.folder(), `${signer.publicKey.id}.pub`);
      writeFileSync(file, signer.publicPem);
      return file;
    }

    const home = (): Record<string, string> => ({ HOME: scope.folder(), COSIGN_PASSWORD: '' });

    async function cosign(name: ClientName, ...args: string[]): Promise<Ran> {
      return run(clientPath(name), args, { env: home() });
    }

    async function verifies(
      name: ClientName,
      signer: TestSigner,
      image: string,
      ...more: string[]
    ): Promise<boolean> {
      const key = ['--key', keyFile(signer), '--private-infrastructure'];
      const ran = await cosign(name, 'verify', ...key, ...more, `${host}/${image}`);
      return ran.code === 0;
    }

    /** Copies the image under a containers/image policy that asks for the key's signature. */
    async function skopeo(
      signer: TestSigner,
      image: string,
      how: { identity?: object; all?: boolean } = {},
    ): Promise<Ran> {
      const folder = join(scope.folder(), `skopeo${serial++}`);
      mkdirSync(folder);
      const requirement = {
        type: 'sigstoreSigned',
        keyPath: keyFile(signer),
        ...(how.identity === undefined ? {} : { signedIdentity: how.identity }),
      };
      const docker = { [host]: [requirement] };
      const policy = { default: [{ type: 'reject' }], transports: { docker } };
      writeFileSync(join(folder, 'policy.json'), JSON.stringify(policy));
      writeFileSync(join(folder, 'registry.yaml'), attachments());
      const options = `--policy ${folder}/policy.json --registries.d ${folder} --override-arch amd64 --override-os linux`;
      const copy = `copy --remove-signatures --src-tls-verify=false ${how.all === true ? '--all' : '--quiet'}`;
      const args = words(`${options} ${copy} docker://${host}/${image} dir:${folder}/out`);
      return run(clientPath('skopeo-1.18'), args, { env: home() });
    }

    const attachments = (): string => `docker:\n  "${host}":\n    use-sigstore-attachments: true\n`;

    it.each<KeyType>(['ecdsa-p256', 'ed25519', 'rsa', 'ecdsa-p384'])(
      'cosign 2, cosign 3 and skopeo accept what we sign with a key of type %s, and no other key',
      async (type) => {
        const { path, digest } = await push();
        const [signer, stranger] = [testSigner(type), testSigner(type)];
        await sign(path, digest, signer);
        // The positive control first: these clients do accept something.
        for (const name of COSIGNS) {
          expect(await verifies(name, signer, `${path}:v1`)).toBe(true);
          expect(await verifies(name, signer, `${path}@${digest}`)).toBe(true);
        }
        expect(await skopeo(signer, `${path}:v1`)).toMatchObject({ code: 0 });
        for (const name of COSIGNS) {
          expect(await verifies(name, stranger, `${path}:v1`)).toBe(false);
        }
        const refused = await skopeo(stranger, `${path}:v1`);
        expect(refused.code).not.toBe(0);
        expect(refused.output).toContain('signature verification failed');
      },
    );

    it('cosign accepts them without asking for a log, cosign 3 also when told the old format', async () => {
      const { path, digest } = await push();
      const signer = testSigner();
      await sign(path, digest, signer);
      const args = ['--key', keyFile(signer), '--insecure-ignore-tlog=true', `${host}/${path}:v1`];
      expect(await cosign('cosign-2', 'verify', ...args)).toMatchObject({ code: 0 });
      const classic = await cosign('cosign-3', 'verify', '--new-bundle-format=false', ...args);
      expect(classic).toMatchObject({ code: 0 });
    });

    it('cosign checks our annotations', async () => {
      const { path, digest } = await push();
      const signer = testSigner();
      await sign(path, digest, signer, { annotations: { build: '7', note: '<a&b>' } });
      for (const name of COSIGNS) {
        const check = async (...more: string[]): Promise<boolean> =>
          verifies(name, signer, `${path}:v1`, ...more);
        expect(await check('-a', 'build=7', '-a', 'note=<a&b>')).toBe(true);
        expect(await check('-a', 'build=8')).toBe(false);
      }
    });

    it('skopeo holds the signature to the tag that it names', async () => {
      const { path, digest } = await push();
      const signer = testSigner();
      await sign(path, digest, signer);
      await pushImage(url, path, buildImage(), 'v2');
      expect(await skopeo(signer, `${path}:v1`)).toMatchObject({ code: 0 });
      expect(await skopeo(signer, `${path}@${digest}`)).toMatchObject({ code: 0 });
      const other = await skopeo(signer, `${path}:v2`);
      expect(other.code).not.toBe(0);
      expect(other.output).toContain('v1');
      const anyTag = { identity: { type: 'matchRepository' } };
      expect(await skopeo(signer, `${path}:v2`, anyTag)).toMatchObject({ code: 0 });
    });

    it('cosign, skopeo and we refuse an edited payload, a flipped signature and one of another image', async () => {
      const one = await push();
      const two = await push(buildImage({ annotations: { other: 'image' } }));
      const signer = testSigner();
      await sign(one.path, one.digest, signer);
      const refusedByAll = async (image: typeof one): Promise<void> => {
        for (const name of COSIGNS) {
          expect(await verifies(name, signer, `${image.path}:v1`)).toBe(false);
        }
        expect(await skopeo(signer, `${image.path}:v1`)).not.toMatchObject({ code: 0 });
        const found = await findings(image.path, image.digest, signer.publicKey);
        expect(found.map((f) => f.status)).toEqual(['invalid']);
      };
      const put = async (image: typeof one, text: string): Promise<void> =>
        client.putManifest(
          image.path,
          signatureTag(image.digest),
          Buffer.from(text),
          MEDIA.ociManifest,
        );
      const stored = await client.manifest(one.path, signatureTag(one.digest));
      const text = Buffer.from(stored?.bytes ?? []).toString();
      const blob = async (
        member: 'config' | 'layers',
      ): Promise<{ digest: Digest; bytes: Buffer }> => {
        const digest = new RegExp(`"${member}":.*?"digest":"([^"]+)"`).exec(text)?.[1] as Digest;
        return { digest, bytes: Buffer.from((await client.blob(one.path, digest, 65_536)) ?? []) };
      };
      const [config, payload] = [await blob('config'), await blob('layers')];
      const signature = /cosign\/signature":"([^"]+)"/.exec(text)?.[1] ?? '';
      const flipped = Buffer.from(signature, 'base64');
      flipped[20] = (flipped[20] ?? 0) ^ 1;
      const edited = Buffer.from(payload.bytes.toString().replace(':v1', ':v9'));
      expect(await verifies('cosign-2', signer, `${one.path}:v1`)).toBe(true);
      await put(one, text.replace(payload.digest, await pushBlob(url, one.path, edited)));
      await refusedByAll(one);
      await put(one, text.replace(signature, flipped.toString('base64')));
      await refusedByAll(one);
      await pushBlob(url, two.path, payload.bytes);
      await pushBlob(url, two.path, config.bytes);
      await put(two, text);
      await refusedByAll(two);
    });

    it('an index is accepted whole and by platform', async () => {
      const index = buildIndex([buildImage(), buildImage({ annotations: { arch: 'arm64' } })]);
      const signer = testSigner();
      const whole = await push(index);
      expect(await sign(whole.path, whole.digest, signer)).toHaveLength(3);
      for (const name of COSIGNS) {
        expect(await verifies(name, signer, `${whole.path}:v1`)).toBe(true);
      }
      expect(await skopeo(signer, `${whole.path}:v1`)).toMatchObject({ code: 0 });
      expect(await skopeo(signer, `${whole.path}:v1`, { all: true })).toMatchObject({ code: 0 });
      // Signed alone, skopeo refuses: why signing is recursive.
      const alone = await push(index);
      await sign(alone.path, alone.digest, signer, { recursive: false });
      expect(await skopeo(signer, `${alone.path}:v1`)).not.toMatchObject({ code: 0 });
    });

    describe('signatures of others', () => {
      async function newKey(name: ClientName): Promise<{ file: string; key: PublicKey }> {
        const prefix = join(scope.folder(), `key${serial++}`);
        const args = ['generate-key-pair', `--output-key-prefix=${prefix}`];
        await mustRun(clientPath(name), args, { env: home() });
        return {
          file: `${prefix}.key`,
          key: unwrap(parsePublicKey(readFileSync(`${prefix}.pub`))),
        };
      }

      async function cosignSign(name: ClientName, file: string, image: string): Promise<void> {
        const args = ['sign', '--key', file, '-y', ...(SIGN[name] ?? []), '-a', 'build=7'];
        await mustRun(clientPath(name), [...args, `${host}/${image}`], { env: home() });
      }

      it.each(COSIGNS)(
        '%s: accepted, with its annotations, from its own key only',
        async (name) => {
          const { path, digest } = await push();
          const { file, key } = await newKey(name);
          await cosignSign(name, file, `${path}@${digest}`);
          expect(await findings(path, digest, key)).toMatchObject([
            {
              status: 'valid',
              authority: 'signer',
              signed: { repository: repository(path), tag: null },
              annotations: { build: '7' },
            },
          ]);
          const stranger = testSigner().publicKey;
          expect(await findings(path, digest, stranger)).toMatchObject([{ status: 'invalid' }]);
        },
      );

      it.each(COSIGNS)('%s: ours and its survive each other, its byte for byte', async (name) => {
        const { path, digest } = await push();
        const { file, key } = await newKey(name);
        const ours = testSigner();
        const layers = async (): Promise<string> => {
          const manifest = await client.manifest(path, signatureTag(digest));
          const text = Buffer.from(manifest?.bytes ?? []).toString();
          return /"layers":\[(.*?)\]/.exec(text)?.[1] ?? '';
        };
        await cosignSign(name, file, `${path}@${digest}`);
        const before = await layers();
        expect(before).toContain('cosign/signature');
        expect(await sign(path, digest, ours)).toMatchObject([{ written: true }]);
        expect((await layers()).startsWith(`${before},`)).toBe(true);
        await cosignSign(name, file, `${path}@${digest}`);
        expect(await sign(path, digest, ours)).toMatchObject([{ written: false }]);
        for (const one of [key, ours.publicKey]) {
          const found = await findings(path, digest, one);
          expect(found.some((f) => f.status === 'valid')).toBe(true);
        }
        for (const verifier of COSIGNS) {
          expect(await verifies(verifier, ours, `${path}:v1`)).toBe(true);
        }
      });

      it('skopeo: accepted, with the tag and the time that it names', async () => {
        const { path, digest } = await push();
        const { file, key } = await newKey('cosign-2');
        const folder = join(scope.folder(), `skopeo${serial++}`);
        mkdirSync(folder);
        writeFileSync(join(folder, 'registry.yaml'), attachments());
        writeFileSync(join(folder, 'passphrase'), '\n');
        const image = `docker://${host}/${path}:v1`;
        const signing = `--sign-by-sigstore-private-key ${file} --sign-passphrase-file ${folder}/passphrase`;
        const tls = '--src-tls-verify=false --dest-tls-verify=false';
        const args = words(
          `--insecure-policy --registries.d ${folder} copy --preserve-digests ${tls} ${signing} ${image} ${image}`,
        );
        await mustRun(clientPath('skopeo-1.18'), args, { env: home() });
        expect(await findings(path, digest, key)).toMatchObject([
          {
            status: 'valid',
            signed: { repository: repository(path), tag: 'v1' },
            signedAt: { trusted: false },
            annotations: {},
          },
        ]);
      });
    });
  },
);
