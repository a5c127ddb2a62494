/**
 * What happens between the provider's 101 and the end of a realtime session?
 *
 * Two sockets, joined: frames pass both ways, and the end of one becomes the end of the other with the same code. A
 * connection that breaks, falls silent or outlives its time ends the session with a code and a reason: never as if all
 * had been well.
 */
import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import type { RealtimeRecord } from "../exchange.ts";
import { ABNORMAL, closeLike, FAILED, GOING_AWAY, NOT_ALLOWED, SERVICE_RESTART, TOO_BIG } from "./close-codes.ts";
import { errorEvent, type Judge, toProvider } from "./frames.ts";
import type { RealtimeLimits } from "./limits.ts";
import { Pump } from "./pump.ts";
import type { Naming } from "./session-models.ts";
import type { Tally } from "./tally.ts";

const REVOKED = "the key that opened this session is not one of this gateway's any more";
const DRAINING = "service restart: the gateway is going away, connect again";

export interface SessionOptions {
  readonly client: WebSocket;
  /** Open, and paused. */
  readonly provider: WebSocket;
  readonly naming: Omit<Naming, "echoed" | "transcribesOnly">;
  readonly tally: Tally;
  readonly limits: RealtimeLimits;
  /** Of the caller's frames; absent: nothing but models is looked at. */
  readonly judge?: Judge | undefined;
}

type Side = "client" | "provider";
type End = Pick<RealtimeRecord, "closeCode" | "closedBy" | "reason">;

export class RealtimeSession {
  /** Resolves when both sockets are closed. */
  readonly ended: Promise<RealtimeRecord>;
  readonly #client: WebSocket;
  readonly #provider: WebSocket;
  readonly #options: SessionOptions;
  readonly #up: Pump;
  readonly #down: Pump;
  readonly #heardAt: Record<Side, number>;
  readonly #timers: NodeJS.Timeout[] = [];
  #end: End | undefined;
  #isRetiring = false;
  #mayEnd = false;

