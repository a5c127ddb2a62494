/** How is one realtime request asked of a provider over HTTP, and its whole answer read? */
import type { IncomingMessage, RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { request as httpRequest } from "../node-http.ts";
import { targetOf } from "../piped-request.ts";
import type { Failure } from "../stages/settled.ts";
import {
  ANSWER_BYTES,
  bodyOf,
  brokenBy,
  failure,
  noteAnswer,
  onConnected,
  type ProviderRequest,
  refusedBy,
} from "./provider-request.ts";
import type { Tried } from "./walk.ts";

export interface Posted extends ProviderRequest {
  readonly body: Buffer;
}

export interface Whole {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export function post(posted: Posted): Promise<Tried<Whole>> {
  const { way, target, gone, headers, body, path } = posted;
  if (way.refused) return Promise.resolve({ ok: false, failure: failure("connect_error", way.refused.message) });
  if (gone.aborted) return Promise.resolve(undefined);
  const { connect, request: whole } = target.provider.timeouts;
  return new Promise((resolve) => {
    const url = targetOf(way.origin, path);
    const options: RequestOptions = {
      method: "POST",
      agent: way.agent,
      headers: { ...headers, "content-length": String(body.length) },
    };
    const sent = url.protocol === "https:" ? httpsRequest(url, options) : httpRequest(url, options);
    let isConnected = false;
    const settle = (tried: Tried<Whole>) => {
      clearTimeout(connecting);
      clearTimeout(timer);
      gone.removeEventListener("abort", onGone);
      resolve(tried);
      if (!tried?.ok) sent.destroy();
    };
    const fail = (what: Failure) => settle({ ok: false, failure: what });
    const onGone = () => settle(undefined);
    const connecting = setTimeout(() => fail(failure("timeout", `timeouts.connect of ${connect} ms passed`)), connect);
    const timer = setTimeout(() => fail(failure("timeout", `timeouts.request of ${whole} ms passed`)), whole);
    gone.addEventListener("abort", onGone);
    onConnected(sent, () => {
      isConnected = true;
      clearTimeout(connecting);
    });
    sent.on("error", (error) => fail(brokenBy(error, target, isConnected)));
    sent.on("response", async (answer) => {
      noteAnswer(posted.record, answer);
      const read = await bodyOf(answer);
      const { statusCode: status = 0 } = answer;
      if (!answer.complete) fail(failure("reset", "the provider's connection broke"));
      else if (status < 200 || status >= 300) fail(refusedBy(answer, read, posted));
      else if (read.length > ANSWER_BYTES) fail(failure("malformed", `is larger than ${ANSWER_BYTES} bytes`));
      else settle({ ok: true, value: { status, headers: answer.headers, body: read } });
    });
    sent.end(body);
  });
}
