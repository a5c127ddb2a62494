/** Does every backend really answer? One tiny request to each, the cost said first. */

import { Authorizations } from "../proxy/authorization/authorizations.ts";
import { readProviderError } from "../proxy/dialects/provider-error.ts";
import { Connections } from "../proxy/upstream/connections.ts";
import type { WholeAnswer } from "../proxy/upstream/whole-answer.ts";
import { NANO_PER_USD } from "../routing/budgets/money.ts";
import { ANY_MODEL, type Candidate, candidates } from "../routing/choose.ts";
import { ratesOf } from "../routing/cost.ts";
import { findPrice } from "../routing/prices.ts";
import { type Credentials, describeSecret } from "../routing/secrets.ts";
import type { Route, RoutingTable } from "../routing/table.ts";
import { isAccepted } from "../routing/verdict.ts";
import { readConnectTo } from "./addresses.ts";
import { type Command, CommandError, type Given } from "./command.ts";
import { compiled, PEPPER, SOURCE_OPTIONS } from "./compiled.ts";
import { readSettings } from "./settings-file.ts";
import { linesOf, printable, tell } from "./tell.ts";
import { ask, INPUT_TOKENS, OUTPUT_TOKENS } from "./tiny-request.ts";

/** A request of a few tokens costs far less than a cent. */
const COST_DIGITS = 6;

export const check: Command = {
  name: "check",
  summary: "one tiny real request to each backend: key, deployment, model, region, latency",
  options: [
    ...SOURCE_OPTIONS,
    { name: "route", value: "ROUTE", help: "only this route, NAME or NAMESPACE/NAME" },
    { name: "settings", value: "FILE", help: "settings of the gateway: egress counts here too" },
    { name: "dev", help: "as tandem run --dev" },
    { name: "connect-to", value: "HOST=URL", many: true, help: "as tandem run --connect-to (with --dev)" },
  ],
  examples: ["tandem check --manifests manifests/", "tandem check --manifests manifests/ --route gpt-4o"],
  run: runCheck,
};

/** A backend of a route with one of the models that it serves. */
interface Probe extends Candidate {
  readonly route: string;
}

async function runCheck(given: Given): Promise<number> {
  const dev = given.isOn("dev");
  const connectTo = readConnectTo(given.list("connect-to"), dev);
  const { egress } = await readSettings(given.text("settings"));
  const all = await compiled(given);
  for (const verdict of all.verdicts.filter((one) => !isAccepted(one))) linesOf(verdict, all.loaded).forEach(tell);
  const probes = probesOf(all.table, given.text("route"));
  if (probes.length === 0) throw new CommandError("no backend is in force: tandem compile tells why");
  tell(costOf(probes));
  const credentials: Credentials = new Map(
    all.loaded.secrets.flatMap((secret) => describeSecret(secret, PEPPER).credentials),
  );
  const connections = new Connections({ egress, connectTo, env: given.env });
  const authorizations = new Authorizations({ connections, env: given.env });
  const ok = await askAll({ connections, credentials, authorizations }, probes);
  authorizations.close();
  await connections.destroy();
  process.stdout.write(`${ok} of ${probes.length} backends answer\n`);
  return ok === probes.length ? 0 : 1;
}

/** How many answered. One after the other: the latencies are those of a quiet moment. */
async function askAll(line: Parameters<typeof ask>[0], probes: readonly Probe[]): Promise<number> {
  const answers = new Map<string, WholeAnswer>();
  let ok = 0;
  for (const probe of probes) {
    const answer = answers.get(targetOf(probe)) ?? (await ask(line, probe));
    answers.set(targetOf(probe), answer);
    const fault = faultOf(probe, answer);
    if (fault === undefined) ok++;
    const name = `${probe.route} ${probe.backend.name}`;
    process.stdout.write(
      `${fault === undefined ? "ok  " : "FAIL"} ${name}: ${printable(fault ?? success(probe, answer))}\n`,
    );
  }
  return ok;
}

/** Backends with the same target are asked once. */
function targetOf({ provider, upstreamModel }: Probe): string {
  return `${provider.key} ${upstreamModel}`;
}

