/** Which options does everything have that runs a gateway? */
import type { Option } from "./command.ts";

export const SETTINGS_OPTIONS: readonly Option[] = [
  { name: "settings", value: "FILE", help: "settings of the gateway (limits, egress, location), YAML or JSON" },
  { name: "location", value: "NAME", help: "where this proxy runs, when the settings do not say it" },
];

export const CONNECT_TO_OPTION: Option = {
  name: "connect-to",
  value: "HOST=URL",
  many: true,
  help: "connect to URL when a provider is at HOST (with --dev)",
};

/** `listen` and `admin` are what is listened on by default. */
export function listenOptions(listen: string, admin: string): readonly Option[] {
  return [
    { name: "listen", value: "ADDRESS", default: listen, help: "where the OpenAI API is served" },
    { name: "admin", value: "ADDRESS", default: admin, help: "where /status, /metrics and probes are served" },
  ];
}
