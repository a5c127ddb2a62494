/**
 * How long does a piece of work take this thread, whatever else the machine does?
 *
 * By the clock, work that waits for a core while other test files run would look like slow work.
 */

/** Milliseconds of CPU. */
export function ownTime(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
