/**
 * What do counters of several processes add up to?
 *
 * Each process counts from 0 and only upwards, under a name of its own that is another after each start. The last word
 * of each is kept, of those that are gone too; the sum of them is the total. Kept in a status, this memory outlives the
 * operator, and nothing is counted twice: a counter that was seen before replaces itself.
 */

export type Counts<Name extends string> = Readonly<Record<Name, number>>;

/** The last word of one process. */
export type Share<Name extends string> = Counts<Name> & { readonly instance: string };

/** More processes than this are seldom seen in a day: then the oldest are kept as one. */
const MOST_SHARES = 64;
const EARLIER = "earlier";

/** What is known now. `told`: each process once. */
export function grown<Name extends string>(
  known: readonly Share<Name>[],
  told: readonly Share<Name>[],
  names: readonly Name[],
): readonly Share<Name>[] {
  const shares = new Map(known.map((share) => [share.instance, share]));
  for (const share of told) {
    const before = shares.get(share.instance);
    // Put at the end: who speaks is younger than who is silent.
    shares.delete(share.instance);
    shares.set(share.instance, before ? combined(share.instance, before, share, names, Math.max) : share);
  }
  const all = [...shares.values()];
  if (all.length <= MOST_SHARES) return all;
  const [first, second, ...rest] = all.splice(0, all.length - MOST_SHARES + 1);
  if (!first || !second) return all;
  const sum = (a: number, b: number) => a + b;
  let earlier = combined(EARLIER, first, second, names, sum);
  for (const share of rest) earlier = combined(EARLIER, earlier, share, names, sum);
  return [earlier, ...all];
}

export function totalOf<Name extends string>(shares: readonly Share<Name>[], names: readonly Name[]): Counts<Name> {
  const sums = names.map((name) => [name, shares.reduce((sum, share) => sum + share[name], 0)]);
  return Object.fromEntries(sums) as Counts<Name>;
}

function combined<Name extends string>(
  instance: string,
  a: Counts<Name>,
  b: Counts<Name>,
  names: readonly Name[],
  how: (a: number, b: number) => number,
): Share<Name> {
  const counts = Object.fromEntries(names.map((name) => [name, how(a[name], b[name])])) as Counts<Name>;
  return { ...counts, instance };
}
