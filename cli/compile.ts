/** The routing table of manifests, and the verdict on every object. No network. */
import { toYaml } from "../manifests/read-yaml.ts";
import { isAccepted } from "../routing/verdict.ts";
import { type Command, type Given, UsageError } from "./command.ts";
import { compiled, MANIFESTS_OPTION } from "./compiled.ts";
import { linesOf, tell } from "./tell.ts";

export const compileCommand: Command = {
  name: "compile",
  summary: "the routing table of manifests, and the verdict on every object",
  options: [
    { ...MANIFESTS_OPTION, required: true },
    { name: "output", short: "o", value: "FORMAT", default: "yaml", help: "json or yaml" },
    { name: "dev", help: "as tandem run --dev: protecting fields without effect yet do not matter" },
  ],
  examples: ["tandem compile --manifests examples/quickstart", "tandem compile --manifests manifests/ -o json"],
  run: runCompile,
};

async function runCompile(given: Given): Promise<number> {
  const format = given.text("output");
  if (format !== "json" && format !== "yaml") throw new UsageError(`--output ${format}: choose json or yaml`);
  const { table, verdicts, loaded } = await compiled(given);
  const document = { table, verdicts };
  process.stdout.write(format === "json" ? `${JSON.stringify(document, null, 2)}\n` : toYaml(document));
  for (const verdict of verdicts) for (const line of linesOf(verdict, loaded)) tell(line);
  return verdicts.every(isAccepted) ? 0 : 1;
}