  constructor(options: SessionOptions) {
    const { client, provider, limits, tally } = options;
    this.#options = options;
    this.#client = client;
    this.#provider = provider;
    this.#heardAt = { client: performance.now(), provider: performance.now() };
    this.#up = new Pump(client, provider, limits.waitingBytes, (frame) => this.#toProvider(frame));
    this.#down = new Pump(provider, client, limits.waitingBytes, (frame) => {
      tally.see(frame);
      if (this.#isRetiring) setImmediate(() => this.#endIfIdle());
      return frame;
    });
    const closed = [this.#watch("client", client, provider), this.#watch("provider", provider, client)];
    this.#timers.push(setInterval(() => this.#ping(), limits.pingEvery));
    this.#timers.push(setTimeout(() => this.#expire(), limits.session));
    this.ended = Promise.all(closed).then(() => this.#record());
    provider.resume();
  }

  /** Lets a response in progress end, then closes: the client finds another gateway. */
  retire(): void {
    this.#isRetiring = true;
    const grace = setTimeout(() => {
      this.#mayEnd = true;
      this.#endIfIdle();
    }, this.#options.limits.drainGrace);
    this.#timers.push(grace);
  }

  /** Its caller may not use the gateway any more. */
  revoke(): void {
    this.refuse(REVOKED);
  }

  /** Closes whatever is in progress. */
  close(): void {
    this.#close(SERVICE_RESTART, DRAINING);
  }

  /** What goes on may go on no longer, for a reason that is the caller's to know. */
  refuse(reason: string): void {
    this.#close(NOT_ALLOWED, reason);
  }

  /** Breaks both connections. */
  terminate(): void {
    this.#client.terminate();
    this.#provider.terminate();
  }

  #toProvider(frame: Buffer): Buffer | undefined {
    const { naming, tally, judge } = this.#options;
    const passed = toProvider(
      frame,
      () => ({ ...naming, transcribesOnly: tally.isTranscription, echoed: tally.model }),
      judge,
    );
    if (Buffer.isBuffer(passed)) return passed;
    this.#up.reply(errorEvent(passed, `event_${randomUUID()}`));
    return undefined;
  }

  #endIfIdle(): void {
    if (this.#mayEnd && this.#options.tally.active === 0) this.close();
  }

  #watch(side: Side, socket: WebSocket, other: WebSocket): Promise<void> {
    const hear = () => {
      this.#heardAt[side] = performance.now();
    };
    for (const event of ["message", "ping", "pong"] as const) socket.on(event, hear);
    // What a socket refuses by itself it closes by itself; the other side is told by `close`.
    let failure: NodeJS.ErrnoException | undefined;
    socket.on("error", (error) => {
      failure = error;
      this.#onBroken(side, other, failure);
    });
    return new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        if (code === ABNORMAL) this.#onBroken(side, other, failure);
        else this.#onClosed(side, other, code, reason);
        resolve();
      });
    });
  }

  #onClosed(side: Side, other: WebSocket, code: number, reason: Buffer): void {
    if (this.#end) return;
    this.#finish({ closeCode: code, closedBy: side, reason: undefined });
    closeLike(other, code, reason);
  }

  /** Without a close frame, or with frames that are none. */
  #onBroken(side: Side, other: WebSocket, failure: NodeJS.ErrnoException | undefined): void {
    if (this.#end) return;
    const isTooBig = failure?.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    const who = side === "client" ? "the caller's" : "the provider's";
    const what = isTooBig ? `${who} frame is larger than the gateway's limit` : `${who} connection broke`;
    this.#finish({ closeCode: isTooBig ? TOO_BIG : ABNORMAL, closedBy: side, reason: failure?.code ?? "broken" });
    if (side === "client") other.close(GOING_AWAY, what);
    else other.close(FAILED, what);
  }

  /** Closes both sides from here. */
  #close(code: number, reason: string): void {
    if (this.#end) return;
    this.#finish({ closeCode: code, closedBy: "gateway", reason });
    this.#client.close(code, reason);
    this.#provider.close(GOING_AWAY);
  }

  /** The first end is the one that is told; whoever does not answer it in time is cut off. */
  #finish(end: End): void {
    this.#end = end;
    for (const timer of this.#timers) clearTimeout(timer);
    // What is paused would never hear the answer to its close.
    this.#client.resume();
    this.#provider.resume();
    const cutOff = setTimeout(() => this.terminate(), this.#options.limits.closing);
    void this.ended.then(() => clearTimeout(cutOff));
  }

  #ping(): void {
    const { pingEvery } = this.#options.limits;
    const silentSince = performance.now() - 2 * pingEvery;
    // Who is not read on purpose cannot be heard.
    if (!this.#up.isHeld && this.#heardAt.client < silentSince) this.#break("client", "the caller fell silent");
    else if (!this.#down.isHeld && this.#heardAt.provider < silentSince) {
      this.#break("provider", "the provider fell silent");
    } else for (const socket of [this.#client, this.#provider]) socket.ping();
  }

  #break(side: Side, what: string): void {
    const [silent, other] = side === "client" ? [this.#client, this.#provider] : [this.#provider, this.#client];
    this.#finish({ closeCode: ABNORMAL, closedBy: side, reason: what });
    silent.terminate();
    other.close(side === "client" ? GOING_AWAY : FAILED, what);
  }

  #expire(): void {
    this.#close(GOING_AWAY, "the session has lasted as long as the gateway lets one last");
  }

  #record(): RealtimeRecord {
    const { tally } = this.#options;
    return {
      closeCode: this.#end?.closeCode ?? ABNORMAL,
      closedBy: this.#end?.closedBy ?? "gateway",
      reason: this.#end?.reason,
      framesIn: this.#up.frames,
      framesOut: this.#down.frames,
      bytesIn: this.#up.bytes,
      bytesOut: this.#down.bytes,
      sessionID: tally.sessionID,
      responses: tally.responses,
      unfinished: tally.active,
      errors: tally.errors,
      firstTokenMs: tally.firstTokenMs,
      transcribed: tally.transcribed,
    };
  }
}
