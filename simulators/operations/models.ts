/** Which models does the provider list? Azure lists base models, not deployments. */

import type { Answer, Call } from "../call.ts";
import { type CatalogModel, findModel, snapshotName } from "../catalog.ts";
import { AZURE_ERRORS, type Failure, OPENAI_ERRORS } from "../errors.ts";
import { type Desk, idOf, type JsonObject, type Operation } from "./operation.ts";

const AZURE_NAMES = { operation: "Models_List", action: "models" };

export const listModels: Operation = {
  name: "models.list",
  method: "GET",
  path: "models",
  body: "none",
  onOpenai: true,
  onAzure: { dated: "root", v1: true },
  azureNames: AZURE_NAMES,
  run: (call, _body, desk) => {
    const data = modelsOf(call, desk).map((model) => describe(call, model));
    return { kind: "json", body: JSON.stringify({ object: "list", data }) };
  },
};

export const getModel: Operation = {
  ...listModels,
  name: "models.retrieve",
  path: "models/{model}",
  run: retrieve,
};

function retrieve(call: Call, _body: JsonObject, desk: Desk): Answer | Failure {
  const id = idOf(call, "model");
  const model = findModel(modelsOf(call, desk), id);
  if (model) return { kind: "json", body: JSON.stringify(describe(call, model)) };
  return call.provider === "openai" ? OPENAI_ERRORS.unknownModel(id) : AZURE_ERRORS.resourceNotFound;
}

function modelsOf(call: Call, desk: Desk): readonly CatalogModel[] {
  return call.provider === "openai" ? desk.settings.models : desk.settings.models.filter((model) => model.onAzure);
}

function describe(call: Call, model: CatalogModel): object {
  if (call.provider === "openai") {
    return { id: model.name, object: "model", created: model.created, owned_by: "system", shutdown_date: null };
  }
  const base = { id: snapshotName(model), object: "model", created: model.created, owned_by: "system" };
  if (call.target.apiVersion === undefined) return base;
  const capabilities = {
    inference: true,
    chat_completion: model.kind === "chat" || model.kind === "reasoning",
    completion: model.kind === "completion",
    embeddings: model.kind === "embedding",
    fine_tune: false,
  };
  return { ...base, status: "succeeded", lifecycle_status: "generally-available", capabilities };
}
