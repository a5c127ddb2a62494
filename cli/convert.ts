/** A gateway's YAML of old to manifests, on standard output. What has no counterpart is said, never dropped in silence. */
import { ManifestError } from "../manifests/load.ts";
import { readYaml, toYaml } from "../manifests/read-yaml.ts";
import { type Command, CommandError, type Given } from "./command.ts";
import { readSeed } from "./seed.ts";
import { manifestsOf } from "./seed-manifests.ts";
import { place, tell } from "./tell.ts";

export const convert: Command = {
  name: "convert",
  summary: "a gateway's YAML of old to manifests, on standard output",
  positionals: ["FILE"],
  options: [],
  examples: ["tandem convert gateway.yaml > manifests.yaml", "tandem compile --manifests manifests.yaml"],
  run: runConvert,
};

async function runConvert(given: Given): Promise<number> {
  const [file = ""] = given.positionals;
  const { manifests, notes } = await manifestsIn(file);
  process.stdout.write(manifests.map(toYaml).join("---\n"));
  for (const note of notes) tell(note);
  return 0;
}

async function manifestsIn(file: string) {
  try {
    return manifestsOf(readSeed(await readYaml(file)));
  } catch (error) {
    const where = error instanceof ManifestError ? place(error) : `${file}: `;
    throw new CommandError(`${where}${(error as Error).message}`);
  }
}
