/** How does the simulated token service fail on request? */

/** By name, with the parameters that each takes. */
export const ENTRA_FAULTS = {
  invalid_client: { summary: "401 invalid_client, AADSTS7000215", parameters: [] },
  "429": { summary: "429, with `retry-after` in seconds", parameters: ["retry-after"] },
  "500": { summary: "500 server_error", parameters: [] },
  "503": { summary: "503, with `retry-after` in seconds", parameters: ["retry-after"] },
  html: { summary: "502 with an HTML page", parameters: [] },
  silence: { summary: "never answers", parameters: [] },
  reset: { summary: "the connection breaks", parameters: [] },
  slow: { summary: "answers `ms` late (default 1000)", parameters: ["ms"] },
  "no-token": { summary: "200 without a token", parameters: [] },
  lifetime: { summary: "a good token that lives for `seconds` (default 5)", parameters: ["seconds"] },
} as const satisfies Readonly<Record<string, { summary: string; parameters: readonly string[] }>>;

export type EntraFaultName = keyof typeof ENTRA_FAULTS;

export interface EntraFault {
  readonly name: EntraFaultName;
  readonly parameters: Readonly<Record<string, number>>;
}

/** `fault` as in `503;retry-after=2`; `times` counts down, without it the fault stays. */
export interface EntraFaultOrder {
  readonly fault: string;
  readonly times?: number;
}

/** Throws one sentence. */
export function readEntraFault(text: string): EntraFault {
  const [name = "", ...pairs] = text.split(";").map((part) => part.trim());
  if (!Object.hasOwn(ENTRA_FAULTS, name)) {
    throw new Error(`Unknown fault "${name}"; known are ${Object.keys(ENTRA_FAULTS).join(", ")}.`);
  }
  const allowed: readonly string[] = ENTRA_FAULTS[name as EntraFaultName].parameters;
  const parameters = pairs.map((pair) => {
    const [key = "", value = ""] = pair.split("=").map((part) => part.trim());
    if (!allowed.includes(key) || !/^\d+(\.\d+)?$/.test(value)) {
      throw new Error(`Fault "${name}": "${pair}" is not one of its parameters with a number.`);
    }
    return [key, Number(value)] as const;
  });
  return { name: name as EntraFaultName, parameters: Object.fromEntries(parameters) };
}
