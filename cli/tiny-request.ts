/**
 * Does this backend answer? One request of a few tokens over the gateway's own connections, path and credential.
 *
 * A chat of one word; where the model takes no chats, an embedding of one word.
 */
import { dialectOf } from "../proxy/dialects/dialects.ts";
import { operationNamed } from "../proxy/dialects/operations.ts";
import type { Connections, DispatchController, DispatchHandler } from "../proxy/upstream/connections.ts";
import { transportFailure } from "../proxy/upstream/failure.ts";
import type { Candidate } from "../routing/choose.ts";
import type { Credentials, Redacted } from "../routing/secrets.ts";

/** What one request is at most, in tokens: the prompt with what the provider wraps around it, and the answer. */
export const INPUT_TOKENS = 12;
export const OUTPUT_TOKENS = 16;

export interface Answer {
  /** 0: there was none, and `failure` says why. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** Milliseconds from the call to the answer's end. */
  readonly took: number;
  /** One clause. */
  readonly failure?: string;
}

export interface Line {
  readonly connections: Connections;
  readonly credentials: Credentials;
}

/** Milliseconds. */
const PATIENCE = 30_000;
const LARGEST_ANSWER_BYTES = 1024 * 1024;

const CHAT = { messages: [{ role: "user", content: "Say hi." }] };
/** Old models and api-versions know only max_tokens, reasoning models only the other; embedding models take no chats. */
const TRIES: readonly { readonly operation: string; readonly body: object }[] = [
  { operation: "chat/completions", body: { ...CHAT, max_completion_tokens: OUTPUT_TOKENS } },
  { operation: "chat/completions", body: { ...CHAT, max_tokens: OUTPUT_TOKENS } },
  { operation: "embeddings", body: { input: "hi" } },
];
/** What a wrong kind of request is answered with; nothing is billed for it. */
const NEXT_TRY_AFTER = new Set([400, 404]);

/** The first answer that is a success, else the first answer of all. */
export async function ask(line: Line, candidate: Candidate): Promise<Answer> {
  let first: Answer | undefined;
  for (const { operation, body } of TRIES) {
    const answer = await send(line, candidate, operation, body);
    if (answer.status === 200) return answer;
    first ??= answer;
    if (!NEXT_TRY_AFTER.has(answer.status)) break;
  }
  return first ?? failed("nothing was tried", 0);
}

function send(line: Line, candidate: Candidate, name: string, body: object): Promise<Answer> {
  const { provider, model, upstreamModel: upstream } = candidate;
  const dialect = dialectOf(provider);
  const operation = operationNamed("POST", name);
  const key = line.credentials.get(provider.auth.credential);
  const path = operation && dialect.path(provider, { operation, path: name, query: "", model, upstream });
  if (!key || path === undefined) return Promise.resolve(failed("its key is missing", 0));
  const [header, value] = dialect.auth(key);
  const host = new URL(provider.endpoint).host;
  const headers = { "content-type": "application/json", host, [header]: value };
  return new Promise((resolve) => {
    line.connections.dispatcherFor(provider, line.credentials).dispatch(
      { path, method: "POST", headers, body: JSON.stringify({ model: upstream, ...body }) },
      receive((answer) => resolve({ ...answer, body: without(key, answer.body) })),
    );
  });
}

/** A provider may repeat what it was sent: its key must not get onto the terminal. */
function without(key: Redacted, body: Buffer): Buffer {
  return Buffer.from(body.toString("utf8").replaceAll(key.reveal(), "[redacted]"));
}

/** Gathers one answer, within PATIENCE and LARGEST_ANSWER_BYTES. */
function receive(resolve: (answer: Answer) => void): DispatchHandler {
  const begun = performance.now();
  const chunks: Buffer[] = [];
  let bytes = 0;
  let controller: DispatchController | undefined;
  let head: Pick<Answer, "status" | "headers"> = { status: 0, headers: {} };
  const end = (answer: Answer) => {
    clearTimeout(timer);
    resolve(answer);
  };
  const giveUp = (why: string) => {
    end(failed(why, performance.now() - begun));
    controller?.abort(new Error(why));
  };
  const timer = setTimeout(() => giveUp(`no answer within ${PATIENCE / 1000} s`), PATIENCE);
  return {
    onRequestStart(started) {
      controller = started;
    },
    onResponseStart(_, status, headers) {
      head = { status, headers };
    },
    onResponseData(_, chunk) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > LARGEST_ANSWER_BYTES) giveUp(`the answer is larger than ${LARGEST_ANSWER_BYTES} bytes`);
    },
    onResponseEnd() {
      end({ ...head, body: Buffer.concat(chunks), took: performance.now() - begun });
    },
    onResponseError(_, error) {
      const { detail } = transportFailure(error, controller !== undefined);
      end(failed(detail, performance.now() - begun));
    },
  };
}

function failed(failure: string, took: number): Answer {
  return { status: 0, headers: {}, body: Buffer.alloc(0), took, failure };
}
