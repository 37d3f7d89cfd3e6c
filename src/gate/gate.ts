import { Mutex } from '../lib/single-flight.ts';
import { Pushers } from './access/pushers.ts';
import { Authoriser } from './authorise/authorise.ts';
import { Artifacts } from './content/artifacts.ts';
import { ManifestFetcher } from './content/fetch.ts';
import { Links } from './content/links.ts';
import { ManifestCache } from './content/manifests.ts';
import { TagResolver } from './content/resolve.ts';
import type { GatePorts } from './ports.ts';
import { Children } from './verdict/children.ts';
import { Evaluator } from './verdict/evaluate.ts';
import { HeldReading } from './verdict/held-reading.ts';
import { Recording } from './verdict/recording.ts';

/** The gate's parts, made once and handed to every request. */
export interface Gate {
  readonly ports: GatePorts;
  readonly authoriser: Authoriser;
  readonly tags: TagResolver;
  readonly manifests: ManifestCache;
  readonly fetcher: ManifestFetcher;
  readonly links: Links;
  readonly evaluator: Evaluator;
  readonly children: Children;
  readonly artifacts: Artifacts;
  readonly reading: HeldReading;
  readonly pushers: Pushers;
  readonly recording: Recording;
  /** Serialises everything that moves one tag: `<repository>\n<tag>`. */
  readonly tagLocks: Mutex;
}

/** Makes the gate over its ports; nothing runs until it is asked. */
export function createGate(ports: GatePorts): Gate {
  const manifests = new ManifestCache(ports.now);
  const artifacts = new Artifacts(ports.formats, ports.store);
  const links = new Links(ports.store);
  const evaluator = new Evaluator(ports, (repository, digest) =>
    links.admitted(repository, digest),
  );
  const fetcher = new ManifestFetcher(manifests, links);
  const authoriser = new Authoriser(ports);
  return {
    ports,
    authoriser,
    tags: new TagResolver(ports.now, (...answered) => authoriser.note(...answered)),
    manifests,
    fetcher,
    links,
    evaluator,
    children: new Children(ports, artifacts, links, evaluator, fetcher),
    artifacts,
    reading: new HeldReading(ports, evaluator),
    pushers: new Pushers(ports.access, ports.now),
    recording: new Recording(ports.recorder, ports.counters),
    tagLocks: new Mutex(),
  };
}
