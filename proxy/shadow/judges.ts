/**
 * Which of two answers does a route's judge find better?
 *
 * A webhook of the route's owner. It is not told whose an answer is: which stands first is drawn, and what the answers say
 * goes there without ids and names of models. Reached as providers are, through the egress guard. Whoever has a known
 * residency is not judged, since nobody knows where the judge is.
 */
import type { Credentials } from "../../routing/secrets.ts";
import type { Judge, RoutingTable } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import type { Judgement } from "../telemetry/shadow-counts.ts";
import { Connections, type ConnectionsOptions, type Endpoint } from "../upstream/connections.ts";
import { wholeAnswer } from "../upstream/whole-answer.ts";
import type { Said } from "./answer.ts";
import type { Answer } from "./compare.ts";

/** Of all routes: a pair that comes while so many are under way is not judged. */
const MOST_IN_FLIGHT = 4;
/** Of the request, and of each answer's texts. */
const LARGEST_BYTES = 64 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;
const LIMITS = { timeout: 10_000, bytes: 64 * 1024 };
/** What names the caller's users, and says nothing of the task. */
const PERSONAL = ["user", "metadata", "safety_identifier", "prompt_cache_key"];

/** What a judge may find. */
const VERDICTS = ["a", "b", "tie"] as const;

export class Judges {
  readonly #connections: Connections;
  readonly #endpoints = new Map<string, Endpoint>();
  #inFlight = 0;

  constructor(options: ConnectionsOptions) {
    this.#connections = new Connections(options);
  }

  /** Undefined: this pair was not drawn, or there is nothing in it to be judged. Never rejects. */
  async judge(context: RequestContext, live: Answer, copy: Answer): Promise<Judgement | undefined> {
    const judge = context.plan?.route.shadow?.judge;
    if (judge === undefined || !isAnswered(live) || !isAnswered(copy)) return undefined;
    if (Math.random() * 100 >= judge.percent) return undefined;
    if (context.caller.residency !== undefined) return "residency";
    if (this.#inFlight >= MOST_IN_FLIGHT) return "dropped";
    const isSwapped = Math.random() < 0.5;
    const answers = isSwapped
      ? { a: shown(copy.said), b: shown(live.said) }
      : { a: shown(live.said), b: shown(copy.said) };
    const question = questionOf(context, answers);
    if (question === undefined) return "dropped";
    this.#inFlight++;
    const verdict = await this.#ask(judge, context.snapshot.credentials, question);
    this.#inFlight--;
    if (verdict === undefined) return "failed";
    if (verdict === "tie") return "tie";
    return (verdict === "a") === isSwapped ? "win" : "loss";
  }

  async #ask({ url, credential }: Judge, credentials: Credentials, body: string) {
    const address = URL.parse(url);
    const token = credential === undefined ? undefined : credentials.get(credential);
    if (address === null || (credential !== undefined && token === undefined)) return undefined;
    const { origin, host, pathname } = address;
    const headers = {
      host,
      "content-type": "application/json",
      accept: "application/json",
      ...(token && { authorization: `Bearer ${token.reveal()}` }),
    };
    try {
      const dispatcher = this.#connections.dispatcherFor(this.#endpointOf(origin), credentials);
      const answer = await wholeAnswer(dispatcher, { method: "POST", path: pathname, headers, body }, LIMITS);
      if (answer.failure !== undefined || answer.status < 200 || answer.status > 299) return undefined;
      const { verdict } = JSON.parse(answer.body.toString()) as { verdict?: unknown };
      return VERDICTS.find((one) => one === verdict);
    } catch {
      // What it says instead may repeat what it was sent: nothing of it is told.
      return undefined;
    }
  }

  #endpointOf(origin: string): Endpoint {
    const known = this.#endpoints.get(origin);
    if (known) return known;
    const endpoint = { key: origin, endpoint: origin, timeouts: { connect: CONNECT_TIMEOUT_MS } };
    this.#endpoints.set(origin, endpoint);
    return endpoint;
  }

  /** Connections to judges that no route names any more are closed. */
  sweep({ routes }: RoutingTable): void {
    if (this.#endpoints.size === 0) return;
    const named = new Set(routes.flatMap(({ shadow }) => (shadow?.judge ? [URL.parse(shadow.judge.url)?.origin] : [])));
    for (const origin of this.#endpoints.keys()) if (!named.has(origin)) this.#endpoints.delete(origin);
    this.#connections.retire(this.#endpoints.values());
  }

  async close(): Promise<void> {
    await this.#connections.destroy();
  }
}

/** With something that can be judged: of vectors there is not. */
function isAnswered(answer: Answer): answer is Answer & { readonly said: Said } {
  const { status, said } = answer;
  return status >= 200 && status < 300 && said !== undefined && said.texts.length > 0;
}

function shown({ texts, tools, finish, refused }: Said): object {
  return { texts, tools, finish, refused };
}

/** Undefined: too large. */
function questionOf({ body, exchange, operation, plan }: RequestContext, answers: { a: object; b: object }) {
  if (!body || body.scan.length > LARGEST_BYTES) return undefined;
  if (Object.values(answers).some((answer) => Buffer.byteLength(JSON.stringify(answer)) > LARGEST_BYTES))
    return undefined;
  const request = parsed(body.scan.slice(0, body.scan.length).toString("utf8"));
  for (const name of PERSONAL) delete request[name];
  return JSON.stringify({ id: exchange.id, route: plan?.route.key, operation: operation?.name, request, answers });
}

/** Bodies are scanned, not parsed: one that a provider took may still be none that a parser takes. */
function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
