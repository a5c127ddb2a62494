/**
 * What in a request makes the provider send content elsewhere?
 *
 * For callers whose data must stay in a zone. Tools are named by an allow-list: a tool that is not known here may do
 * anything. Fields are looked for at every depth where providers have them, and under every spelling of their names.
 *
 * Sources: OpenAI's OpenAPI document (2026-08) and Azure's of v1 (2026-02): every schema of a tool, and every member that
 * holds an address, a server, a connector, a network or a data source.
 */
import type { ElsewhereTool } from "../../routing/table.ts";
import { eachMember, type Member } from "../body/json-members.ts";

/**
 * `Anything`: it cannot be known where it leads, so that nothing less than every tool allows it. `Models`: it runs models
 * that it names itself, where each may process somewhere else: on Azure.
 */
export type Elsewhere = ElsewhereTool | "Anything" | "Models";

export interface Found {
  readonly elsewhere: Elsewhere;
  /** For `param` and the message: a name of the API, never a caller's text. */
  readonly field: string;
  /** What it would do: a clause. */
  readonly does: string;
}

/** Run by the caller, or where the model itself runs. */
const TOOLS_THAT_STAY: ReadonlySet<string> = new Set([
  "apply_patch",
  "code_interpreter",
  "computer",
  "computer_use_preview",
  "custom",
  "file_search",
  "function",
  "image_generation",
  "local_shell",
  "namespace",
  "programmatic_tool_calling",
  "shell",
  "tool_search",
]);
const WEB_SEARCH = /^web_search/;
const INLINE = /^data:/i;
const ADDRESS = /^\s*[a-z][a-z0-9+.-]*:\/\//i;

type Rule = (member: Member) => Found | undefined;

/** By the member's key, in lower case. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["type", typeOf],
  ["image_url", remoteImage],
  ["url", (member) => (member.holder === "image_url" ? remoteImage(member) : undefined)],
  ["file_url", (member) => (isText(member) ? remoteFile("file_url") : undefined)],
  ["file_data", (member) => (ADDRESS.test(textIn(member)) ? remoteFile("file_data") : undefined)],
  ["server_url", server],
  ["connector_id", server],
  ["data_sources", top("DataSources", "has the provider ask a data source")],
  ["web_search_options", searchOptions],
  ["prompt", prompt],
  ["input_blob", top("RemoteFiles", "has the provider read from a storage account")],
  ["output_folder", top("RemoteFiles", "has the provider write to a storage account")],
  ["integrations", top("Anything", "reports the training to another service")],
  ["trainingtype", trainingType],
  ["grader", (member) => (member.depth === 1 || member.holder === "reinforcement" ? ownModels("grader") : undefined)],
  ["testing_criteria", (member) => (member.depth === 1 ? ownModels("testing_criteria") : undefined)],
  ["data_source", (member) => (member.depth === 1 ? ownModels("data_source") : undefined)],
  ["target_uri", top("Anything", "hands the call over to another place")],
]);

/** Every found place, each kind and field once. Undefined: the text is not JSON that can be judged. */
export function elsewhereIn(json: Buffer): readonly Found[] | undefined {
  const found = new Map<string, Found>();
  const isWhole = eachMember(json, (member) => {
    const one = RULES.get(member.key)?.(member);
    if (one) found.set(`${one.elsewhere} ${one.field}`, one);
  });
  return isWhole ? [...found.values()] : undefined;
}

function typeOf(member: Member): Found | undefined {
  const { holder, inArray } = member;
  const type = textIn(member);
  if (type === "mcp_approval_response") return mcp("type");
  if (holder === "network_policy" && type !== "disabled") {
    return anything("network_policy", "opens the network to code");
  }
  if (holder !== "tools" || !inArray || TOOLS_THAT_STAY.has(type)) return undefined;
  if (type === "mcp") return mcp("tools");
  if (WEB_SEARCH.test(type)) return search("tools");
  return anything("tools", "holds a tool that this version of the gateway does not know");
}

function server(member: Member): Found | undefined {
  return isText(member) ? mcp(member.key) : undefined;
}

/** An empty object asks for a search as well. */
function searchOptions(member: Member): Found | undefined {
  return member.depth === 1 && member.text() !== "null" ? search("web_search_options") : undefined;
}

/** A prompt that is kept at the provider brings its own tools. */
function prompt({ kind, depth, holder }: Member): Found | undefined {
  const isPlace = depth === 1 || ((holder === "session" || holder === "response") && depth === 2);
  if (kind !== "object" || !isPlace) return undefined;
  return anything("prompt", "names a prompt that the provider keeps, with tools that the gateway does not see");
}

/** Azure trains in the resource's region only where this says so, or nothing at all. */
function trainingType(member: Member): Found | undefined {
  const stays = member.isEmpty || /^standard$/i.test(textIn(member));
  return member.depth === 1 && !stays ? anything("trainingType", "may train outside the resource's region") : undefined;
}

function top(elsewhere: Elsewhere, does: string): Rule {
  return ({ key, depth, isEmpty }) => (depth === 1 && !isEmpty ? { elsewhere, field: key, does } : undefined);
}

function remoteImage(member: Member): Found | undefined {
  if (!isText(member) || INLINE.test(textIn(member))) return undefined;
  return { elsewhere: "RemoteImages", field: "image_url", does: "has the provider fetch an image" };
}

function isText({ kind, isEmpty }: Member): boolean {
  return kind === "string" && !isEmpty;
}

function textIn(member: Member): string {
  return member.kind === "string" ? (member.text() ?? "") : "";
}

function remoteFile(field: string): Found {
  return { elsewhere: "RemoteFiles", field, does: "has the provider fetch a file" };
}

function mcp(field: string): Found {
  return { elsewhere: "MCP", field, does: "has the provider call an MCP server" };
}

function search(field: string): Found {
  return { elsewhere: "WebSearch", field, does: "has the provider search the web" };
}

function ownModels(field: string): Found {
  return { elsewhere: "Models", field, does: "has models run that the gateway does not choose" };
}

function anything(field: string, does: string): Found {
  return { elsewhere: "Anything", field, does };
}
