import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import type { LogName } from '../store/store.ts';

/** What is asked at the moment of a scrape. */
export interface MetricSources {
  /** How many pushes wait for a signature. */
  holdsWaiting(): number | Promise<number>;
  /** How many events each log of the record holds. */
  events(): Promise<Readonly<Record<LogName, number>>>;
  /** When the root certificates of trusted repositories end: the first, and how many within each bound. */
  rootCertificates(): Promise<{
    readonly earliest: Date | null;
    readonly within: Readonly<Record<string, number>>;
  }>;
}

/** Adds what is asked anew at each scrape. A source that cannot say fails its own figure and no other. */
export function registerScraped(register: Registry, sources: MetricSources): void {
  register.registerMetric(
    new Gauge({
      name: 'countersign_holds_waiting',
      help: 'Pushes that wait for a signature; NaN where the store could not say.',
      registers: [],
      async collect() {
        // The other figures matter most when the store is down.
        this.set((await ask(() => sources.holdsWaiting())) ?? Number.NaN);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_record_events',
      help: 'Events in each log of the record.',
      labelNames: ['log'] as const,
      registers: [],
      async collect() {
        const counts = await ask(() => sources.events());
        for (const [log, count] of Object.entries(counts ?? {})) this.set({ log }, count);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_root_certificate_expiry_seconds',
      help: 'When the first root certificate of a repository ends, in seconds since the epoch; NaN where there is none, or the store could not say.',
      registers: [],
      async collect() {
        const earliest = (await ask(() => sources.rootCertificates()))?.earliest ?? null;
        this.set(earliest === null ? Number.NaN : Math.floor(earliest.getTime() / 1000));
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_root_certificates_ending',
      help: 'Repositories whose root certificate ends within the bound; after its end nobody can use or mend them.',
      labelNames: ['within'] as const,
      registers: [],
      async collect() {
        const roots = await ask(() => sources.rootCertificates());
        for (const [within, count] of Object.entries(roots?.within ?? {}))
          this.set({ within }, count);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of the process.',
      registers: [],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    }),
  );
}

async function ask<T>(source: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await source();
  } catch {
    return undefined;
  }
}
