/** What does `--settings FILE` say? */
import { ManifestError } from "../manifests/load.ts";
import { readYaml } from "../manifests/read-yaml.ts";
import { DEFAULT_SETTINGS, type GatewaySettings } from "../proxy/settings.ts";
import { UsageError } from "./command.ts";
import { place } from "./tell.ts";

/** The defaults without a file. Throws UsageError. */
export async function readSettings(file: string | undefined): Promise<GatewaySettings> {
  if (file === undefined) return DEFAULT_SETTINGS;
  const { parseSettings } = await import("../proxy/settings-schema.ts");
  try {
    return parseSettings(await readYaml(file));
  } catch (error) {
    const where = error instanceof ManifestError ? place(error) : `${file}: `;
    throw new UsageError(`${where}${(error as Error).message}`);
  }
}
