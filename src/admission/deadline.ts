import { mapParallel } from '../lib/parallel.ts';

/**
 * Asks about every item, at most `width` at a time, for `ms` milliseconds. What is not answered by
 * then is `late`; nothing further is begun after it. `ask` must not reject; what it has under way
 * goes on unheard, so that it warms the caches for the next try.
 */
export async function withinDeadline<T, R>(
  items: readonly T[],
  width: number,
  ms: number,
  ask: (item: T, expired: () => boolean) => Promise<R>,
): Promise<readonly (R | 'late')[]> {
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => {
      over = true;
      resolve('late');
    }, ms);
  });
  try {
    return await mapParallel(items, width, async (item): Promise<R | 'late'> =>
      over ? 'late' : Promise.race([ask(item, () => over), late]),
    );
  } finally {
    clearTimeout(timer);
  }
}
