/** How does the small body of a realtime request come in? Whole, up to a limit. */
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { withoutMark } from "./json-places.ts";

/** Largest body: an SDP offer and a session's configuration with its instructions and tools. */
const LARGEST_BODY_BYTES = 1024 * 1024;

/** Rejects with a GatewayError. */
export function readBody(context: RequestContext): Promise<Buffer> {
  const { request, exchange, services } = context;
  const limit = Math.min(LARGEST_BODY_BYTES, services.limits.requestBytes);
  const tooLarge = () =>
    new GatewayError("request_too_large", `The body of this request may have ${limit} bytes at most.`);
  const coding = request.headers["content-encoding"];
  if (coding !== undefined && coding !== "identity") {
    const message = `The content-encoding '${coding.slice(0, 100)}' is not possible here. Send the body as it is.`;
    return Promise.reject(new GatewayError("unsupported_media_type", message));
  }
  if (Number(request.headers["content-length"] ?? 0) > limit) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      exchange.requestBytes += chunk.length;
      if (exchange.requestBytes <= limit) return;
      request.off("data", onData);
      request.pause();
      reject(tooLarge());
    };
    request.on("data", onData);
    request.once("end", () => {
      exchange.bodyAt = performance.now();
      resolve(withoutMark(Buffer.concat(chunks)));
    });
    request.once("close", () => reject(new GatewayError("bad_request", "The request was not sent whole.")));
  });
}
