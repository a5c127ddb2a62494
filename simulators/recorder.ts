/** What did callers send to the simulator, and how did it end? */

import { createHash, hash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** One request, as it is kept while it runs. */
export interface RequestEntry {
  readonly id: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  bodyBytes: number;
  bodySha256?: string;
  body?: string;
  operation?: string;
  model?: string;
  deployment?: string;
  status?: number;
  fault?: string;
  /** Events of the stream that were written. */
  events: number;
  /** The caller went away before the answer was whole. */
  aborted: boolean;
  /** Milliseconds from arrival to the end of the answer, or of the connection. */
  tookMs?: number;
}

const SECRET_HEADERS = new Set(["authorization", "api-key", "cookie", "proxy-authorization", "sec-websocket-protocol"]);
const SHOWN_HASH_LENGTH = 16;

export class Recorder {
  readonly #kept: RequestEntry[] = [];
  readonly #keep: number;
  readonly #keepBodyBytes: number;
  #total = 0;

  constructor(keep: number, keepBodyBytes: number) {
    this.#keep = keep;
    this.#keepBodyBytes = keepBodyBytes;
  }

  /** Requests since the start or the last reset, kept or not. */
  get total(): number {
    return this.#total;
  }

  /** Keeps a request that begins now, and how it ends. `startedAt`: of `performance.now()`. */
  begin(request: IncomingMessage, response: ServerResponse, id: string, startedAt: number): RequestEntry {
    const { method = "", url = "", rawHeaders } = request;
    const entry: RequestEntry = {
      ...{ id, at: Date.now(), method, url, rawHeaders },
      ...{ bodyBytes: 0, events: 0, aborted: false },
    };
    this.add(entry);
    response.once("close", () => {
      if (entry.tookMs === undefined && !response.writableFinished) entry.aborted = true;
      entry.tookMs ??= performance.now() - startedAt;
    });
    return entry;
  }

  add(entry: RequestEntry): void {
    this.#total += 1;
    if (this.#keep === 0) return;
    if (this.#kept.length >= this.#keep) this.#kept.shift();
    this.#kept.push(entry);
  }

  addBody(entry: RequestEntry, body: Buffer): void {
    entry.bodyBytes = body.length;
    if (this.#keep === 0) return;
    entry.bodySha256 = hash("sha256", body, "hex");
    if (this.#keepBodyBytes > 0) entry.body = body.toString("utf8", 0, Math.min(body.length, this.#keepBodyBytes));
  }

  /** Newest last, credentials hashed. */
  list(last = this.#keep): readonly object[] {
    return this.#kept.slice(-last).map(({ rawHeaders, ...entry }) => ({ ...entry, headers: shownHeaders(rawHeaders) }));
  }

  reset(): void {
    this.#kept.length = 0;
    this.#total = 0;
  }
}

/** Equal secrets show equally, none can be read. */
export function secretHash(value: string): string {
  return `sha256:${createHash("sha256").update(value).digest("hex").slice(0, SHOWN_HASH_LENGTH)}`;
}

function shownHeaders(raw: readonly string[]): Record<string, string> {
  const shown: Record<string, string> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    const value = raw[at + 1] as string;
    const text = SECRET_HEADERS.has(name) ? secretHash(value) : value;
    shown[name] = name in shown ? `${shown[name]}, ${text}` : text;
  }
  return shown;
}
