/** How do the tests of realtime put a gateway over both simulated providers, and how do clients reach it over TLS? */
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { after } from "node:test";
import { createServer } from "node:tls";
import { WebSocket } from "ws";
import { type RunningSimulators, startSimulators } from "../../simulators/main.ts";
import {
  AZURE_KEY,
  type Harness,
  type HarnessOptions,
  KEY,
  OPENAI_KEY,
  object,
  startHarness,
} from "../proxy/harness.ts";
import { certificatesFor } from "../proxy/upstream/servers.ts";
import { client } from "./over-simulators.ts";

export const MODEL = "gpt-realtime";
export const DEPLOYMENT = "realtime-prod";

/** What answers behind the gateway, and which of the two forms it speaks. */
export const BACKENDS = { OpenAI: "ga", "Azure, v1": "ga", "Azure, dated": "preview" } as const;
export type Backend = keyof typeof BACKENDS;

export async function realtimeSimulators(): Promise<RunningSimulators> {
  const running = await startSimulators({
    options: { counting: "estimate", keepBodyBytes: 65_536 },
    openai: { keys: [OPENAI_KEY] },
    azure: { keys: [AZURE_KEY], deployments: [{ name: DEPLOYMENT, model: MODEL }] },
  });
  after(() => running.close());
  return running;
}

const HEALTH = { path: "/models", interval: "1h", timeout: "5s", failureThreshold: 3 };
const auth = (key: string) => ({ apiKey: { secretRef: { name: "keys", key } } });

export function openai(name = "openai", spec: object = {}): object {
  const models = [{ name: MODEL }, { name: "gpt-4o-transcribe" }];
  return object("AIProvider", name, { type: "OpenAI", auth: auth("openai"), models, health: HEALTH, ...spec });
}

export function azure(apiVersion: string, spec: object = {}): object {
  return object("AIProvider", "azure", {
    type: "AzureOpenAI",
    endpoint: "https://contoso-sweden.openai.azure.com",
    apiVersion,
    auth: auth("azure"),
    models: [
      { name: MODEL, deployment: DEPLOYMENT },
      { name: "gpt-4o-transcribe", deployment: "hear-prod" },
    ],
    health: HEALTH,
    ...spec,
  });
}

export function route(providers: readonly string[], spec: object = {}): object {
  return object("AIRoute", "voice", {
    models: [MODEL, "gpt-4o-transcribe"],
    backends: providers.map((name, at) => ({ name, providerRef: { name }, priority: at + 1 })),
    failover: { retrySameProvider: 0, fallbackToNext: true },
    ...spec,
  });
}

export function behind(backend: Backend): object[] {
  if (backend === "OpenAI") return [openai(), route(["openai"]), client()];
  return [azure(backend === "Azure, v1" ? "v1" : "2025-04-01-preview"), route(["azure"]), client()];
}

export function gatewayOver(
  simulators: RunningSimulators,
  objects: readonly object[],
  options: Partial<HarnessOptions> = {},
): Promise<Harness> {
  return startHarness({ openai: simulators.openaiUrl, azure: simulators.azureUrl, objects, ...options });
}

const certificates = certificatesFor("localhost");

/** What official clients need: they connect to `wss:` only. Ends TLS in front of a gateway, as an ingress would. */
export async function overTLS(url: string): Promise<{ readonly url: string; readonly ca: string }> {
  if (!certificates) throw new Error("openssl is needed for this test");
  const { hostname, port } = new URL(url);
  const server = createServer({ key: certificates.key, cert: certificates.cert }, (near) => {
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, ca: certificates.ca };
}

/** One event as both sides write it. */
export type Event = { readonly type: string; readonly [field: string]: unknown };

/** A raw socket that keeps what it hears. */
export class Peer {
  readonly socket: WebSocket;
  readonly events: Event[] = [];
  readonly frames: string[] = [];
  readonly headers: Record<string, string | string[] | undefined> = {};
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("upgrade", (answer) => Object.assign(this.headers, answer.headers));
    socket.on("message", (data) => {
      this.frames.push(String(data));
      this.events.push(JSON.parse(String(data)) as Event);
    });
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
    after(() => socket.terminate());
  }

  static async open(
    url: string,
    headers: Record<string, string> = { authorization: `Bearer ${KEY}` },
    protocols: readonly string[] = [],
  ): Promise<Peer> {
    const peer = new Peer(new WebSocket(url.replace(/^http/, "ws"), [...protocols], { headers }));
    await new Promise<void>((resolve, reject) => {
      peer.socket.once("open", resolve);
      peer.socket.once("unexpected-response", (_request, answer) => reject(new Error(`refused: ${answer.statusCode}`)));
      peer.socket.once("error", reject);
    });
    return peer;
  }

  send(event: object): void {
    this.socket.send(JSON.stringify(event));
  }

  /** The first event of this type, heard already or yet to come. */
  async until(type: string, count = 1): Promise<Event> {
    for (let i = 0; i < 500; i++) {
      const found = this.events.filter((event) => event.type === type);
      if (found.length >= count) return found[count - 1] as Event;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${type} did not come; came: ${this.events.map((event) => event.type).join(", ")}`);
  }

  say(text: string): void {
    const content = [{ type: "input_text", text }];
    this.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    this.send({ type: "response.create" });
  }

  async close(code = 1000): Promise<{ readonly code: number; readonly reason: string }> {
    this.socket.close(code);
    return this.closed;
  }
}

export interface Refused {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** The plain answer to a handshake that is refused. */
export function refused(
  url: string,
  headers: Record<string, string> = { authorization: `Bearer ${KEY}` },
  protocols: readonly string[] = [],
): Promise<Refused> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, "ws"), [...protocols], { headers });
    socket.on("open", () => {
      socket.terminate();
      reject(new Error("it was not refused"));
    });
    socket.on("unexpected-response", (_request, answer) => {
      let text = "";
      answer.on("data", (part) => {
        text += part;
      });
      answer.on("end", () => {
        const { error } = JSON.parse(text) as Pick<Refused, "error">;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, error });
      });
    });
    socket.on("error", reject);
  });
}
