/** How do the tests of this folder put a gateway over a provider that says what it is told? */
import { type Harness, object, startHarness } from "../proxy/harness.ts";
import { type Document, type DocumentName, documentNamed } from "./documents.ts";
import { ScriptedProvider } from "./scripted-provider.ts";

export const MODEL = "gpt-4o";
export const DEPLOYMENT = "chat-prod";
export const ROUTE = "all";
export const DATED = "2025-03-01-preview";

export const provider = new ScriptedProvider();
const url = await provider.start();

export interface Backend {
  readonly document: Document;
  readonly harness: Harness;
}

const AUTH = (key: string) => ({ apiKey: { secretRef: { name: "keys", key } } });
const HEALTH = { path: "/models", interval: "1h", timeout: "5s", failureThreshold: 3 };

/** A gateway whose only provider speaks the document's form. */
export async function backend(name: DocumentName): Promise<Backend> {
  const spec =
    name === "openai"
      ? { type: "OpenAI", auth: AUTH("openai"), models: [{ name: MODEL }], health: HEALTH }
      : {
          type: "AzureOpenAI",
          endpoint: "https://contoso-sweden.openai.azure.com",
          apiVersion: name === "azure-v1" ? "v1" : DATED,
          auth: AUTH("azure"),
          models: [{ name: MODEL, deployment: DEPLOYMENT }],
          health: HEALTH,
        };
  const objects = [
    object("AIProvider", "provider", spec),
    object("AIRoute", ROUTE, { models: [MODEL], backends: [{ name: "only", providerRef: { name: "provider" } }] }),
    object("AIClient", "app", {
      keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }],
      statefulListing: "Allow",
    }),
  ];
  return { document: documentNamed(name), harness: await startHarness({ openai: url, azure: url, objects }) };
}
