/**
 * How does a client see a Service of Kubernetes?
 *
 * New connections go to an endpoint that the Service has at that moment; connections that stand stay where they are. No
 * request is ever tried twice.
 */
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { KEY } from "./harness.ts";

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Whether the connection had been used before. */
  readonly reused: boolean;
}

export class Service {
  /** Where new connections go: `http://127.0.0.1:8080`. */
  endpoint: string;
  readonly answers: Answered[] = [];
  readonly failures: string[] = [];
  #isOver = false;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  /** Keeps as many connections as are in use at once; each client has its own. */
  client(): Agent {
    const agent = new Agent({ keepAlive: true });
    const target = () => new URL(this.endpoint);
    return Object.assign(agent, {
      createConnection: () => connect({ host: target().hostname, port: Number(target().port), noDelay: true }),
    });
  }

  chat(agent: Agent, body: object = {}, key: string = KEY): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const sent = request("http://gateway/v1/chat/completions", { method: "POST", agent, headers }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        answer.on("error", reject);
        answer.on("end", () => {
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, reused: sent.reusedSocket });
        });
      });
      sent.on("error", reject);
      sent.end(JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }], ...body }));
    });
  }

  /** Asks again and again, with a pause of up to so many milliseconds, until `stop`. */
  async ask(pauseMs: number, key?: string): Promise<void> {
    const agent = this.client();
    while (!this.#isOver) {
      try {
        const answer = await this.chat(agent, {}, key);
        this.answers.push(answer);
        if (answer.status !== 200) this.failures.push(`${answer.status} ${answer.text}`);
      } catch (error) {
        this.failures.push(`${(error as NodeJS.ErrnoException).code}: ${(error as Error).message}`);
      }
      await sleep(Math.random() * pauseMs);
    }
    agent.destroy();
  }

  stop(): void {
    this.#isOver = true;
  }
}
