/**
 * How can long work stop in the middle, when nothing here knows a clock?
 *
 * It yields between small pieces. Who drives it decides whether to go on at once or to let others have a turn.
 */

/** The result comes at the end. */
export type Pieces<T> = Generator<undefined, T, undefined>;

/** Objects handled between two yields: well under a millisecond. */
export const PIECE = 500;

export function atOnce<T>(work: Pieces<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
