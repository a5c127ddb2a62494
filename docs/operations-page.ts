/** Which operations does Tandem serve, over which provider form, and what becomes of their ids? A page of tables. */
import { type Handling, OPERATIONS, type Operation } from "../proxy/dialects/operations.ts";
import { PLACES } from "../proxy/ids/paths.ts";

interface Kind {
  readonly title: string;
  readonly text: string;
}

/** In the page's order. */
const KINDS: Readonly<Record<Handling | "realtime", Kind>> = {
  inference: {
    title: "Translated, with failover",
    text: "The request names a model. Any backend of the model's route may answer, and another one answers when it fails before a byte has been passed on.",
  },
  resource: {
    title: "Bound to a provider",
    text: "The thing exists only at the provider that made it, so nobody else is asked. Its id carries where that is and whose it is; in the columns of ids stand the places where Tandem puts the caller's form of an id for the provider's and back. A foreign id is a 404.",
  },
  content: {
    title: "Piped",
    text: "The bytes of a thing at its provider, passed on as they are.",
  },
  models: {
    title: "Answered by Tandem",
    text: "From the routes that the caller may use. No provider is asked.",
  },
  realtime: {
    title: "Realtime",
    text: "WebSocket sessions, and what makes keys and calls for them. A session stays at the provider that began it.",
  },
};

/** Groups of OpenAI's operations that Tandem does not serve: paths that begin so, and why. */
export const NOT_SERVED: readonly (readonly [paths: readonly string[], why: string])[] = [
  [["organization", "projects"], "administration, with keys of another kind"],
  [["assistants", "threads"], "deprecated by OpenAI, retired by Azure on 2026-08-26"],
  [["videos"], "deprecated by OpenAI"],
  [["chatkit", "skills", "content_provenance_checks"], "not yet"],
  [["audio/voices", "audio/voice_consents"], "not yet"],
  [["fine_tuning/checkpoints"], "administration of an organisation's models"],
  [["DELETE models"], "a fine-tuned model belongs to the provider's account, not to a caller"],
];

/** More places than these stand in a list of their own below the tables. */
const MOST_PLACES_IN_A_CELL = 3;

/** Long lists of places, each once, in the order of their first use. */
class PlaceLists {
  readonly lists: string[][] = [];

  cellOf(places: readonly string[]): string {
    const marked = places.map((place) => `\`${place}\``);
    if (marked.length <= MOST_PLACES_IN_A_CELL) return marked.join(" ");
    const known = this.lists.findIndex((list) => list.join() === marked.join());
    const at = known === -1 ? this.lists.push(marked) : known + 1;
    return `[list ${at}](#lists-of-places)`;
  }
}

/** Markdown. */
export function operationsPage(operations: readonly Operation[] = OPERATIONS): string {
  const places = new PlaceLists();
  const sections = (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((handling) =>
    sectionOf(handling, operations, places),
  );
  return [
    "<!-- Generated from proxy/dialects/operations.ts and proxy/ids/paths.ts by `npm run generate`. Edit those, not this. -->",
    "",
    "# Operations",
    "",
    "Paths are those below `/v1/`. A caller may also use Azure's forms: `/openai/v1/…`, and",
    "`/openai/deployments/{deployment}/…?api-version=` or `/openai/…?api-version=`; which form a caller uses does not matter for which",
    "provider may answer.",
    "",
    "The columns OpenAI, Azure v1 and Azure dated say which provider form has an operation. A route whose backends do not have it answers",
    "404 `operation_not_supported`. Whether a resource of Azure has an operation in its dated form depends on its api-version too.",
    "",
    ...sections,
    "## Lists of places",
    "",
    ...places.lists.map((list, i) => `${i + 1}. ${list.join(" ")}`),
    "",
    "## Not served",
    "",
    ...NOT_SERVED.map(([paths, why]) => `- ${paths.map((path) => `\`${path}\``).join(", ")}: ${why}`),
    "",
  ].join("\n");
}

function sectionOf(handling: keyof typeof KINDS, operations: readonly Operation[], places: PlaceLists): string[] {
  const rows = operations.filter((one) => one.handling === handling);
  if (rows.length === 0) return [];
  const { title, text } = KINDS[handling];
  const head = ["operation", "OpenAI", "Azure v1", "Azure dated", "notes", "ids in the request", "in the answer"];
  return [
    `## ${title}`,
    "",
    text,
    "",
    `| ${head.join(" | ")} |`,
    `|${"---|".repeat(head.length)}`,
    ...rows.map((row) => rowOf(row, places)),
    "",
  ];
}

function rowOf(operation: Operation, places: PlaceLists): string {
  const { method, name, azureV1, azureDated } = operation;
  const dated = { deployment: "yes, `deployments/{deployment}/`", resource: "yes", none: "no" }[azureDated];
  const { request = [], answer = [] } = PLACES[`${method} ${name}`] ?? {};
  const inPath = operation.handling === "models" ? undefined : /\{\w+\}/.exec(name)?.[0];
  const cells = [
    `\`${method} ${name}\``,
    "yes",
    azureV1 ? "yes" : "no",
    dated,
    notesOf(operation).join(", "),
    [inPath === undefined ? "" : `path: \`${inPath}\``, places.cellOf(request)]
      .filter((text) => text !== "")
      .join(", "),
    places.cellOf(answer),
  ];
  return `| ${cells.join(" | ")} |`;
}

function notesOf({ body, model, lists, answersBytes, handling }: Operation): string[] {
  return [
    ...(body === "form" ? ["multipart"] : body === "either" ? ["JSON or multipart"] : []),
    ...(handling === "inference" && model === "optional" ? ["model optional"] : []),
    ...(lists ? ["needs `statefulListing: Allow`"] : []),
    ...(answersBytes ? ["may answer bytes"] : []),
  ];
}
