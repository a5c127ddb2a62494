/**
 * What is the status of each object, by the compiler's verdict and by what the proxies say?
 *
 * Pure. `lastTransitionTime` is added by who writes it.
 */
import type { Condition, Verdict } from "../routing/verdict.ts";
import type { ProxyState } from "./fleet.ts";
import { ROLLOUT_CONDITIONS, rolloutStatus } from "./rollout-status.ts";
import type { RolloutState } from "./rollouts.ts";
import type { ShadowStatus } from "./shadows.ts";
import type { Tables } from "./tables.ts";

export interface DesiredStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
  /** `endpoint`, `models`, `weights`, `proxies`: what columns show beside conditions. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The side of a blue-green route that takes all traffic; the status says since when, and which did before. */
  readonly activeBackend?: string | undefined;
  /** Proxies are about to take the table: the next look will say more. */
  readonly isPassing: boolean;
}

export interface FleetView {
  readonly proxies: readonly ProxyState[];
  readonly tables: Tables;
  /** By route. */
  readonly shadows: ReadonlyMap<string, ShadowStatus>;
  /** Keys of the clients that have limits. */
  readonly limited: ReadonlySet<string>;
  /** Of a client's usage; undefined: nothing is counted of it. */
  usage(client: string): object | undefined;
  /** By route. */
  readonly rollouts: ReadonlyMap<string, RolloutState>;
}

/** Conditions that an object has at times: the others are always there, and somebody else may have added more. */
export const MAY_GO: readonly string[] = ["LimitsExact", "Pinned"];

/** What was said before of the same verdict, and of what the proxies said then. */
const saidBefore = new WeakMap<Verdict, { readonly basis: string; readonly desired: DesiredStatus }>();

/** The same object for the same verdict and the same words of the proxies. */
export function desiredStatus(verdict: Verdict, fleet: FleetView): DesiredStatus {
  const basis = basisOf(verdict, fleet);
  const before = saidBefore.get(verdict);
  if (before !== undefined && before.basis === basis) return before.desired;
  const desired = statusOf(verdict, fleet);
  saidBefore.set(verdict, { basis, desired });
  return desired;
}

/** All of what proxies say that this object's status is made of. */
function basisOf(
  { kind, namespace, name }: Verdict,
  { proxies, tables, shadows, rollouts, limited, usage }: FleetView,
): string {
  const key = `${namespace}/${name}`;
  if (kind === "AIClient") {
    const exactness = limited.has(key) ? (limitsExact(proxies)?.message ?? "") : "";
    return `${exactness}\n${JSON.stringify(usage(key) ?? "")}`;
  }
  if (kind === "AIProvider") {
    return JSON.stringify(proxies.map(({ report }) => report?.providers.find(({ provider }) => provider === key) ?? 0));
  }
  const shadow = shadows.get(key);
  const rollout = rollouts.get(key);
  const { hash, sequence } = rollout?.memory ?? {};
  const said = [shadow && JSON.stringify(shadow), rollout && `${hash} ${sequence} ${rollout.isHeld}`];
  return `${said.join("\n")}\n${programsOf(key, proxies, tables)}`;
}

function programsOf(key: string, proxies: readonly ProxyState[], tables: Tables): string {
  return proxies
    .map(({ pod, report }) => {
      const generation = tables.get(report?.table?.hash ?? "")?.generations.get(key);
      return `${pod} ${report === undefined ? "silent" : generation} ${report?.rejected?.message ?? ""}`;
    })
    .join("\n");
}

function statusOf(verdict: Verdict, fleet: FleetView): DesiredStatus {
  const { generation } = verdict;
  const { activeBackend, ...columns } = verdict.columns;
  const extra = verdict.kind === "AIRoute" ? routeStatus(verdict, fleet) : undefined;
  const rollout = verdict.kind === "AIRoute" ? rolloutStatus(rolloutOf(verdict, fleet)) : undefined;
  const conditions = [
    ...verdict.conditions,
    ...(extra?.conditions ?? []),
    ...(rollout?.conditions ?? []),
    ...(verdict.kind === "AIProvider" ? [healthy(verdict, fleet)] : []),
  ];
  return {
    observedGeneration: generation,
    conditions: [...conditions, ready(conditions), ...ofLimits(verdict, fleet)],
    fields: {
      ...columns,
      ...extra?.fields,
      ...usageOf(verdict, fleet),
      ...(verdict.kind === "AIRoute" && { shadow: shadowOf(verdict, fleet) }),
      ...(rollout && { rollout: rollout.field }),
    },
    activeBackend,
    isPassing: extra?.isPassing ?? false,
  };
}

/** Undefined takes out what stood there. */
function shadowOf({ namespace, name }: Verdict, { shadows }: FleetView): ShadowStatus | undefined {
  return shadows.get(`${namespace}/${name}`);
}

/** A client is ready without it: its limits hold all the same, in shares. */
function ofLimits({ kind, namespace, name }: Verdict, { proxies, limited }: FleetView): readonly Condition[] {
  const condition = kind === "AIClient" && limited.has(`${namespace}/${name}`) ? limitsExact(proxies) : undefined;
  return condition === undefined ? [] : [condition];
}

