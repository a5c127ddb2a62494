/** `tandem proxy` in a process of its own, beside a real API server, over simulated providers. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import type { startSimulators } from "../../simulators/main.ts";
import { type Started, start, temporaryFolder } from "../cli/tandem.ts";
import type { ApiServer } from "../control-plane/api-server.ts";
import { Cable } from "./cable.ts";
import { KEY } from "./harness.ts";
import { StandInOperator } from "./stand-in-operator.ts";

export interface Summary {
  readonly table: { readonly hash: string } | null;
  readonly rejected: { readonly hash?: string; readonly message: string } | null;
  readonly draining: boolean;
  readonly providers: readonly { readonly provider: string; readonly healthy: boolean | null }[];
  readonly faults: readonly { readonly provider: string; readonly status: number; readonly at: string }[];
}

export interface Source {
  readonly lastContact: string | null;
  readonly isLastGood: boolean;
  readonly problem: string | null;
}

export type Simulators = Awaited<ReturnType<typeof startSimulators>>;

/** One release in a namespace of its own, as far as a proxy sees it. */
export class Installed {
  readonly operator: StandInOperator;
  readonly cable: Cable;
  readonly state: string;
  /** Where a test puts what the kubelet would mount. */
  readonly companion: string;
  readonly #flags: readonly string[];

  private constructor(operator: StandInOperator, cable: Cable, folder: string, flags: readonly string[]) {
    this.operator = operator;
    this.cable = cable;
    this.state = join(folder, "state");
    this.companion = join(folder, "companion");
    this.#flags = flags;
  }

  static async in(server: ApiServer, namespace: string, simulators: Simulators): Promise<Installed> {
    await server.call("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
    const operator = new StandInOperator(server, namespace, "tandem");
    const cable = await Cable.to(Number(new URL(server.url).port));
    const folder = await temporaryFolder();
    const kubeconfig = join(folder, "kubeconfig");
    const config = server.kubeconfig(await operator.proxyToken());
    await writeFile(kubeconfig, config.replace(server.url, `https://127.0.0.1:${cable.port}`));
    return new Installed(operator, cable, folder, [
      ...["--release", "tandem", "--namespace", namespace, "--kubeconfig", kubeconfig],
      ...["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dev"],
      ...["--connect-to", `api.openai.com=${simulators.openaiUrl}`],
      ...["--connect-to", `contoso-sweden.openai.azure.com=${simulators.azureUrl}`],
    ]);
  }

  /** Listening; whether it serves is another question. */
  async start(more: readonly string[] = []): Promise<ProxyProcess> {
    const started = start(["proxy", ...this.#flags, "--state", this.state, "--companion", this.companion, ...more]);
    const [, url = "", adminUrl = ""] = await started.says(/"listen":"([^"]+)","admin":"([^"]+)"/);
    return new ProxyProcess(started, url, adminUrl);
  }

  /** As the kubelet mounts a Secret, with its own hidden files beside. */
  async mount(data: Readonly<Record<string, string>>): Promise<void> {
    await rm(this.companion, { recursive: true, force: true });
    await mkdir(join(this.companion, "..data"), { recursive: true });
    for (const [name, value] of Object.entries(data)) {
      await writeFile(join(this.companion, name), Buffer.from(value, "base64"));
    }
  }
}

export class ProxyProcess {
  readonly started: Started;
  readonly url: string;
  readonly adminUrl: string;

  constructor(started: Started, url: string, adminUrl: string) {
    this.started = started;
    this.url = url;
    this.adminUrl = adminUrl;
  }

  async chat(key: string = KEY): Promise<{ status: number; provider: string | null; code: string | undefined }> {
    const response = await fetch(`${this.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] }),
    });
    const body = (await response.json()) as { error?: { code?: string } };
    return { status: response.status, provider: response.headers.get("x-tandem-provider"), code: body.error?.code };
  }

  async hash(): Promise<string | undefined> {
    return (await this.summary()).table?.hash;
  }

  async summary(): Promise<Summary> {
    return (await this.#json("/status/summary")) as Summary;
  }

  async source(): Promise<Source> {
    return ((await this.#json("/status")) as { source: Source }).source;
  }

  async ready(): Promise<boolean> {
    return (await fetch(`${this.adminUrl}/readyz`)).status === 200;
  }

  async metric(name: string): Promise<number | undefined> {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  }

  /** As somebody outside: the Host header is not loopback's. */
  statusFrom(host: string, token?: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { host, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
      request(`${this.adminUrl}/status/summary`, { headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on("error", reject)
        .end();
    });
  }

  kill(): void {
    this.started.child.kill("SIGKILL");
  }

  async #json(path: string): Promise<unknown> {
    return await (await fetch(this.adminUrl + path)).json();
  }
}
