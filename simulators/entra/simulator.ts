/**
 * What is the simulated token service of Microsoft Entra ID?
 *
 * `POST /{tenant}/oauth2/v2.0/token` and the discovery document, as strict as the real one with client credentials.
 * Faults, what was asked and a reset stand under `/_sim/`, as at the simulated providers.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CONTROL_PREFIX } from "../control.ts";
import { answerFault, LIFETIME_SECONDS, recordOf, refuse, send, type TokenRequestRecord } from "./answers.ts";
import { ENTRA_FAULTS, type EntraFault, type EntraFaultOrder, readEntraFault } from "./faults.ts";
import { type Application, judge } from "./grant.ts";
import { REFUSALS, refusalBody } from "./refusals.ts";
import { type Grant, issueToken } from "./tokens.ts";

/** Of the shipped example 11. */
export const DEMO_APPLICATION: Application = {
  tenant: "00000000-0000-0000-0000-000000000000",
  clientID: "11111111-1111-1111-1111-111111111111",
  secrets: ["demo-client-secret"],
  federated: [
    {
      issuer: "https://kubernetes.default.svc.cluster.local",
      subject: "system:serviceaccount:tandem-system:tandem-proxy",
      audience: "api://AzureADTokenExchange",
    },
  ],
};

const DEFAULT_SHORT_SECONDS = 5;
const DEFAULT_SLOW_MS = 1_000;
const MOST_BODY_BYTES = 64 * 1024;
const TOKEN_PATH = /^\/([^/]+)\/oauth2\/v2\.0\/token$/;
const DISCOVERY_PATH = /^\/([^/]+)\/v2\.0\/\.well-known\/openid-configuration$/;

export interface EntraOptions {
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default: the application of example 11. */
  readonly applications?: readonly Application[];
  /** Of tokens, default 3599 as at the real one. */
  readonly lifetimeSeconds?: number;
}

export interface RunningEntra {
  /** Origin without a path. */
  readonly url: string;
  readonly port: number;
  fault(order: EntraFaultOrder): void;
  clearFaults(): void;
  /** What the applications' client secrets are from now on. */
  setSecrets(secrets: readonly string[]): void;
  /** Oldest first. */
  requests(): readonly TokenRequestRecord[];
  /** The tokens themselves, oldest first: a test looks for them where they must not be. */
  tokens(): readonly string[];
  reset(): void;
  close(): Promise<void>;
}

export async function startEntra(options: EntraOptions = {}): Promise<RunningEntra> {
  const simulator = new EntraSimulator(options);
  await simulator.listen(options.host ?? "127.0.0.1", options.port ?? 0);
  return simulator;
}

class EntraSimulator implements RunningEntra {
  readonly #server: Server;
  readonly #lifetimeSeconds: number;
  readonly #given: readonly Application[];
  #applications: readonly Application[];
  #planned: { readonly fault: EntraFault; left: number }[] = [];
  #requests: TokenRequestRecord[] = [];
  #tokens: string[] = [];

  constructor({ applications = [DEMO_APPLICATION], lifetimeSeconds = LIFETIME_SECONDS }: EntraOptions) {
    this.#given = applications;
    this.#applications = applications;
    this.#lifetimeSeconds = lifetimeSeconds;
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const { address, family } = this.#server.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${this.port}`;
  }

  fault({ fault, times = Number.POSITIVE_INFINITY }: EntraFaultOrder): void {
    this.#planned.push({ fault: readEntraFault(fault), left: times });
  }

  clearFaults(): void {
    this.#planned = [];
  }

  setSecrets(secrets: readonly string[]): void {
    this.#applications = this.#given.map((application) => ({ ...application, secrets }));
  }

  requests(): readonly TokenRequestRecord[] {
    return this.#requests;
  }

  tokens(): readonly string[] {
    return this.#tokens;
  }

