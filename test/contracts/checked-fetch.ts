/**
 * Is everything that a client sends and gets as OpenAI's document has it, whichever provider answers?
 *
 * A `fetch` for clients: passes all on as it is, and holds copies of requests and good answers, events included, against
 * the schemas.
 */
import { operationsAt } from "../../proxy/dialects/operations.ts";
import { answerSchema, type DescribedOperation, documentNamed } from "./documents.ts";
import type { Json, JsonObject } from "./plain-schema.ts";

const OPENAI = documentNamed("openai");
/** OpenAI's, Azure's v1 and Azure's dated form of a path. */
const BASE = /^\/(?:v1|openai\/v1|openai\/deployments\/[^/]+|openai)\//;
const JSON_TYPE = "application/json";
const DATA = "data: ";
const EVENTS_TYPE = "text/event-stream";

interface Deviation {
  readonly what: RegExp;
  readonly fault: RegExp;
  /** What the whole value looks like, as text. */
  readonly value: RegExp;
}

/** What the providers send although the document does not have it, and what Tandem passes on as it came. */
const DEVIATIONS: readonly Deviation[] = [
  // Azure's first event of a chat, with its filter's results of the prompt; the official clients skip it.
  {
    what: /^POST chat\/completions event$/,
    fault: /^it\/object must be equal/,
    value: /^\{"choices":\[\],.*"prompt_filter_results"/,
  },
  // Azure's own document of v1 has it so.
  { what: /^\w+ responses.* (answer|event)$/, fault: /^it\/(response\/)?user must be string/, value: /"user":null/ },
  // Of a response that is not finished; OpenAI's document forgets the null that its own examples have.
  { what: /^\w+ responses.* (answer|event)$/, fault: /^it\/(response\/)?usage must be object/, value: /"usage":null/ },
  // OpenAI's document has the schema of an answer's message there, its example a user's.
  { what: /messages answer$/, fault: /^it\/data\/\d+\/role must be equal/, value: /"role":"user"/ },
];

export class Exchanges {
  /** What was not as the document has it, one line each. */
  readonly faults: string[] = [];
  /** By method and path, `POST chat/completions`, with the type of what was checked. */
  readonly checked = new Set<string>();
  readonly #pending: Promise<void>[] = [];

  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const url = new URL(input instanceof Request ? input.url : String(input));
    const method = (init?.method ?? "GET").toUpperCase();
    const name = operationsAt(decodeURIComponent(url.pathname).replace(BASE, ""))?.get(method)?.name;
    const operation = name === undefined ? undefined : OPENAI.operations[`${method} ${name}`];
    if (operation && response.ok) {
      this.#request(`${method} ${name}`, operation, init?.body);
      this.#pending.push(this.#answer(`${method} ${name}`, operation, response.clone()));
    }
    return response;
  };

  /** When all that was asked has been looked at. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  #request(name: string, operation: DescribedOperation, body: unknown): void {
    const schema = operation.body?.[JSON_TYPE];
    if (schema && typeof body === "string") this.#check(`${name} request`, schema, JSON.parse(body) as Json);
  }

  async #answer(name: string, operation: DescribedOperation, response: Response): Promise<void> {
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    const schema = answerSchema(operation, type);
    let text: string;
    try {
      text = await response.text();
    } catch {
      return; // The caller went away.
    }
    if (!schema || text === "") return;
    if (type === JSON_TYPE) this.#check(`${name} answer`, schema, JSON.parse(text) as Json);
    if (type !== EVENTS_TYPE) return;
    for (const line of text.split("\n").filter((one) => one.startsWith(DATA))) {
      const data = line.slice(DATA.length);
      if (data !== "[DONE]") this.#check(`${name} event`, schema, JSON.parse(data) as Json);
    }
  }

  #check(what: string, schema: JsonObject, value: Json): void {
    this.checked.add(what);
    const fault = OPENAI.faultOf(branchOf(schema, value), value);
    if (fault === undefined) return;
    const text = JSON.stringify(value);
    if (DEVIATIONS.some((one) => one.what.test(what) && one.fault.test(fault) && one.value.test(text))) return;
    this.faults.push(`${what}: ${fault}: ${text}`);
  }
}

/** Of the kinds of event that may be, the one that this event says it is: a fault then names what is wrong in it. */
function branchOf(schema: JsonObject, value: Json): JsonObject {
  const plain = resolved(schema);
  const { type } = (value ?? {}) as JsonObject;
  const branches = (plain.anyOf ?? []) as readonly JsonObject[];
  const isOf = (branch: JsonObject) => {
    const said = ((resolved(branch).properties ?? {}) as Readonly<Record<string, JsonObject>>).type?.enum;
    return Array.isArray(said) && said.includes(type);
  };
  return branches.find(isOf) ?? schema;
}

function resolved(schema: JsonObject): JsonObject {
  return typeof schema.$ref === "string"
    ? resolved(OPENAI.schemas[schema.$ref.slice("#/schemas/".length)] ?? {})
    : schema;
}
