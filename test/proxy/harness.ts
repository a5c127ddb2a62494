/** A real gateway over fake providers: compiled from objects, listened on, asked over HTTP. */
import { after } from "node:test";
import { type Gateway, startGateway } from "../../proxy/gateway.ts";
import type { GatewayOptions } from "../../proxy/parts.ts";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { createLogger, LogDestination } from "../../proxy/telemetry/log.ts";
import { encodeTable } from "../../routing/codec.ts";
import { compile } from "../../routing/compile.ts";
import type { FormerTable } from "../../routing/history.ts";
import type { RolloutPosition } from "../../routing/rollout/memory.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import type { Verdict } from "../../routing/verdict.ts";

export const KEY = "tdm-harness-client-key";
export const OPENAI_KEY = "sk-harness-openai";
export const AZURE_KEY = "harness-azure-key";

const OPENAI_HOST = "api.openai.com";
const AZURE_HOST = "contoso-sweden.openai.azure.com";

/** One for all gateways of a file: each destination listens to the process' exit until it is closed. */
const SILENT = createLogger(new LogDestination("/dev/null"));

export interface Objects {
  openai?: Record<string, unknown>;
  azure?: Record<string, unknown>;
  route?: Record<string, unknown>;
  client?: Record<string, unknown>;
  more?: readonly object[];
}

/** Two providers, one route over both (OpenAI first), one client: manifest 01 in small. */
export function objects(change: Objects = {}): object[] {
  return [
    object("AIProvider", "openai", {
      type: "OpenAI",
      auth: { apiKey: { secretRef: { name: "keys", key: "openai" } } },
      models: [{ name: "gpt-4o" }, { name: "embed" }],
      health: { path: "/models", interval: "1h", timeout: "5s", failureThreshold: 3 },
      ...change.openai,
    }),
    object("AIProvider", "azure-sweden", {
      type: "AzureOpenAI",
      endpoint: `https://${AZURE_HOST}`,
      apiVersion: "2024-10-21",
      auth: { apiKey: { secretRef: { name: "keys", key: "azure" } } },
      models: [
        { name: "gpt-4o", deployment: "gpt-4o-prod" },
        { name: "embed", deployment: "embed-small" },
      ],
      health: { path: "/models", interval: "1h", timeout: "5s", failureThreshold: 3 },
      ...change.azure,
    }),
    object("AIRoute", "chat", {
      models: ["gpt-4o", "embed"],
      backends: [
        { name: "openai", providerRef: { name: "openai" }, priority: 1 },
        { name: "azure", providerRef: { name: "azure-sweden" }, priority: 2 },
      ],
      failover: { retrySameProvider: 0, fallbackToNext: true },
      ...change.route,
    }),
    object("AIClient", "app", {
      keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }],
      ...change.client,
    }),
    ...(change.more ?? []),
  ];
}

export function object(kind: string, name: string, spec: object, namespace = "ai"): object {
  return { apiVersion: "tandem.dev/v1alpha1", kind, metadata: { name, namespace }, spec };
}

export interface Harness {
  readonly gateway: Gateway;
  readonly url: string;
  /** Compiles and applies; the verdicts say what came of it. */
  apply(
    objects: readonly object[],
    secrets?: Record<string, string>,
    rollouts?: ReadonlyMap<string, RolloutPosition>,
  ): readonly Verdict[];
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  chat(body?: object, headers?: Record<string, string>): Promise<Response>;
  status(): Promise<Record<string, unknown>>;
}

export interface HarnessOptions extends Partial<GatewayOptions> {
  readonly openai: string;
  readonly azure: string;
  readonly objects?: readonly object[];
}

export async function startHarness(options: HarnessOptions): Promise<Harness> {
  const pepper = new Redacted("pepper");
  const { openai, azure, objects: first, ...rest } = options;
  const gateway = await startGateway({
    listen: { host: "127.0.0.1", port: 0 },
    admin: { host: "127.0.0.1", port: 0 },
    settings: DEFAULT_SETTINGS,
    connectTo: new Map([
      [OPENAI_HOST, openai],
      [AZURE_HOST, azure],
    ]),
    log: SILENT,
    env: {},
    ...rest,
  });
  after(() => gateway.close({ drainMs: 0 }));
  let lastTable: Parameters<typeof compile>[1];
  const history: FormerTable[] = [];
  const harness: Harness = {
    gateway,
    url: gateway.url,
    apply(list, secrets = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY }, rollouts = new Map()) {
      const values = Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, new Redacted(value)]));
      const { facts, credentials } = describeSecret({ namespace: "ai", name: "keys", values }, pepper);
      const { table, verdicts } = compile(
        { objects: list, history, secrets: [facts], dev: false, rollouts },
        lastTable,
      );
      lastTable = table;
      const published = encodeTable(table);
      history.unshift({ hash: published.hash, route: (key) => table.routes.find((route) => route.key === key) });
      const applied = gateway.apply({
        published,
        credentials: new Map(credentials),
        pepper,
        idKeys: [new Redacted("harness-id-key")],
      });
      if (!applied.ok) throw new Error(applied.error.message);
      return verdicts;
    },
    post: (path, body, headers = {}) =>
      fetch(gateway.url + path, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${KEY}`, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    chat: (body = {}, headers) =>
      harness.post(
        "/v1/chat/completions",
        { model: "gpt-4o", messages: [{ role: "user", content: "Hi" }], ...body },
        headers,
      ),
    status: async () => (await fetch(`${gateway.adminUrl}/status`)).json() as Promise<Record<string, unknown>>,
  };
  harness.apply(first ?? objects());
  return harness;
}

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export async function errorOf(response: Response): Promise<ErrorBody["error"]> {
  return ((await response.json()) as ErrorBody).error;
}
