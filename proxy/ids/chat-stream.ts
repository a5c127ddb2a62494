/** How does the id of a stored chat completion become the caller's, in each event of its stream? */
import type { RequestContext } from "../context.ts";
import { homeOf, ownerOf } from "./affinity.ts";

/** Azure's first event has an empty id. */
const ID = /"id"\s*:\s*"(chatcmpl-[\w-]+)"/;

export class StoredChatStream {
  readonly #context: RequestContext;
  #own: Buffer | undefined;
  #callers: Buffer | undefined;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  /** Whole events in, whole events out. In a text the id would stand between escaped quotes, which are no match. */
  translate(events: Buffer): Buffer {
    if (!this.#own) this.#learn(events);
    const own = this.#own;
    const callers = this.#callers;
    if (!own || !callers) return events;
    const parts: Buffer[] = [];
    let at = 0;
    for (let found = events.indexOf(own); found !== -1; found = events.indexOf(own, at)) {
      parts.push(events.subarray(at, found), callers);
      at = found + own.length;
    }
    return at === 0 ? events : Buffer.concat([...parts, events.subarray(at)]);
  }

  #learn(events: Buffer): void {
    const id = ID.exec(events.toString("latin1"))?.[1];
    const { target, client, namespace, snapshot } = this.#context;
    if (id === undefined || !target) return;
    this.#own = Buffer.from(`"${id}"`);
    this.#callers = Buffer.from(
      `"${snapshot.affinity.tagged(id, homeOf(target.provider), ownerOf(client, namespace))}"`,
    );
  }
}
