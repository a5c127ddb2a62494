/** Which requests came, when, and how long were they and their answers? */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface TraceRequest {
  /** Unix milliseconds. */
  readonly at: number;
  readonly input: number;
  readonly output: number;
}

const SHIPPED = new URL("../traces/azure-conversations-2023.csv.gz", import.meta.url);

/** Rows of `TIMESTAMP,ContextTokens,GeneratedTokens`, in the order of time. Throws where one is none. */
export function readTrace(file: string | undefined): readonly TraceRequest[] {
  const bytes = readFileSync(file ?? SHIPPED);
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString("utf8");
  const [, ...rows] = text.trim().split(/\r?\n/);
  return rows.map(toRequest).sort((a, b) => a.at - b.at);
}

/** Moved so that the first request begins a window: which part of a minute the recording began in is chance. */
export function beginningAtWindow(requests: readonly TraceRequest[]): readonly TraceRequest[] {
  const shift = (requests[0]?.at ?? 0) % 60_000;
  return requests.map((one) => ({ ...one, at: one.at - shift }));
}

function toRequest(row: string): TraceRequest {
  const [time = "", input, output] = row.split(",");
  const request = {
    at: Date.parse(`${time.slice(0, 23).replace(" ", "T")}Z`),
    input: Number(input),
    output: Number(output),
  };
  if (Object.values(request).some((value) => !Number.isFinite(value))) throw new Error(`not a row of a trace: ${row}`);
  return request;
}
