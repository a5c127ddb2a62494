/**
 * What does one proxy say of its clients' usage?
 *
 * It is told what they may spend and asked for what has changed, again and again; it answers when something is worth it.
 */
import { z } from "zod";
import type { Grant } from "../../routing/budgets/book.ts";
import type { Redacted } from "../../routing/secrets.ts";
import { boundedText } from "../bounded-text.ts";
import { adminOrigin, type Pod } from "../fleet.ts";

const text = z.string().max(4096);
const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const answerSchema = z.object({
  instance: text,
  version: count,
  sequence: count,
  isLastWord: z.boolean(),
  usage: z
    .array(
      z.object({
        client: text,
        month: z.string().regex(/^\d{4}-\d{2}$/),
        nanoUsd: count,
        requests: count,
        tokens: count,
        reserved: count,
        granted: count.nullable(),
        need: count,
        isLast: z.boolean(),
      }),
    )
    .max(50_000),
});

export type Answer = z.infer<typeof answerSchema>;

/** Milliseconds: a proxy that has nothing to say answers after 5 s. */
const ANSWER_TIMEOUT = 8_000;
const FIRST_RETRY = 250;
const LAST_RETRY = 5_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export interface CollectorOptions {
  readonly pod: Pod;
  /** Undefined while there is none. */
  adminToken(): Redacted | undefined;
  /** What the proxy is to be told now. */
  grants(instance: string): readonly Grant[];
  /** They are on their way. Throws when another operator leads. */
  onSend(instance: string, grants: readonly Grant[]): void;
  /** To all that it was sent. What it is to be told next is there when it resolves. */
  onAnswer(answer: Answer): Promise<void>;
  /** Another process runs in the pod. */
  onEnd(instance: string): void;
}

export class Collector {
  readonly #options: CollectorOptions;
  #instance: string | undefined;
  #sequence = Date.now();
  #since = 0;
  #failures = 0;
  #asking: AbortController | undefined;
  #carried: readonly Grant[] = [];
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    void this.#run();
  }

  /** There may be something to tell that cannot wait until the proxy answers. */
  wake(): void {
    if (this.#instance === undefined || this.#asking === undefined) return;
    const grants = this.#options.grants(this.#instance);
    if (grants.length > 0 && JSON.stringify(grants) !== JSON.stringify(this.#carried)) this.#asking.abort();
  }

  stop(): void {
    this.#stopped = true;
    this.#asking?.abort();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const asking = new AbortController();
      this.#asking = asking;
      const isWoken = await this.#ask(asking.signal).then(
        () => true,
        () => asking.signal.aborted,
      );
      this.#asking = undefined;
      if (isWoken) this.#failures = 0;
      else await this.#pause(Math.min(FIRST_RETRY * 2 ** this.#failures++, LAST_RETRY));
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { pod, adminToken, grants, onSend, onAnswer, onEnd } = this.#options;
    const token = adminToken();
    if (token === undefined) throw new Error("there is no admin token yet");
    const instance = this.#instance ?? "";
    const sequence = ++this.#sequence;
    this.#carried = grants(instance);
    onSend(instance, this.#carried);
    const response = await fetch(`${adminOrigin(pod)}/status/usage`, {
      method: "POST",
      headers: { authorization: `Bearer ${token.reveal()}`, "content-type": "application/json" },
      body: JSON.stringify({ instance, sequence, since: this.#since, grants: this.#carried }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT)]),
      redirect: "error",
    });
    const body = await boundedText(response, "a proxy's answer", MAX_ANSWER_BYTES);
    if (!response.ok) throw new Error(`the proxy answered ${response.status}`);
    const answer = answerSchema.parse(JSON.parse(body));
    if (this.#stopped) return;
    this.#sequence = Math.max(this.#sequence, answer.sequence);
    if (answer.instance !== this.#instance) {
      if (this.#instance !== undefined) onEnd(this.#instance);
      this.#instance = answer.instance;
      this.#since = 0;
      return;
    }
    // Not taken by the proxy: it is asked once more.
    if (answer.sequence !== sequence) return;
    this.#since = answer.version;
    await onAnswer(answer);
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}
