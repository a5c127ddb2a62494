/** Is an object's metadata as the API server takes it, as far as Tandem reads it? */

import { isObject, type JsonObject, type Problem } from "./types.ts";
import * as say from "./wording.ts";

/** https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#objectmeta-v1-meta */
const KNOWN_FIELDS = new Set([
  "annotations",
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "finalizers",
  "generateName",
  "generation",
  "labels",
  "managedFields",
  "name",
  "namespace",
  "ownerReferences",
  "resourceVersion",
  "selfLink",
  "uid",
]);

const DEFAULT_NAMESPACE = "default";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** Longer names are refused by the schema, and need no look at their characters. */
const MAX_NAME_CHARACTERS = 253;

export function checkMetadata(metadata: unknown, unknownFields: Problem[], problems: Problem[]): void {
  const fields = isObject(metadata) ? metadata : {};
  for (const name of Object.keys(fields)) {
    if (!KNOWN_FIELDS.has(name)) unknownFields.push(say.unknownField(`metadata.${name}`));
  }
  const { name, namespace } = fields;
  if (name === undefined || name === null || name === "") {
    problems.push(say.required("metadata.name", "name or generateName is required"));
  } else if (typeof name === "string" && name.length <= MAX_NAME_CHARACTERS && !SUBDOMAIN.test(name)) {
    problems.push(say.invalid("metadata.name", name, SUBDOMAIN_RULE));
  }
  if (namespace === undefined || namespace === null) return;
  if (typeof namespace !== "string") problems.push(say.wrongType("metadata.namespace", "string", typeof namespace));
  else if (namespace.length > 63) problems.push(say.tooLong("metadata.namespace", 63));
  else if (!LABEL.test(namespace)) problems.push(say.invalid("metadata.namespace", namespace, LABEL_RULE));
}

/** What Tandem reads of metadata, each of the type that it must have. */
export function keptMetadata(metadata: unknown): JsonObject {
  const fields = isObject(metadata) ? metadata : {};
  return {
    name: fields.name,
    namespace: fields.namespace ?? DEFAULT_NAMESPACE,
    ...(typeof fields.uid === "string" && { uid: fields.uid }),
    ...(typeof fields.generation === "number" && { generation: fields.generation }),
    ...(typeof fields.creationTimestamp === "string" && { creationTimestamp: fields.creationTimestamp }),
    ...(isObject(fields.annotations) && { annotations: stringsOf(fields.annotations) }),
  };
}

function stringsOf(map: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(map).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
