/** What does `--settings FILE` say? */
import { ManifestError } from "../manifests/load.ts";
import { readYaml } from "../manifests/read-yaml.ts";
import { DEFAULT_SETTINGS, type GatewaySettings } from "../proxy/settings.ts";
import { UsageError } from "./command.ts";
import { place } from "./tell.ts";

/** The defaults without a file. Throws UsageError. */
export async function readSettings(file: string | undefined, dev: boolean): Promise<GatewaySettings> {
  if (file === undefined) return DEFAULT_SETTINGS;
  const { parseSettings } = await import("../proxy/settings-schema.ts");
  try {
    return parseSettings(await readYaml(file), { dev });
  } catch (error) {
    const where = error instanceof ManifestError ? place(error) : `${file}: `;
    throw new UsageError(`${where}${(error as Error).message}`);
  }
}

const LONGEST_LOCATION = 63;

/** What the settings say of the place counts before the flag. Throws UsageError. */
export function withLocation(settings: GatewaySettings, location: string | undefined): GatewaySettings {
  if (location !== undefined && location.length > LONGEST_LOCATION) {
    throw new UsageError(`--location: longer than ${LONGEST_LOCATION} characters; name the place in fewer`);
  }
  return location === undefined || settings.location !== "" ? settings : { ...settings, location };
}
