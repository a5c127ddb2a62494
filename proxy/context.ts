/** What does a request carry from stage to stage? */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller } from "../routing/filters.ts";
import type { Client } from "../routing/table.ts";
import type { Form } from "./body/form.ts";
import type { BodyReceiver, Received } from "./body/receive.ts";
import type { FieldEdit } from "./body/splice.ts";
import type { Reserved } from "./budgets/account.ts";
import type { BatchLine } from "./dialects/batch.ts";
import type { Operation } from "./dialects/operations.ts";
import type { Exchange } from "./exchange.ts";
import type { Identified } from "./ids/identified.ts";
import type { Taken } from "./limits/client-limiter.ts";
import type { EphemeralKey } from "./realtime/ephemeral.ts";
import type { Services } from "./services.ts";
import type { Sample } from "./shadow/sample.ts";
import type { Plan, Snapshot, Target } from "./snapshot.ts";
import type { UpstreamCall } from "./stages/call.ts";
import type { Walk } from "./stages/walk.ts";
import type { SetAside } from "./strategy/cheapest.ts";
import type { Timed } from "./strategy/fastest.ts";

export interface RequestContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly exchange: Exchange;
  /** The one snapshot that this request sees from its first byte to its last. */
  readonly snapshot: Snapshot;
  readonly services: Services;

  // admit
  client: Client | undefined;
  namespace: string;
  /** Decides which backends there are for it. */
  caller: Caller;
  /** The ephemeral key of realtime that the caller came with. */
  ephemeral?: EphemeralKey | undefined;

  // read
  operation: Operation | undefined;
  /** Path below the API base, without a leading slash. */
  path: string;
  /** With its `?`, or empty. */
  query: string;
  /** The deployment that an Azure-shaped path names. */
  deployment: string | undefined;
  receiver: BodyReceiver | undefined;
  /** A JSON body. */
  body: Received | undefined;
  /** Bytes of text in it, once somebody has asked. */
  textBytes?: number;
  /** A multipart body. */
  form: Form | undefined;
  /** The lines of a batch file in the form. */
  batch: readonly BatchLine[] | undefined;

  // identify
  ids: Identified | undefined;

  // limit
  /** Of the client's limits; undefined: it has none. */
  taken?: Taken | undefined;

  // match, plan
  plan: Plan | undefined;
  /** Answers asked for (`n`): each must end before a stream is whole. */
  choices: number;
  /** The answer is kept by the provider (`store`), so that its id is one of a thing. */
  stored: boolean;
  /** The answer is asked for as sound too (`audio`), which later turns name by its id. */
  spoken: boolean;
  order: readonly Target[];
  /** When the order was made, by the strategies' clock; only where a backend has a commitment. */
  plannedAt?: number | undefined;
  /** What was set aside of the client's budget; only where a spent one denies. */
  budget?: Reserved | undefined;
  /** What the first choice is expected to take of its commitment. */
  setAside?: SetAside | undefined;

  // draw
  /** Set where the request shall be copied. */
  sample?: Sample | undefined;
  /** Of a copy: what is changed of its body beside what its provider cannot take. */
  fieldEdits?: readonly FieldEdit[];

  // attempt
  /** Attempts at backends whose latency is measured. */
  timed?: Timed[] | undefined;
  walk: Walk | undefined;
  target: Target | undefined;
  /** Of realtime: the gateway's key or token that was sent last, which must not come back. */
  sentKey: string | undefined;
  call: UpstreamCall | undefined;
  /** The attempt that runs beside `call`. */
  rival: UpstreamCall | undefined;
  /** Of the attempt whose answer flows: given back when it has ended. */
  ticket: number;
  /** Bytes of the answer that the caller has not taken, as far as the pool was told. */
  unread: number;
  /** What is still being counted of answers that broke off and were gone on with. */
  counting?: readonly Promise<void>[];
  /** Set when the caller went away; ends the attempt under way. */
  closed: boolean;
  /** Ends a wait between attempts early. */
  wake: (() => void) | undefined;
}
