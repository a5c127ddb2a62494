/** What went wrong at the API server, in a sentence that holds no token and no secret's value? */

const LONGEST_MESSAGE = 1_000;
const LONGEST_RETRY_AFTER_MS = 300_000;

/** The API server answered, and it was no. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status, or the code of an ERROR event. */
  readonly status: number;
  /** `NotFound`, `Conflict`, `Expired`…; empty when the answer names none. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, reason: string, retryAfterMs: number | undefined) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A metav1.Status, as far as it is read here. */
interface Status {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly field?: string }[];
  };
}

export function apiErrorOfAnswer(request: string, status: number, body: string, retryAfter: unknown): ApiError {
  const parsed = statusOf(body);
  const waitMs = secondsToMs(retryAfter) ?? secondsToMs(parsed.details?.retryAfterSeconds);
  const reason = parsed.reason ?? "";
  return new ApiError(sentence(request, status, parsed), status, reason, waitMs);
}

/** An ERROR event in the stream of a watch. */
export function apiErrorOfEvent(request: string, object: unknown): ApiError {
  const status = (typeof object === "object" && object !== null ? object : {}) as Status;
  const code = status.code ?? 500;
  return new ApiError(
    sentence(request, code, status),
    code,
    status.reason ?? "",
    secondsToMs(status.details?.retryAfterSeconds),
  );
}

function sentence(request: string, code: number, status: Status): string {
  const head = `${request}: the API server answered ${code}${status.reason ? ` ${status.reason}` : ""}`;
  // A message about a Secret that was written may quote what was written.
  if (/^(?:POST|PUT|PATCH) \S*\/secrets(?:\/|$)/.test(request) && status.reason !== "Forbidden") {
    const fields = (status.details?.causes ?? []).flatMap(({ field }) => field ?? []);
    return fields.length > 0 ? `${head} about ${fields.join(", ")}` : head;
  }
  return status.message ? `${head}: ${status.message.slice(0, LONGEST_MESSAGE)}` : head;
}

function statusOf(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "kind" in parsed && parsed.kind === "Status") {
      return parsed as Status;
    }
  } catch {
    // The API server's own filters and whatever stands in front of it answer in plain text.
  }
  return {};
}

function secondsToMs(value: unknown): number | undefined {
  const seconds = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || !(seconds > 0)) return undefined;
  return Math.min(seconds * 1000, LONGEST_RETRY_AFTER_MS);
}

/** What a broken connection says of itself. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
