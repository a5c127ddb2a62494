/**
 * Did another deployment answer than the one that was asked?
 *
 * A provisioned deployment of Azure that is full can hand its requests to a standard one of the same resource, which costs
 * by the token (https://learn.microsoft.com/azure/foundry/openai/how-to/spillover-traffic-management). Documents and samples
 * disagree on the headers' names, so any of them counts.
 */
type Headers = Readonly<Record<string, string | string[] | undefined>>;

export interface Spillover {
  /** The deployment that answered, as far as it is told. */
  readonly to: string | undefined;
  /** What the other one said, when it could not take it either. */
  readonly error: string | undefined;
}

const DEPLOYMENT = "x-ms-deployment-name";
const ERROR = "x-ms-spillover-error";
const FROM = "x-ms-spillover-from-";
const SIGNS = [`${FROM}deployment`, ERROR, "x-ms-is-spilled-over"];

/** `asked`: the deployment. Looked at for every answer of Azure's: look-ups by name, and nothing made. */
export function spilloverOf(headers: Headers, asked: string): Spillover | undefined {
  const served = headers[DEPLOYMENT];
  const to = typeof served === "string" && served !== asked ? served : undefined;
  if (to === undefined && !SIGNS.some((name) => name in headers) && !(FROM + asked in headers)) return undefined;
  const error = headers[ERROR];
  return { to, error: typeof error === "string" ? error : undefined };
}
