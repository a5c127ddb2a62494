/** How do tests and people look into a simulator and tell it to fail? Paths under `/_sim/`, without a key. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { FAULTS, type FaultPlan, parseFault } from "./faults.ts";
import type { Simulator } from "./simulator.ts";

export const CONTROL_PREFIX = "/_sim/";
const MOST_BODY_BYTES = 64 * 1024;

const planSchema = z.strictObject({
  match: z
    .strictObject({
      model: z.string().optional(),
      deployment: z.string().optional(),
      host: z.string().optional(),
      key: z.string().optional(),
      operation: z.string().optional(),
      stream: z.boolean().optional(),
    })
    .default({}),
  fault: z.string(),
  times: z.int().min(1).optional(),
  probability: z.number().min(0).max(1).optional(),
  seed: z.int().optional(),
});

/** What `POST /_sim/faults` takes. */
export type FaultOrder = z.input<typeof planSchema>;

/** Reads an order such as `{match: {model: "gpt-4o"}, fault: "429;retry-after=2", times: 3}`. Throws one sentence. */
export function readOrder(order: unknown): FaultPlan {
  const read = planSchema.safeParse(order);
  if (!read.success) {
    const issue = read.error.issues[0];
    throw new Error(`Fault order: ${issue?.path.join(".") || "body"}: ${issue?.message ?? "invalid"}.`);
  }
  const { match, fault, ...rest } = read.data;
  return { match: withoutAbsent(match), fault: parseFault(fault), ...withoutAbsent(rest) };
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutAbsent<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>;
}

const ROUTES: Readonly<Record<string, (simulator: Simulator, query: URLSearchParams, body: string) => unknown>> = {
  "GET bill": (simulator) => ({ provider: simulator.name, ...simulator.bill.show() }),
  "GET requests": (simulator, query) => ({
    total: simulator.recorder.total,
    requests: simulator.recorder.list(Number(query.get("last")) || undefined),
  }),
  "GET faults": (simulator) => ({ known: FAULTS, planned: simulator.plans.list() }),
  "POST faults": (simulator, _query, body) => {
    const orders: unknown = JSON.parse(body);
    const plans = (Array.isArray(orders) ? orders : [orders]).map((order) => readOrder(order));
    for (const plan of plans) simulator.plans.add(plan);
    return { planned: simulator.plans.list() };
  },
  "DELETE faults": (simulator) => {
    simulator.plans.clear();
    return { planned: [] };
  },
  "POST reset": (simulator) => {
    simulator.reset();
    return { reset: true };
  },
};

export async function answerControl(
  simulator: Simulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = "", query] = (request.url ?? "").slice(CONTROL_PREFIX.length).split("?");
  const route = ROUTES[`${request.method} ${path}`];
  if (!route) return send(response, 404, { error: `Known are ${Object.keys(ROUTES).join(", ")}.` });
  try {
    const body = await textOf(request);
    send(response, 200, route(simulator, new URLSearchParams(query), body));
  } catch (error) {
    send(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > MOST_BODY_BYTES) throw new Error(`The body is larger than ${MOST_BODY_BYTES} bytes.`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body, null, 2)}\n`);
}
