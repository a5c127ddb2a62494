/**
 * What does the operator see of a proxy?
 *
 * A Pod and an admin port. Played here by a Pod object that no kubelet runs and a tiny server on a loopback address of
 * its own, which reads the published index as a proxy does and says about itself what the test wants.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { post, RELEASE, type Stage } from "./harness.ts";

export interface PlayedProvider {
  readonly provider: string;
  readonly healthy: boolean | null;
  readonly reason?: string;
  readonly message?: string;
}

const LABELS = {
  "app.kubernetes.io/name": "tandem",
  "app.kubernetes.io/instance": RELEASE,
  "app.kubernetes.io/component": "proxy",
};
/** 127.0.0.1 is everybody's. */
const FIRST_ADDRESS = 2;

export class PlayedProxy {
  readonly pod: string;
  readonly #stage: Stage;
  readonly #server: Server;
  /** What it runs; follows the index unless it is held. */
  #hash: string | null = null;
  #isHeld = false;
  #rejection: string | undefined;
  providers: readonly PlayedProvider[] = [];
  faults: readonly object[] = [];
  circuits: readonly object[] = [];
  instance = "";
  shadows: readonly object[] = [];
  sharedState: { readonly connected: boolean } | null = null;
  measures: readonly object[] = [];
  isSilent = false;
  /** How often it was asked. */
  asked = 0;
  /** How often it was asked with a token that is not the companion Secret's. */
  refused = 0;

  private constructor(stage: Stage, pod: string) {
    this.#stage = stage;
    this.pod = pod;
    this.#server = createServer((request, response) => {
      const answer = (status: number, body: object) => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      };
      // It keeps no usage.
      if (request.url === "/status/usage") return answer(503, {});
      this.asked++;
      if (this.isSilent || request.url !== "/status/summary") return answer(503, {});
      void this.#isAllowed(request.headers.authorization)
        .then(async (allowed) => {
          if (!allowed) this.refused++;
          answer(allowed ? 200 : 401, allowed ? await this.#summary() : {});
        })
        .catch(() => answer(503, {}));
    });
  }

  /** The `n`th, from 0, of a stage. */
  static async start(stage: Stage, n: number): Promise<PlayedProxy> {
    const proxy = new PlayedProxy(stage, `proxy-${n}`);
    const address = `127.0.0.${FIRST_ADDRESS + n}`;
    proxy.#server.listen(0, address);
    await once(proxy.#server, "listening");
    proxy.#server.unref();
    const { port } = proxy.#server.address() as AddressInfo;
    const metadata = { name: proxy.pod, labels: LABELS };
    const containers = [{ name: "proxy", image: "tandem", ports: [{ name: "admin", containerPort: port }] }];
    await post(stage.server, stage.ownPath("pods"), { apiVersion: "v1", kind: "Pod", metadata, spec: { containers } });
    await proxy.beReady(true, address);
    return proxy;
  }

  async beReady(isReady: boolean, address?: string): Promise<void> {
    const path = `${this.#stage.ownPath("pods", this.pod)}/status`;
    const ip = address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] };
    const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
    const patch = { status: { phase: "Running", ...ip, conditions } };
    const options = { contentType: "application/merge-patch+json" };
    const answer = await this.#stage.server.call("PATCH", path, patch, options);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  /** Stays at what the index says now. */
  async hold(): Promise<void> {
    this.#hash = (await this.#stage.hash()) || null;
    this.#isHeld = true;
  }

  /** Stays, and says why. */
  async reject(message: string): Promise<void> {
    await this.hold();
    this.#rejection = message;
  }

  follow(): void {
    this.#isHeld = false;
    this.#rejection = undefined;
  }

  /** The Pod goes, at once. */
  async end(): Promise<void> {
    await this.#stage.remove(`${this.#stage.ownPath("pods", this.pod)}?gracePeriodSeconds=0`);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #isAllowed(authorization: string | undefined): Promise<boolean> {
    const token = (await this.#stage.companion())?.data?.["admin-token"] ?? "";
    return token !== "" && authorization === `Bearer ${Buffer.from(token, "base64").toString("utf8")}`;
  }

  async #summary(): Promise<object> {
    const wanted = await this.#stage.hash();
    if (!this.#isHeld) this.#hash = wanted || null;
    const isRejecting = this.#rejection !== undefined && wanted !== this.#hash;
    return {
      table: this.#hash === null ? null : { hash: this.#hash },
      rejected: isRejecting ? { hash: wanted, message: this.#rejection } : null,
      draining: false,
      providers: this.providers,
      faults: this.faults,
      circuits: this.circuits,
      instance: this.instance,
      shadows: this.shadows,
      sharedState: this.sharedState,
      measures: this.measures,
    };
  }
}
