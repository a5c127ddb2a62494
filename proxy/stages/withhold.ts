/**
 * Does the request itself send content out of its caller's zone?
 *
 * A backend in the zone does not help where it is asked to search the web, to call a server or to fetch a file. Such
 * tools and fields are refused for callers whose data must stay, unless the route's rule allows them.
 */
import { allowedTools } from "../../routing/filters.ts";
import type { ElsewhereTool } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { elsewhereIn, type Found } from "../dialects/elsewhere.ts";
import { GatewayError } from "../errors.ts";

const TOOLS: readonly ElsewhereTool[] = ["DataSources", "MCP", "RemoteFiles", "RemoteImages", "WebSearch"];

export function withhold(context: RequestContext): void {
  const { caller, operation, body, batch, form } = context;
  if (caller.residency === undefined) return;
  if (body) {
    const { scan } = body;
    scan.join();
    withholdFrom(context, scan.chunks[0] as Buffer);
  }
  if (operation?.name === "batches" && operation.method === "POST") withholdFile(context);
  for (const line of batch ?? []) {
    if (form) withholdFrom(context, form.bytes.subarray(line.body.start, line.body.end));
  }
}

/** A file from before its owner belonged here may hold anything: the provider would run it unseen. */
function withholdFile(context: RequestContext): void {
  const { ids, caller, plan } = context;
  const files = ids?.lookedThrough ?? [];
  if (files.length > 0 && files.every((residency) => residency === caller.residency)) return;
  const found: Found = {
    elsewhere: plan?.targets.some(({ provider }) => provider.type === "AzureOpenAI") ? "Models" : "Anything",
    field: "input_file_id",
    does: "names a file that was not looked through for this residency when it was uploaded",
  };
  if (!isAllowed(context, found)) throw refusal(context, found);
}

/** The same for JSON that stands somewhere else. Throws GatewayError. */
export function withholdFrom(context: RequestContext, json: Buffer): void {
  const refused = leaving(context, json);
  if (refused) throw refused;
}

/** Why this JSON may not go to the provider. */
export function leaving(context: RequestContext, json: Buffer): GatewayError | undefined {
  if (context.caller.residency === undefined) return undefined;
  const found = elsewhereIn(json);
  if (!found) return new GatewayError("invalid_json", "This is not one whole JSON value.");
  const refused = found.find((one) => !isAllowed(context, one));
  return refused && refusal(context, refused);
}

/** For what leads past the gateway, so that it cannot be looked into. Throws GatewayError. */
export function withholdUnseen(context: RequestContext, field: string, does: string): void {
  const unseen: Found = { elsewhere: "Anything", field, does };
  if (!isAllowed(context, unseen)) throw refusal(context, unseen);
}

function isAllowed({ caller, plan }: RequestContext, { elsewhere }: Found): boolean {
  const allowed = plan && allowedTools(plan.route, caller);
  if (allowed === undefined) return true;
  if (elsewhere === "Models") return !plan?.targets.some(({ provider }) => provider.type === "AzureOpenAI");
  return elsewhere === "Anything" ? TOOLS.every((tool) => allowed.includes(tool)) : allowed.includes(elsewhere);
}

function refusal({ caller, plan }: RequestContext, { field, does, elsewhere }: Found): GatewayError {
  const what = `The field '${field}' ${does}, and data of residency ${caller.residency} may not go there`;
  const tools = elsewhere === "Anything" ? TOOLS.join(", ") : elsewhere;
  const message =
    elsewhere === "Models"
      ? `${what}: on Azure each deployment may process elsewhere. Leave it out, or upload it again.`
      : `${what}. Leave it out, or have the route '${plan?.route.name}' name ${tools} under allowTools of its rule for ${caller.residency}.`;
  return new GatewayError("content_leaves_residency", message, { param: field });
}
