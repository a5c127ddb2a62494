/**
 * Where does another provider's answer go on from what the caller already has?
 *
 * Fed with the whole events of a chat stream that answers the same request, it keeps back what the caller has, as long as
 * the new answer says exactly the same; the event in which it goes further passes with only what is new in it, and all
 * after it as it is. Streams break seldom: here events are parsed.
 */
import { eventEnd, linesOf, withData } from "./lines.ts";

interface Chunk {
  readonly choices?: readonly ChunkChoice[];
}

interface ChunkChoice {
  readonly delta?: Readonly<Record<string, unknown>> | null;
  /** Of a completion that is no chat. */
  readonly text?: unknown;
  readonly finish_reason?: string | null;
}

const NOTHING: readonly Buffer[] = [];

/** What of a delta says nothing by itself. */
const SILENT = new Set(["role", "content"]);

export class Continuation {
  /** The caller has nothing of the new answer yet, everything from some event on, or cannot be given any. */
  state: "comparing" | "joined" | "different" = "comparing";
  /** The text that the caller has. */
  readonly had: string;
  #matched = 0;

  constructor(had: string) {
    this.had = had;
  }

  /** Takes whole events; returns what goes on. */
  take(events: Buffer): readonly Buffer[] {
    if (this.state === "joined") return [events];
    let at = 0;
    while (at < events.length && this.state === "comparing") {
      const end = eventEnd(events, at, true);
      const next = end < 0 ? events.length : end;
      const passed = this.#compare(events.subarray(at, next));
      at = next;
      if (passed) return at < events.length ? [passed, events.subarray(at)] : [passed];
    }
    return NOTHING;
  }

  /** What goes on of this event; undefined: nothing. */
  #compare(event: Buffer): Buffer | undefined {
    const lines = linesOf(event);
    if (lines.data === undefined) return undefined;
    if (lines.data.trim() === "[DONE]") {
      if (this.#matched === this.had.length) return this.#goesOn(event);
      this.state = "different";
      return undefined;
    }
    const chunk = JSON.parse(lines.data) as Chunk;
    const choice = chunk.choices?.[0];
    if (!choice) return undefined;
    const piece = pieceOf(choice);
    const ends = typeof choice.finish_reason === "string" || saysOther(choice);
    const rest = this.had.slice(this.#matched);
    if (piece.startsWith(rest)) {
      this.#matched = this.had.length;
      const fresh = piece.slice(rest.length);
      if (fresh === "" && !ends) return undefined;
      return this.#goesOn(rest === "" ? event : withData(lines, withPiece(chunk, fresh)));
    }
    if (rest.startsWith(piece) && !ends) this.#matched += piece.length;
    else this.state = "different";
    return undefined;
  }

  #goesOn(event: Buffer): Buffer {
    this.state = "joined";
    return event;
  }
}

function pieceOf({ delta, text }: ChunkChoice): string {
  const piece = delta ? delta.content : text;
  return typeof piece === "string" ? piece : "";
}

function saysOther({ delta }: ChunkChoice): boolean {
  return Object.entries(delta ?? {}).some(([name, value]) => !SILENT.has(name) && !isEmpty(value));
}

function isEmpty(value: unknown): boolean {
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

function withPiece(chunk: Chunk, piece: string): Buffer {
  const [first, ...others] = chunk.choices as readonly [ChunkChoice, ...ChunkChoice[]];
  const changed = first.delta ? { ...first, delta: { ...first.delta, content: piece } } : { ...first, text: piece };
  return Buffer.from(JSON.stringify({ ...chunk, choices: [changed, ...others] }));
}