/** Undefined: there is no shared state, or nobody to ask. */
function limitsExact(proxies: readonly ProxyState[]): Condition | undefined {
  const reports = proxies.flatMap(({ report }) => (report === undefined ? [] : [report]));
  if (reports.every(({ sharedState }) => sharedState === null)) return undefined;
  const lacking = reports.filter(({ sharedState }) => !sharedState?.connected).length;
  const all = `${reports.length} ${reports.length === 1 ? "proxy" : "proxies"}`;
  if (lacking === 0) {
    const message = `The shared state counts for ${all} together.`;
    return { type: "LimitsExact", status: "True", reason: "SharedState", message };
  }
  const message = `${lacking} of ${all} cannot reach the shared state: there each proxy's share of the limits applies.`;
  return { type: "LimitsExact", status: "False", reason: "SharesApply", message };
}

function usageOf({ kind, namespace, name }: Verdict, fleet: FleetView): object {
  const usage = kind === "AIClient" ? fleet.usage(`${namespace}/${name}`) : undefined;
  return usage === undefined ? {} : { usage };
}

function rolloutOf({ namespace, name }: Verdict, { rollouts }: FleetView): RolloutState | undefined {
  return rollouts.get(`${namespace}/${name}`);
}

/** What must hold of each condition for the whole to be ready. Healthy may be unknown: not everybody has checks. */
function ready(conditions: readonly Condition[]): Condition {
  const judged = conditions.filter(({ type }) => !ROLLOUT_CONDITIONS.has(type));
  const fault = judged.find(({ type, status }) => (type === "Healthy" ? status === "False" : status !== "True"));
  if (fault === undefined) return { type: "Ready", status: "True", reason: "Ready", message: "" };
  const status = fault.status === "Unknown" ? "Unknown" : "False";
  return { type: "Ready", status, reason: fault.reason, message: `See ${fault.type}.` };
}

function routeStatus({ namespace, name, generation, conditions }: Verdict, { proxies, tables }: FleetView) {
  const key = `${namespace}/${name}`;
  const generationAt = ({ report }: ProxyState) => tables.get(report?.table?.hash ?? "")?.generations.get(key);
  const accepted = conditions.some(({ type, status }) => type === "Accepted" && status === "True");
  const serving = proxies.length;
  const programmed = accepted ? proxies.filter((proxy) => generationAt(proxy) === generation).length : 0;
  const rejections = proxies.flatMap(({ pod, report }) => (report?.rejected ? [{ pod, ...report.rejected }] : []));
  const rejected = rejections[0];
  const condition = (status: Condition["status"], reason: string, message: string) => {
    const fields = { proxies: { serving, programmed } };
    const isPassing = reason === "Pending";
    return { conditions: [{ type: "Programmed", status, reason, message }], fields, isPassing };
  };
  const count = `${programmed} of ${serving} ${serving === 1 ? "proxy" : "proxies"}`;
  if (!accepted) return condition("False", "NotAccepted", "This generation is in no table: see Accepted.");
  if (serving === 0) return condition("Unknown", "NoProxies", "No proxy serves.");
  if (programmed === serving) return condition("True", "Programmed", `Runs on ${count}.`);
  if (rejected !== undefined) {
    const message = `Runs on ${count}. ${rejected.pod} refused ${shown(rejected.hash)}: ${rejected.message}`;
    return condition("False", "Rejected", message);
  }
  const silent = proxies.filter(({ report }) => report === undefined).map(({ pod }) => pod);
  const why =
    silent.length === 0 ? "" : ` No answer from ${silent.slice(0, 3).join(", ")}${silent.length > 3 ? ", …" : ""}.`;
  return condition("False", "Pending", `Generation ${generation} runs on ${count}.${why}`);
}

function shown(hash: string | undefined): string {
  return hash === undefined ? "a table" : `table ${hash.slice(0, 12)}`;
}

/** As most proxies see it. */
function healthy({ namespace, name, conditions }: Verdict, { proxies }: FleetView): Condition {
  const key = `${namespace}/${name}`;
  const views = proxies.flatMap(({ report }) => report?.providers.filter(({ provider }) => provider === key) ?? []);
  const known = views.filter((view) => view.healthy !== null);
  const bad = known.filter((view) => view.healthy === false);
  const condition = (status: Condition["status"], reason: string, message: string): Condition => {
    return { type: "Healthy", status, reason, message };
  };
  if (conditions.some(({ status }) => status !== "True")) {
    return condition("Unknown", "NotServed", "It is in no table: see Accepted and ResolvedRefs.");
  }
  if (proxies.length === 0) return condition("Unknown", "NoProxies", "No proxy serves.");
  if (known.length === 0)
    return condition("Unknown", "NotChecked", "No proxy has checked it yet, or spec.health is absent.");
  const count = (n: number) => `${n} of ${known.length} ${known.length === 1 ? "proxy" : "proxies"}`;
  if (bad.length * 2 <= known.length) {
    const doubt = bad.length === 0 ? "" : ` ${count(bad.length)} cannot reach it: ${bad[0]?.message ?? ""}`.trimEnd();
    return condition("True", "Healthy", `Healthy for ${count(known.length - bad.length)}.${doubt}`);
  }
  const reason = bad[0]?.reason ?? "Unhealthy";
  return condition("False", reason, `${count(bad.length)}: ${bad[0]?.message ?? "the health check fails"}`);
}
