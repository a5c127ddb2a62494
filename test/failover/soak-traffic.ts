/**
 * What do callers do, and what do they get?
 *
 * Plain and streamed chats, small and large, and some who go away in the middle. Each asks once, under a name of its own.
 */
import { MODEL, type SoakWorld } from "./soak-world.ts";
import { ANSWER } from "./world.ts";

/** Milliseconds after which a request is taken to be lost. */
const LOST_AFTER = 90_000;
const LARGE = "x".repeat(400_000);

export type Kind = "plain" | "stream" | "large" | "large stream" | "leaves";
const KINDS: readonly Kind[] = ["plain", "plain", "stream", "stream", "stream", "large", "large stream", "leaves"];

export interface Asked {
  readonly name: string;
  readonly kind: Kind;
  /** Undefined: one whole answer came, or the caller left. */
  readonly problem: string | undefined;
  /** In the gateway's access log. */
  readonly id?: string | undefined;
  /** As the gateway says. */
  readonly attempts: number;
}

/** The same numbers for the same seed (Mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export async function askOnce(world: SoakWorld, name: string, random: () => number): Promise<Asked> {
  const kind = KINDS[Math.floor(random() * KINDS.length)] as Kind;
  const streamed = kind === "stream" || kind === "large stream" || (kind === "leaves" && random() < 0.5);
  const leave = new AbortController();
  const timer = kind === "leaves" ? setTimeout(() => leave.abort(), random() * 100) : undefined;
  const content = kind.startsWith("large") ? `${name} ${LARGE}` : name;
  let attempts = 0;
  try {
    const response = await fetch(`${world.gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${world.key()}`, "content-type": "application/json" },
      // The name first: the simulators keep how a body begins.
      body: JSON.stringify({ user: name, model: MODEL, stream: streamed, messages: [{ role: "user", content }] }),
      signal: AbortSignal.any([leave.signal, AbortSignal.timeout(LOST_AFTER)]),
    });
    attempts = Number(response.headers.get("x-tandem-attempts"));
    const text = await response.text();
    const problem = problemOf(response.status, text, streamed);
    const id = response.headers.get("x-request-id") ?? undefined;
    return { name, kind, attempts, problem: problem && `${kind}: ${problem}`, id };
  } catch (error) {
    const problem = leave.signal.aborted
      ? undefined
      : `${kind}: no whole answer: ${error} ${(error as Error).cause ?? ""}`;
    return { name, kind, attempts, problem };
  } finally {
    clearTimeout(timer);
  }
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly message?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
}

function problemOf(status: number, text: string, streamed: boolean): string | undefined {
  if (status !== 200) return `${status}: ${text.slice(0, 300)}`;
  const parts = streamed ? eventsOf(text) : [JSON.parse(text) as Chunk];
  if (!parts) return `a stream that is not whole: …${text.slice(-300)}`;
  const choices = parts.flatMap(({ choices = [] }) => choices.slice(0, 1));
  const said = choices.map(({ delta, message }) => (delta ?? message)?.content ?? "").join("");
  if (said !== ANSWER) return `another answer: ${said.slice(0, 2000)}`;
  const ends = choices.filter(({ finish_reason }) => typeof finish_reason === "string").length;
  return ends === 1 ? undefined : `${ends} ends`;
}

/** Undefined: it broke off, or holds an error. */
function eventsOf(text: string): Chunk[] | undefined {
  const events = text.split("\n\n").filter((one) => one.startsWith("data: "));
  if (events.at(-1) !== "data: [DONE]" || text.includes('"error"')) return undefined;
  return events.slice(0, -1).map((one) => JSON.parse(one.slice("data: ".length)) as Chunk);
}
