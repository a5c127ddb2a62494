/** How is something done to many, a few at a time? */

/** Rejects with the first failure, when those begun have ended; no more are begun after it. */
export async function inParallel<T>(
  most: number,
  items: readonly T[],
  action: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const work = async () => {
    for (const item of rest) {
      if (failure !== undefined) return;
      try {
        await action(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work));
  if (failure !== undefined) throw failure.error;
}
