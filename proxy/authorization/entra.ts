/**
 * How is a token of Entra ID fetched?
 *
 * By @azure/identity, over the gateway's own connections, so that --connect-to, the egress guard and forward proxies
 * hold here too. The library is loaded with the first fetch: it takes a quarter of a second and some 20 MB. Its own cache and
 * retries stay unused: a credential lives for one fetch, and `TokenSource` decides when that is.
 */
import { readFile } from "node:fs/promises";
import type { HttpClient, HttpHeaders, PipelineRequest } from "@azure/core-rest-pipeline";
import { Redacted } from "../../routing/secrets.ts";
import type { EntraAuth } from "../../routing/table.ts";
import type { Dispatcher } from "../upstream/connections.ts";
import { retryAfter } from "../upstream/retry-after.ts";
import { wholeAnswer } from "../upstream/whole-answer.ts";
import { type Refusal, refusalError } from "./entra-errors.ts";
import { type Token, TokenError } from "./token-source.ts";

/** Milliseconds for all requests of one fetch. */
const FETCH_TIMEOUT_MS = 10_000;
const LARGEST_ANSWER_BYTES = 1024 * 1024;

/** What the application is proved by: its secret, or the file with the pod's service account token. */
export type Proof = { readonly clientSecret: Redacted } | { readonly tokenFile: string | undefined };

/** Rejects with a TokenError. `dispatcher` reaches the authority. */
export async function fetchToken(auth: EntraAuth, proof: Proof, dispatcher: Dispatcher): Promise<Token> {
  const proved = "tokenFile" in proof ? await readAssertion(proof.tokenFile) : proof.clientSecret;
  const { identity, createHttpHeaders } = await load();
  const line = new TokenLine(auth.authority, dispatcher, createHttpHeaders);
  const options = {
    // The library insists on https; `TokenLine` goes where the provider says.
    authorityHost: auth.authority.replace(/^http:/, "https:"),
    // It would ask the public cloud whether this authority is one of Microsoft's.
    disableInstanceDiscovery: true,
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
    httpClient: line,
  };
  const { tenantID, clientID } = auth;
  try {
    const credential =
      "tokenFile" in proof
        ? new identity.ClientAssertionCredential(tenantID, clientID, async () => proved.reveal(), options)
        : new identity.ClientSecretCredential(tenantID, clientID, proved.reveal(), options);
    const begun = performance.now();
    const { token, expiresOnTimestamp, refreshAfterTimestamp } = await credential.getToken(auth.scope);
    // The library counts from when the answer was there; the token's time began when it was made.
    const expiresAt = expiresOnTimestamp - (performance.now() - begun);
    return { value: token, expiresAt, refreshAt: refreshAfterTimestamp };
  } catch (error) {
    throw line.problem ?? unusable(error);
  }
}

/** Silent before the rest is loaded: with AZURE_LOG_LEVEL it would print the proxy's password, and who knows what else. */
async function load() {
  const { AzureLogger } = await import("@azure/logger");
  AzureLogger.log = () => undefined;
  const [identity, { createHttpHeaders }] = await Promise.all([
    import("@azure/identity"),
    import("@azure/core-rest-pipeline"),
  ]);
  return { identity, createHttpHeaders };
}

/** The pod's service account token, which the kubelet renews in its file. */
async function readAssertion(file: string | undefined): Promise<Redacted> {
  if (file === undefined) {
    const message = "the pod has no workload identity: AZURE_FEDERATED_TOKEN_FILE is not set (docs/entra-id.md)";
    throw new TokenError("no_workload_identity", message);
  }
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const code = error.code ?? "unknown";
    throw new TokenError(code, `the file of AZURE_FEDERATED_TOKEN_FILE cannot be read (${code})`);
  });
  if (text.trim() === "") throw new TokenError("empty", "the file of AZURE_FEDERATED_TOKEN_FILE is empty");
  return new Redacted(text.trim());
}

/** The token service answered with success. The library's own words stay here: they may repeat the answer. */
function unusable(error: unknown): TokenError {
  const { errorCode } = error as { errorCode?: unknown };
  const word = typeof errorCode === "string" && /^[a-z_]{1,60}$/.test(errorCode) ? errorCode : "unusable";
  return new TokenError(word, `the token service's answer holds no token (${word})`);
}

/** The library's way to the token service. Remembers what went wrong. */
class TokenLine implements HttpClient {
  readonly #authority: URL;
  readonly #dispatcher: Dispatcher;
  readonly #createHeaders: () => HttpHeaders;
  readonly #until = performance.now() + FETCH_TIMEOUT_MS;
  #problem: TokenError | undefined;

  constructor(authority: string, dispatcher: Dispatcher, createHeaders: () => HttpHeaders) {
    this.#authority = new URL(authority);
    this.#dispatcher = dispatcher;
    this.#createHeaders = createHeaders;
  }

  /** Undefined while all requests were answered with success. */
  get problem(): TokenError | undefined {
    return this.#problem;
  }

  async sendRequest(request: PipelineRequest) {
    const url = new URL(request.url);
    // An answer of the token service, or the environment, may name another host: the proof does not go there.
    if (url.host !== this.#authority.host) throw this.#fail("other_host", "the token service points to another host");
    const { "accept-encoding": _plain, ...headers } = request.headers.toJSON();
    const answer = await wholeAnswer(
      this.#dispatcher,
      {
        path: url.pathname + url.search,
        method: request.method,
        headers: { ...headers, host: url.host },
        body: typeof request.body === "string" ? request.body : null,
      },
      { timeout: Math.max(1, this.#until - performance.now()), bytes: LARGEST_ANSWER_BYTES },
    );
    if (answer.failure !== undefined) throw this.#fail("unreachable", `the token service: ${answer.failure}`);
    const { status } = answer;
    const bodyAsText = answer.body.toString("utf8");
    if (status >= 300) this.#problem = refusalError(this.#refusal(status, bodyAsText, answer.headers));
    return { request, status, headers: this.#createHeaders(), bodyAsText };
  }

  #refusal(status: number, body: string, headers: Parameters<typeof retryAfter>[0]): Refusal {
    return { status, body, retryAfter: retryAfter(headers, undefined, Date.now()) };
  }

  #fail(code: string, message: string): TokenError {
    this.#problem = new TokenError(code, message);
    return this.#problem;
  }
}
