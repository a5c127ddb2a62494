/**
 * How do frames get from one socket to the other without piling up?
 *
 * Every frame goes on at once, in order. When more waits for a slow reader than may, its sender is not read any further
 * until half of that has gone: the sender's own TCP window then fills, and memory stays bounded.
 */
import type { RawData, WebSocket } from "ws";

export class Pump {
  frames = 0;
  bytes = 0;
  readonly #from: WebSocket;
  readonly #to: WebSocket;
  readonly #waitingBytes: number;
  #isHeld = false;
  #isUnheard = false;

  /** `pass` gives the frame as it goes on; undefined keeps it back. */
  constructor(from: WebSocket, to: WebSocket, waitingBytes: number, pass: (frame: Buffer) => Buffer | undefined) {
    this.#from = from;
    this.#to = to;
    this.#waitingBytes = waitingBytes;
    from.on("message", (data: RawData, isBinary: boolean) => {
      // `binaryType` is left at `nodebuffer`.
      const frame = data as Buffer;
      this.frames++;
      this.bytes += frame.length;
      const passed = pass(frame);
      if (passed) this.#send(passed, isBinary);
    });
  }

  /** Whether the sender is not read, since the reader is slow. Not told of a sender that does not read its answers. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Answers the sender itself, which is read no further either when it does not read what it is told. */
  reply(frame: string): void {
    const from = this.#from;
    if (from.readyState !== from.OPEN) return;
    from.send(frame, () => this.#onSent());
    if (from.bufferedAmount <= this.#waitingBytes) return;
    this.#isUnheard = true;
    from.pause();
  }

  #send(frame: Buffer, isBinary: boolean): void {
    const to = this.#to;
    if (to.readyState !== to.OPEN) return;
    to.send(frame, { binary: isBinary }, () => this.#onSent());
    if (this.#isHeld || to.bufferedAmount <= this.#waitingBytes) return;
    this.#isHeld = true;
    this.#from.pause();
  }

  #onSent(): void {
    if (!this.#isHeld && !this.#isUnheard) return;
    const few = this.#waitingBytes / 2;
    if (this.#to.bufferedAmount <= few) this.#isHeld = false;
    if (this.#from.bufferedAmount <= few) this.#isUnheard = false;
    if (!this.#isHeld && !this.#isUnheard) this.#from.resume();
  }
}