function probesOf(table: RoutingTable, wanted: string | undefined): Probe[] {
  const routes = table.routes.filter(({ name, key }) => wanted === undefined || wanted === name || wanted === key);
  if (routes.length === 0 && wanted !== undefined) throw new CommandError(`there is no route ${wanted} in force`);
  return routes.flatMap((route) => {
    const found = modelsOf(table, route).flatMap((model) => candidates(table, route, model).candidates);
    const probes = found.map((candidate) => ({ ...candidate, route: route.key }));
    return [...new Map(probes.map((probe) => [`${probe.backend.name} ${targetOf(probe)}`, probe])).values()];
  });
}

/** Under `*`, what the route's providers list: any other name is anybody's guess. */
function modelsOf(table: RoutingTable, route: Route): string[] {
  const listed = () => route.backends.flatMap(({ provider }) => Object.keys(table.providers[provider]?.models ?? {}));
  return route.models.flatMap((model) => (model === ANY_MODEL ? listed() : [model]));
}

function costOf(probes: readonly Probe[]): string {
  const asked = [...new Map(probes.map((probe) => [targetOf(probe), probe])).values()];
  const costs = asked.map(({ provider, model, modelName }) => {
    const found = findPrice(provider, model, modelName);
    if (found === undefined) return undefined;
    const { input = 0, output = 0 } = ratesOf(found.price).tokens;
    return (input * INPUT_TOKENS + output * OUTPUT_TOKENS) / NANO_PER_USD;
  });
  const known = costs.filter((cost) => cost !== undefined);
  const dollars = known.reduce((sum, cost) => sum + cost, 0);
  const unpriced = asked.length - known.length;
  const rest = unpriced > 0 ? `, and ${unpriced} of them have no price` : "";
  return `this sends ${asked.length} real requests, which cost at most about $${dollars.toFixed(COST_DIGITS)}${rest}`;
}

const FIXES: Readonly<Record<number, string>> = {
  401: "the key is refused: check spec.auth and its Secret",
  403: "the call is forbidden: check the key's rights and the network rules of the resource",
  404: "check spec.models[].deployment (or name), spec.endpoint and spec.apiVersion",
  429: "the key is right, and the quota is used up for now",
};
/** Where they differ for a provider with Entra ID. */
const ENTRA_FIXES: Readonly<Record<number, string>> = {
  401: "the token is refused: check spec.auth.entraID.scope and the application's role on the resource",
};
/** Its message may show parts of the key. */
const WRONG_KEY = 401;
/** The model began to think and had no tokens left for words: it is there and the key is right. */
const CUT_SHORT = /max_tokens or model output limit/i;

/** One clause, or undefined when all is well. */
function faultOf(probe: Probe, { status, body, failure }: WholeAnswer): string | undefined {
  if (failure !== undefined) return `${describe(probe)}: ${failure}`;
  if (status === 200) return undefined;
  const { code, message } = readProviderError(status, body);
  if (status === 400 && CUT_SHORT.test(message)) return undefined;
  const said = status === WRONG_KEY ? "" : ` ${message}`;
  const fix = (probe.provider.auth.kind === "EntraID" ? ENTRA_FIXES[status] : undefined) ?? FIXES[status];
  return `${describe(probe)}: ${status}${code === null ? "" : ` ${code}`}${said}${fix ? ` (${fix})` : ""}`;
}

function success(probe: Probe, { body, headers, took }: WholeAnswer): string {
  const region = headers["x-ms-region"];
  const where = region === undefined ? "" : ` in ${region}`;
  return `${describe(probe)}: answered by ${modelIn(body) ?? probe.upstreamModel}${where} in ${Math.round(took)} ms`;
}

function describe({ provider, upstreamModel }: Probe): string {
  return `${provider.key}, ${provider.type === "AzureOpenAI" ? "deployment" : "model"} ${upstreamModel}`;
}

function modelIn(body: Buffer): string | undefined {
  try {
    const { model } = JSON.parse(body.toString("utf8")) as { model?: unknown };
    return typeof model === "string" ? model : undefined;
  } catch {
    return undefined;
  }
}
