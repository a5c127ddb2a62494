/**
 * Would the cluster's network let this connection through?
 *
 * By the rules of networking.k8s.io/v1, as far as the chart uses them: a pod that a policy selects for a direction accepts
 * what any of its policies allows, and nothing else; both ends must let it through. Ports are numbers, no named ones.
 */
import type { KubeObject } from "./rendered.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Endpoint {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  /** Undefined: outside of the pod network. */
  readonly labels: Labels | undefined;
}

export interface Connection {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly port: number;
  readonly protocol?: "TCP" | "UDP";
}

interface Selector {
  readonly matchLabels?: Labels;
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
}

interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number; readonly protocol?: string }[];
}

interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export function isAllowed(objects: readonly KubeObject[], connection: Connection): boolean {
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy");
  return passes(policies, "Egress", connection) && passes(policies, "Ingress", connection);
}

function passes(policies: readonly KubeObject[], direction: "Ingress" | "Egress", connection: Connection): boolean {
  const isIn = direction === "Ingress";
  const subject = isIn ? connection.to : connection.from;
  const peer = isIn ? connection.from : connection.to;
  const selecting = policies.filter(({ metadata, spec }) => {
    const { podSelector, policyTypes } = spec as unknown as Policy;
    const isHere = metadata.namespace === subject.namespace && policyTypes.includes(direction);
    return isHere && subject.labels !== undefined && matches(podSelector, subject.labels);
  });
  if (selecting.length === 0) return true;
  return selecting.some(({ metadata, spec }) => {
    const { ingress = [], egress = [] } = spec as unknown as Policy;
    return (isIn ? ingress : egress).some((rule) => {
      return portAllowed(rule, connection) && peerAllowed(isIn ? rule.from : rule.to, peer, String(metadata.namespace));
    });
  });
}

function portAllowed({ ports }: Rule, { port, protocol = "TCP" }: Connection): boolean {
  return ports === undefined || ports.some((one) => one.port === port && (one.protocol ?? "TCP") === protocol);
}

function peerAllowed(peers: readonly Peer[] | undefined, { labels, ...where }: Endpoint, home: string): boolean {
  if (peers === undefined || peers.length === 0) return true;
  return peers.some(({ podSelector, namespaceSelector }) => {
    if (labels === undefined) return false;
    const isNamespace =
      namespaceSelector === undefined ? where.namespace === home : matches(namespaceSelector, where.namespaceLabels);
    return isNamespace && matches(podSelector ?? {}, labels);
  });
}

function matches({ matchLabels = {} }: Selector, labels: Labels): boolean {
  return Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
}
