/**
 * Which comparisons were made last?
 *
 * A few of each route, in memory, for `/status`. Of the texts only keyed hashes: equal ones are seen to be equal, and
 * nothing can be read or guessed, since the key is this process's own.
 */
import { createHmac, randomBytes } from "node:crypto";
import type { RequestContext } from "../context.ts";
import type { Asked } from "./ask.ts";
import type { Answer, Aspect } from "./compare.ts";

/** Of one route. */
const RECORDS_KEPT = 50;
const KEY_BYTES = 32;
/** Hexadecimal digits. */
const SHOWN_HASH = 16;

/** What was compared. */
export interface Pair {
  readonly live: Answer;
  readonly copy: Answer;
  readonly asked: Asked;
  readonly aspects: readonly Aspect[];
  /** `noise`: the live backend was asked again. */
  readonly side: "shadow" | "noise";
}

export interface ShownRecord {
  readonly time: string;
  readonly requestID: string;
  readonly side: Pair["side"];
  readonly operation: string;
  /** Empty: they are alike. */
  readonly differs: readonly Aspect[];
  readonly live: ShownAnswer;
  readonly copy: ShownAnswer & { readonly backend: string; readonly providerRequestID?: string };
}

interface ShownAnswer {
  readonly status: number;
  readonly finish?: readonly string[];
  readonly tools?: readonly string[];
  readonly refused?: boolean;
  readonly characters?: number;
  readonly hash?: string;
  readonly outputTokens?: number;
}

const key = randomBytes(KEY_BYTES);

export class Records {
  #records: ShownRecord[] = [];

  add({ exchange }: RequestContext, { live, copy, asked, aspects, side }: Pair): void {
    const { providerRequestID } = asked;
    const backend = asked.target.backend.name;
    this.#records.push({
      time: new Date(exchange.time).toISOString(),
      requestID: exchange.id,
      side,
      operation: exchange.operation ?? "",
      differs: aspects,
      live: shown(live),
      copy: { backend, ...(providerRequestID !== undefined && { providerRequestID }), ...shown(copy) },
    });
    if (this.#records.length > RECORDS_KEPT) this.#records.shift();
  }

  /** Oldest first. */
  shown(): readonly ShownRecord[] {
    return this.#records;
  }
}

function shown({ status, said, outputTokens }: Answer): ShownAnswer {
  const tokens = outputTokens === undefined ? {} : { outputTokens };
  if (!said) return { status, ...tokens };
  const text = said.texts.join("\n");
  const hash = createHmac("sha256", key).update(text).digest("hex").slice(0, SHOWN_HASH);
  const { finish, tools, refused } = said;
  return { status, finish, tools: tools.map(hashedTool), refused, characters: text.length, hash, ...tokens };
}

const TOOL_SHOWN = 64;

/** Names of tools and arguments are the caller's, like names of models: cut to a length. */
function hashedTool(tool: string): string {
  return tool.length > TOOL_SHOWN ? `${tool.slice(0, TOOL_SHOWN)}…` : tool;
}
