/** For one hypothetical request: who would be asked, in which order, and who not and why. */
import { explain, type Hints } from "../routing/explain.ts";
import { explanationText } from "../routing/explain-text.ts";
import type { RoutingTable } from "../routing/table.ts";
import { ZONES, type Zone } from "../routing/zones.ts";
import { type Command, type Given, UsageError } from "./command.ts";
import { compiled, SOURCE_OPTIONS } from "./compiled.ts";

export const explainCommand: Command = {
  name: "explain",
  summary: "for one hypothetical request: who would be asked, in which order, and who not and why",
  options: [
    ...SOURCE_OPTIONS,
    { name: "model", value: "MODEL", required: true, help: "the model that is asked for" },
    { name: "client", value: "CLIENT", help: "who asks: an AIClient, NAME or NAMESPACE/NAME" },
    {
      name: "namespace",
      value: "NAMESPACE",
      help: "where a caller without a client belongs, and a client's NAME is looked for",
    },
    {
      name: "residency",
      value: "ZONE",
      help: `where a caller belongs of whom no AIClient says it: ${ZONES.join(", ")}`,
    },
    { name: "header", value: "NAME=VALUE", many: true, help: "a header of the request (sticky rules read them)" },
    { name: "field", value: "NAME=VALUE", many: true, help: "a top-level text of the body, such as user" },
    { name: "input-tokens", value: "COUNT", help: "how long the request is, for strategy Cost (1000)" },
    { name: "output-tokens", value: "COUNT", help: "how long its answer is, for strategy Cost (250)" },
    { name: "unavailable", value: "PROVIDER[/MODEL]", many: true, help: "what if this provider, or its model, failed" },
    { name: "output", short: "o", value: "FORMAT", default: "text", help: "text or json" },
    { name: "dev", help: "as tandem run --dev" },
  ],
  examples: [
    "tandem explain --manifests examples/quickstart --model gpt-4o --client demo",
    "tandem explain --manifests examples/quickstart examples/02-canary.yaml --model gpt-4o --unavailable openai",
  ],
  run: runExplain,
};

async function runExplain(given: Given): Promise<number> {
  const format = given.text("output");
  if (format !== "json" && format !== "text") throw new UsageError(`--output ${format}: choose text or json`);
  const { table, verdicts, rollouts } = await compiled(given);
  const client = given.text("client");
  const request = {
    namespace: given.text("namespace") ?? onlyNamespace(table, client),
    ...(client !== undefined && { client }),
    ...residencyOf(given),
    model: given.text("model") ?? "",
    headers: pairs(given, "header"),
    fields: pairs(given, "field"),
    tokens: { ...tokens(given, "input"), ...tokens(given, "output") },
  };
  const explanation = explain(table, request, { verdicts, rollouts, unavailable: unavailable(given, table) });
  process.stdout.write(format === "json" ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
  return explanation.refusal === undefined ? 0 : 1;
}

function tokens(given: Given, side: "input" | "output"): { readonly [side: string]: number } {
  const text = given.text(`${side}-tokens`);
  if (text === undefined) return {};
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${side}-tokens ${text}: not a whole number from 0`);
  return { [side]: Number(text) };
}

function residencyOf(given: Given): { residency?: Zone } {
  const text = given.text("residency");
  if (text === undefined) return {};
  const residency = ZONES.find((zone) => zone === text);
  if (residency === undefined) throw new UsageError(`--residency ${text}: choose one of ${ZONES.join(", ")}`);
  return { residency };
}

/** The namespace that is meant when none is named: the only one, or that of the only client of this name. */
function onlyNamespace(table: RoutingTable, client: string | undefined): string {
  const named = table.clients.filter((one) => one.name === client || one.key === client);
  const of = (named.length > 0 ? named : table.routes).map((one) => one.namespace);
  const found = [...new Set(of)];
  if (found.length === 1) return found[0] as string;
  if (found.length === 0) return "default";
  throw new UsageError(`--namespace NAMESPACE is missing: there are ${found.join(", ")}`);
}

function pairs(given: Given, name: string): Record<string, string> {
  return Object.fromEntries(
    given.list(name).map((text) => {
      const mark = text.indexOf("=");
      if (mark < 1) throw new UsageError(`--${name} ${text}: not NAME=VALUE`);
      return [text.slice(0, mark), text.slice(mark + 1)];
    }),
  );
}

/** `PROVIDER` or `PROVIDER/MODEL`, of any namespace. */
function unavailable(given: Given, table: RoutingTable): NonNullable<Hints["unavailable"]> {
  return given.list("unavailable").flatMap((text) => {
    const mark = text.indexOf("/");
    const name = mark < 0 ? text : text.slice(0, mark);
    const model = mark < 0 ? {} : { model: text.slice(mark + 1) };
    const providers = Object.values(table.providers).filter((provider) => provider.name === name);
    if (providers.length === 0) throw new UsageError(`--unavailable ${text}: there is no AIProvider ${name} in force`);
    return providers.map(({ key }) => ({ provider: key, ...model, reason: "failing, by --unavailable" }));
  });
}
