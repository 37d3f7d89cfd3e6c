/** Gives the present time. Passed in wherever time matters, so that tests decide what it is. */
export type Clock = () => Date;

/** The machine's clock. */
export const systemClock: Clock = () => new Date();

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration such as `30s`, `24h`, `90d` or `0s` into milliseconds; `undefined` for anything
 * else (no sign, no fraction, no compound form).
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** Reads `2026-12-31` (the end of that day, UTC) or an RFC 3339 instant; `undefined` for anything else. */
export function parseInstant(text: string): Date | undefined {
  const day = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text);
  const instant =
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/.test(text);
  if (!day && !instant) return undefined;
  const date = new Date(day ? `${text}T23:59:59.999Z` : text);
  if (Number.isNaN(date.getTime())) return undefined;
  // Date rolls 2026-02-31 over into March: a day that does not exist is not a date.
  if (day && date.toISOString().slice(0, 10) !== text) return undefined;
  return date;
}
