/**
 * How is a provider's socket opened?
 *
 * One attempt, over the same way as piped requests: `--connect-to`, egress guard, the provider's CA, forward proxy. It
 * settles as an open socket that is not read yet, or as a failure that the walk judges.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { targetOf } from "../piped-request.ts";
import {
  bodyOf,
  brokenBy,
  failure,
  noteAnswer,
  onConnected,
  type ProviderRequest,
  refusedBy,
} from "./provider-request.ts";
import type { Tried } from "./walk.ts";

export interface Dial extends ProviderRequest {
  readonly frameBytes: number;
}

export function dial(dialled: Dial): Promise<Tried<WebSocket>> {
  const { way, gone } = dialled;
  if (way.refused) return Promise.resolve({ ok: false, failure: failure("connect_error", way.refused.message) });
  if (gone.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => new Dialling(dialled, resolve));
}

class Dialling {
  readonly #dial: Dial;
  readonly #socket: WebSocket;
  readonly #settle: (tried: Tried<WebSocket>) => void;
  readonly #onGone = () => this.#end(undefined);
  #timer: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isSettled = false;

  constructor(dialled: Dial, settle: (tried: Tried<WebSocket>) => void) {
    this.#dial = dialled;
    this.#settle = settle;
    const { way, path, headers, frameBytes, gone, target } = dialled;
    const url = targetOf(way.origin, path);
    url.protocol = way.origin.protocol === "https:" ? "wss:" : "ws:";
    const { connect } = target.provider.timeouts;
    this.#expireAfter("connect", connect);
    this.#socket = new WebSocket(url, {
      agent: way.agent,
      headers,
      perMessageDeflate: false,
      maxPayload: frameBytes,
      followRedirects: false,
      finishRequest: (request) => this.#onRequest(request as unknown as ClientRequest),
    });
    this.#socket.on("upgrade", (answer) => noteAnswer(dialled.record, answer));
    this.#socket.on("unexpected-response", (_request, answer) => void this.#refuse(answer));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("open", () => {
      // Nothing is read before somebody listens.
      this.#socket.pause();
      this.#end({ ok: true, value: this.#socket });
    });
    gone.addEventListener("abort", this.#onGone);
  }

  #onRequest(request: ClientRequest): void {
    onConnected(request, () => {
      this.#isConnected = true;
      this.#expireAfter("firstByte", this.#dial.target.firstByteTimeout);
    });
    request.end();
  }

  async #refuse(answer: IncomingMessage): Promise<void> {
    const { record } = this.#dial;
    noteAnswer(record, answer);
    const body = await bodyOf(answer);
    this.#end({ ok: false, failure: refusedBy(answer, body, this.#dial) });
  }

  #fail(error: NodeJS.ErrnoException): void {
    // ws says in words what is wrong with a 101.
    const isHandshake = this.#dial.record.status !== undefined;
    const what = isHandshake
      ? failure("malformed", `is no WebSocket's: ${error.message}`)
      : brokenBy(error, this.#dial.target, this.#isConnected);
    this.#end({ ok: false, failure: what });
  }

  #expireAfter(name: "connect" | "firstByte", milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#end({ ok: false, failure: failure("timeout", `timeouts.${name} of ${milliseconds} ms passed`) });
    }, milliseconds);
  }

  #end(tried: Tried<WebSocket>): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#dial.gone.removeEventListener("abort", this.#onGone);
    if (!tried?.ok) this.#socket.terminate();
    this.#settle(tried);
  }
}
