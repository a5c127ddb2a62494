/** How much may a realtime session take? Documented in docs/realtime.md. */

export interface RealtimeLimits {
  /** Largest frame in bytes, either way. OpenAI takes 15 MiB of audio in one event, which base64 makes 20 MiB. */
  readonly frameBytes: number;
  /** Bytes that wait for a slow reader before the other side is read no further. One frame may come on top. */
  readonly waitingBytes: number;
  /** Milliseconds between pings; a side of which nothing is heard for two of them is gone. */
  readonly pingEvery: number;
  /** Longest session in milliseconds. The providers end theirs after 30 to 60 minutes. */
  readonly session: number;
  /** Milliseconds for the other side to answer a close before its connection is broken. */
  readonly closing: number;
  /** Milliseconds that a session without a response in progress goes on when the gateway drains. */
  readonly drainGrace: number;
}

export const REALTIME_LIMITS: RealtimeLimits = {
  frameBytes: 32 * 1024 ** 2,
  waitingBytes: 1024 ** 2,
  pingEvery: 30_000,
  session: 2 * 60 * 60_000,
  closing: 5_000,
  drainGrace: 1_000,
};
