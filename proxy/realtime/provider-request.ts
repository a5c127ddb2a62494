/**
 * What goes to a provider with every realtime request, and what is its answer, when it is no success?
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { keyIn } from "../authorization/authorization.ts";
import type { RequestContext } from "../context.ts";
import { readProviderError } from "../dialects/provider-error.ts";
import type { AttemptRecord } from "../exchange.ts";
import { requestHeaders } from "../headers.ts";
import type { Way } from "../passthrough-agents.ts";
import { idOf } from "../piped-errors.ts";
import type { Target } from "../snapshot.ts";
import type { Failure } from "../stages/settled.ts";
import { connectErrorOf } from "../upstream/connect-error.ts";
import type { EphemeralKey } from "./ephemeral.ts";

/** As much of an answer is read. */
export const ANSWER_BYTES = 1024 * 1024;

/** One attempt at a provider. */
export interface ProviderRequest {
  readonly target: Target;
  readonly record: AttemptRecord;
  readonly way: Way;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The secret in the headers, which must not come back. */
  readonly sentKey: string | undefined;
  /** The request names a thing at the provider. */
  readonly resource: boolean;
  /** The caller went away. */
  readonly gone: AbortSignal;
}

/** The caller's allowed headers, the provider's key in place of the caller's, trace context. */
export function headersTo(
  context: RequestContext,
  target: Target,
  record: AttemptRecord,
  ephemeral: EphemeralKey | undefined,
): Record<string, string> {
  const { request, exchange, services } = context;
  const headers = requestHeaders(request.headers, target.provider.type, exchange.id);
  headers.host = target.host;
  const { header } = target.authorization;
  if (ephemeral) headers.authorization = `Bearer ${ephemeral.secret}`;
  else if (header) headers[header[0]] = header[1];
  context.sentKey = ephemeral?.secret ?? keyIn(header);
  return Object.assign(headers, services.telemetry.tracing.startAttempt(exchange, record, target.provider));
}

/** Of a status that is not what was asked for. The body has been read. */
export function refusedBy(
  answer: IncomingMessage,
  body: Buffer,
  { sentKey, resource }: Pick<ProviderRequest, "sentKey" | "resource">,
): Failure {
  const status = answer.statusCode ?? 0;
  const { headers } = answer;
  if (status < 400)
    return { outcome: "malformed", detail: `has the status ${status}`, status, headers, error: undefined };
  const error = readProviderError(status, body, { key: sentKey, resource, coding: headers["content-encoding"] });
  const { outcome } = error.rule;
  return { outcome, detail: error.code ?? `HTTP ${status}`, status, headers, error, key: sentKey };
}

export function noteAnswer(record: AttemptRecord, answer: IncomingMessage): void {
  record.respondedAt = performance.now();
  record.status = answer.statusCode;
  record.providerRequestID = idOf(answer);
}

/** Before the provider's answer was whole. */
export function brokenBy(error: NodeJS.ErrnoException, target: Target, isConnected: boolean): Failure {
  if (!isConnected) {
    const { message } = connectErrorOf(error, { host: target.host, hostname: target.host });
    return failure("connect_error", message);
  }
  const code = error.code ?? error.name;
  return code.startsWith("HPE_") ? failure("malformed", "is not HTTP") : failure("reset", code);
}

export function failure(outcome: Failure["outcome"], detail: string): Failure {
  return { outcome, detail, status: undefined, headers: {}, error: undefined };
}

/** Calls back when the request's connection stands, with TLS where it has it: at once for one that is kept. */
export function onConnected(request: ClientRequest, connected: () => void): void {
  request.once("socket", (plain: Socket) => {
    const socket = plain as Socket & Partial<TLSSocket>;
    if (!socket.connecting) connected();
    else socket.once(socket.encrypted ? "secureConnect" : "connect", connected);
  });
}

/** The body; of one that is too long, a piece that is too long as well. Resolves at its end, however it ends. */
export function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    answer.on("data", (chunk: Buffer) => {
      if (size <= ANSWER_BYTES) chunks.push(chunk);
      size += chunk.length;
    });
    answer.on("error", () => undefined);
    answer.once("close", () => resolve(Buffer.concat(chunks)));
  });
}
