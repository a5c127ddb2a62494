/** The thread on which tokens are counted. */
import { parentPort } from "node:worker_threads";
import { answerTokens, requestTokens } from "./count.ts";

export interface CountOrder {
  readonly id: number;
  readonly answer: Uint8Array;
  readonly answerBytes: number;
  /** The request's body; undefined when it was not kept. */
  readonly request: Uint8Array | undefined;
}

export interface Counted {
  readonly id: number;
  readonly input: number | undefined;
  readonly output: number;
}

parentPort?.on("message", ({ id, answer, answerBytes, request }: CountOrder) => {
  const output = answerTokens(answer, answerBytes);
  parentPort?.postMessage({ id, output, input: request && requestTokens(request) } satisfies Counted);
});
