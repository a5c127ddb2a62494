/**
 * How are the keys of an identity provider fetched?
 *
 * As everything else that leaves: through the forward proxy of `egress`, with limits of time and size, and without following
 * redirects. Whoever names the address also sets `egress`, so private addresses are as good as public ones; what is a node's
 * or a cloud's own is not.
 */
import type { EgressSettings } from "../settings.ts";
import { Connections, type ConnectionsOptions, type Endpoint } from "../upstream/connections.ts";
import { wholeAnswer } from "../upstream/whole-answer.ts";

/** Where identity providers stand, beside the internet: in the cluster, in the company, on the laptop. */
const INSIDE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "127.0.0.0/8", "::1/128"];
const CONNECT_TIMEOUT_MS = 5_000;
const LIMITS = { timeout: 5_000, bytes: 1024 * 1024 };

export interface KeysLine {
  /** As `fetch`, for one GET. Rejects when there is no answer. */
  fetch(url: string, options: { readonly headers: Headers }): Promise<Response>;
  close(): void;
}

export function keysLine(url: string, options: Pick<ConnectionsOptions, "egress" | "connectTo" | "env">): KeysLine {
  const connections = new Connections({ ...options, egress: withInside(options.egress) });
  const { origin, host } = new URL(url);
  const endpoint: Endpoint = { key: origin, endpoint: origin, timeouts: { connect: CONNECT_TIMEOUT_MS } };
  const dispatcher = connections.dispatcherFor(endpoint, new Map());
  return {
    async fetch(asked, { headers }) {
      const { pathname, search } = new URL(asked);
      const request = { method: "GET" as const, path: pathname + search };
      const own = { ...Object.fromEntries(headers), host };
      const { status, body, failure } = await wholeAnswer(dispatcher, { ...request, headers: own }, LIMITS);
      if (failure !== undefined) throw new Error(failure);
      return new Response(new Uint8Array(body), { status });
    },
    close: () => void connections.destroy(),
  };
}

function withInside(egress: EgressSettings): EgressSettings {
  return { ...egress, allowedCIDRs: [...egress.allowedCIDRs, ...INSIDE, ...egress.clusterCIDRs] };
}
