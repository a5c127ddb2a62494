/** Which dialect does a provider speak? */
import type { Provider, ProviderType } from "../../routing/table.ts";
import { azureOpenAI } from "./azure-openai.ts";
import type { Dialect } from "./dialect.ts";
import { openAI } from "./openai.ts";

const DIALECTS: Readonly<Record<ProviderType, Dialect>> = { OpenAI: openAI, AzureOpenAI: azureOpenAI };

export function dialectOf(provider: Provider): Dialect {
  return DIALECTS[provider.type];
}
