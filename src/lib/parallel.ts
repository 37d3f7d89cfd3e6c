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
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await call(items[index] as T, index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