  reset(): void {
    this.clearFaults();
    this.#applications = this.#given;
    this.#requests = [];
    this.#tokens = [];
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    const path = url.split("?")[0] ?? "";
    const body = await textOf(request).catch(() => undefined);
    const discovery = DISCOVERY_PATH.exec(path)?.[1];
    const tenant = TOKEN_PATH.exec(path)?.[1];
    if (body === undefined) response.destroy();
    else if (path.startsWith(CONTROL_PREFIX))
      this.#control(`${method} ${path.slice(CONTROL_PREFIX.length)}`, body, response);
    else if (discovery !== undefined && method === "GET") this.#discover(discovery, request, response);
    else if (tenant === undefined) send(response, 404, { error: "not_found" });
    else if (method !== "POST") send(response, 405, { error: "method_not_allowed" });
    else {
      const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers["content-type"] ?? "");
      this.#answer(tenant, new URLSearchParams(isForm ? body : ""), response);
    }
  }

  #answer(tenant: string, form: URLSearchParams, response: ServerResponse): void {
    const record = recordOf(tenant, form);
    this.#requests.push(record);
    response.once("finish", () => {
      record.status = response.statusCode;
    });
    const fault = this.#nextFault();
    if (fault) record.fault = fault.name;
    if (fault?.name === "silence") return;
    if (fault?.name === "slow") {
      setTimeout(() => this.#decide(record, form, response), fault.parameters.ms ?? DEFAULT_SLOW_MS);
    } else if (fault && fault.name !== "lifetime") answerFault(fault, record, response);
    else this.#decide(record, form, response, fault && (fault.parameters.seconds ?? DEFAULT_SHORT_SECONDS));
  }

  #decide(record: TokenRequestRecord, form: URLSearchParams, response: ServerResponse, lifetime?: number): void {
    const decided = judge(this.#applications, record.tenant, form, lifetime ?? this.#lifetimeSeconds);
    if ("error" in decided) refuse(decided, record, response, form.get("client-request-id"));
    else this.#grant(decided, response);
  }

  #grant(grant: Grant, response: ServerResponse): void {
    const token = issueToken(grant);
    this.#tokens.push(token);
    const life = { expires_in: grant.lifetimeSeconds, ext_expires_in: grant.lifetimeSeconds };
    send(response, 200, { token_type: "Bearer", ...life, access_token: token });
  }

  #nextFault(): EntraFault | undefined {
    const next = this.#planned.find(({ left }) => left > 0);
    if (next) next.left -= 1;
    return next?.fault;
  }

  /** Asked for by clients at authorities that they do not know by heart. */
  #discover(tenant: string, request: IncomingMessage, response: ServerResponse): void {
    if (!this.#applications.some((one) => one.tenant === tenant)) {
      send(response, 400, refusalBody(REFUSALS.unknownTenant(tenant), randomUUID()));
      return;
    }
    const base = `https://${request.headers.host}/${tenant}`;
    send(response, 200, {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
      issuer: `${base}/v2.0`,
    });
  }

  #control(what: string, body: string, response: ServerResponse): void {
    const act = this.#controls[what];
    try {
      if (act) send(response, 200, act(body));
      else send(response, 404, { error: `Known are ${Object.keys(this.#controls).join(", ")}.` });
    } catch (error) {
      send(response, 400, { error: error instanceof Error ? error.message : String(error) });
    }
  }

  readonly #controls: Readonly<Record<string, (body: string) => object>> = {
    "GET requests": () => ({ requests: this.#requests }),
    "GET faults": () => ({ known: ENTRA_FAULTS, planned: this.#shownPlans() }),
    "POST faults": (body) => {
      this.fault(JSON.parse(body) as EntraFaultOrder);
      return { planned: this.#shownPlans() };
    },
    "DELETE faults": () => {
      this.clearFaults();
      return { planned: [] };
    },
    "POST reset": () => {
      this.reset();
      return { reset: true };
    },
  };

  #shownPlans(): readonly object[] {
    return this.#planned.map(({ fault, left }) => ({ ...fault, left: Number.isFinite(left) ? left : null }));
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > MOST_BODY_BYTES) throw new Error("too large");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}
