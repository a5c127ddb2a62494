/** What came back, as a whole, to one small request: a token, a model's tiny answer? */
import type { DispatchController, Dispatcher, DispatchOptions } from "./connections.ts";
import { transportFailure } from "./failure.ts";

export interface WholeAnswer {
  /** 0 when there was none. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** Milliseconds until it was whole. */
  readonly took: number;
  /** One clause: why there is no answer. */
  readonly failure?: string;
}

export interface AnswerLimits {
  /** Milliseconds until the answer must be whole. */
  readonly timeout: number;
  readonly bytes: number;
}

/** Never rejects. */
export function wholeAnswer(
  dispatcher: Dispatcher,
  options: DispatchOptions,
  limits: AnswerLimits,
): Promise<WholeAnswer> {
  return new Promise((resolve) => {
    const begun = performance.now();
    const chunks: Buffer[] = [];
    let bytes = 0;
    let controller: DispatchController | undefined;
    let status = 0;
    let headers: WholeAnswer["headers"] = {};
    let ended = false;
    const end = (answer: Omit<WholeAnswer, "took">) => {
      ended = true;
      clearTimeout(timer);
      resolve({ ...answer, took: performance.now() - begun });
    };
    const fail = (failure: string) => end({ status: 0, headers: {}, body: Buffer.alloc(0), failure });
    const giveUp = (why: string) => {
      fail(why);
      controller?.abort(new Error(why));
    };
    const timer = setTimeout(() => giveUp(`no answer within ${limits.timeout / 1000} s`), limits.timeout);
    dispatcher.dispatch(options, {
      onRequestStart(started) {
        controller = started;
        // The time was over before there was a connection.
        if (ended) started.abort(new Error("too late"));
      },
      onResponseStart(_, code, received) {
        status = code;
        headers = received;
      },
      onResponseData(_, chunk) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > limits.bytes) giveUp(`the answer is larger than ${limits.bytes} bytes`);
      },
      onResponseEnd() {
        end({ status, headers, body: Buffer.concat(chunks) });
      },
      onResponseError(_, error) {
        fail(transportFailure(error, controller !== undefined).detail);
      },
    });
  });
}
