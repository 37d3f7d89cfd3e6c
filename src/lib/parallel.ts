/**
 * Maps items with at most `width` calls under way, keeping the order. Rejects with the first failure,
 * after which no further call is begun; calls under way are awaited, so that none outlives the result.
 */
export async function mapParallel<T, R>(
  items: readonly T[],
  width: number,
  call: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = Array.from({ length: items.length });
  await eachParallel(items.entries(), Math.min(width, items.length), async ([index, item]) => {
    results[index] = await call(item, index);
  });
  return results;
}

/**
 * As {@link mapParallel}, for what is not held in memory all at once and gives nothing back: an item
 * is taken when there is room for its call.
 */
export async function eachParallel<T>(
  items: Iterable<T>,
  width: number,
  call: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done === true) return;
      try {
        await call(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failures.length > 0) throw failures[0];
}
