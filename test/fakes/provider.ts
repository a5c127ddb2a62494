/** A provider that does exactly what a test says: raw enough for cuts, stalls and nonsense. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The gateway broke the connection before the answer was whole. */
  aborted: boolean;
}

export type Answer = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

export class FakeProvider {
  readonly seen: SeenRequest[] = [];
  answer: Answer;
  /** Of a GET; undefined: an empty list. */
  got: Answer | undefined;
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  constructor(answer: Answer = chatAnswer("fake")) {
    this.answer = answer;
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    after(() => this.close());
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Closes itself when the tests of the file have ended. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Requests but for health checks. */
  get calls(): readonly SeenRequest[] {
    return this.seen.filter((one) => one.method === "POST");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const { method = "", url = "", headers } = request;
    const seen: SeenRequest = { method, url, headers, body, aborted: false };
    response.on("close", () => {
      seen.aborted = !response.writableFinished;
    });
    this.seen.push(seen);
    if (method === "GET" && this.got) await this.got(response, seen);
    else if (method === "GET") response.writeHead(200, { "content-type": "application/json" }).end('{"data":[]}');
    else await this.answer(response, seen);
  }
}

export const USAGE = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };

export function chatAnswer(text: string, usage = USAGE): Answer {
  return json(200, {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "gpt-4o-2024-11-20",
    choices: [{ index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: "stop" }],
    usage,
  });
}

/** The same answer, later. */
export function delayed(milliseconds: number, answer: Answer): Answer {
  return async (response, request) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return answer(response, request);
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function errorAnswer(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return json(status, { error: { message: `it is ${code}`, type: "some_error", param: null, code } }, headers);
}

/** One event of a chat stream. */
export function event(delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

export const WHOLE_STREAM = [
  event({ role: "assistant", content: "" }),
  event({ content: "Hello" }),
  event({ content: " world" }),
  event({}, "stop"),
  "data: [DONE]\n\n",
];

/** Sends the parts, a moment apart, then does `after` (default: ends). */
export function stream(parts: readonly string[], after?: (response: ServerResponse) => void): Answer {
  return async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const part of parts) {
      response.write(part);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (after) after(response);
    else response.end();
  };
}

/** One answer after the other; the last one stays. */
export function inTurn(...answers: Answer[]): Answer {
  return (response, request) => {
    const answer = answers.length > 1 ? (answers.shift() as Answer) : (answers[0] as Answer);
    return answer(response, request);
  };
}
