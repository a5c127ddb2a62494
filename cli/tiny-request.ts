/**
 * Does this backend answer? One request of a few tokens over the gateway's own connections, path and credential.
 *
 * A chat of one word; where the model takes no chats, an embedding of one word.
 */
import { keyIn } from "../proxy/authorization/authorization.ts";
import type { Authorizations } from "../proxy/authorization/authorizations.ts";
import { dialectOf } from "../proxy/dialects/dialects.ts";
import { operationNamed } from "../proxy/dialects/operations.ts";
import type { Connections } from "../proxy/upstream/connections.ts";
import { type AnswerLimits, type WholeAnswer, wholeAnswer } from "../proxy/upstream/whole-answer.ts";
import type { Candidate } from "../routing/choose.ts";
import { type Credentials, withoutSecret } from "../routing/secrets.ts";

/** What one request is at most, in tokens: the prompt with what the provider wraps around it, and the answer. */
export const INPUT_TOKENS = 12;
export const OUTPUT_TOKENS = 16;

export interface Line {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly authorizations: Authorizations;
}

const LIMITS: AnswerLimits = { timeout: 30_000, bytes: 1024 * 1024 };

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
export async function ask(line: Line, candidate: Candidate): Promise<WholeAnswer> {
  let first: WholeAnswer | undefined;
  for (const { operation, body } of TRIES) {
    const answer = await send(line, candidate, operation, body);
    if (answer.status === 200) return answer;
    first ??= answer;
    if (!NEXT_TRY_AFTER.has(answer.status)) break;
  }
  return first ?? failed("nothing was tried");
}

async function send(line: Line, candidate: Candidate, name: string, body: object): Promise<WholeAnswer> {
  const { provider, model, upstreamModel: upstream } = candidate;
  const operation = operationNamed("POST", name);
  const path = operation && dialectOf(provider).path(provider, { operation, path: name, query: "", model, upstream });
  if (path === undefined) return failed(`its form of the API has no ${name}`);
  const authorization = line.authorizations.of(provider, line.credentials);
  if (!authorization.header) await authorization.pending;
  const { header } = authorization;
  if (!header) return failed(authorization.problem);
  const host = new URL(provider.endpoint).host;
  const answer = await wholeAnswer(
    line.connections.dispatcherFor(provider, line.credentials),
    {
      path,
      method: "POST",
      headers: { "content-type": "application/json", host, [header[0]]: header[1] },
      body: JSON.stringify({ model: upstream, ...body }),
    },
    LIMITS,
  );
  // A provider may repeat what it was sent: its key must not get onto the terminal.
  return { ...answer, body: Buffer.from(withoutSecret(answer.body.toString("utf8"), keyIn(header))) };
}

function failed(failure: string): WholeAnswer {
  return { status: 0, headers: {}, body: Buffer.alloc(0), took: 0, failure };
}
