/**
 * What in and around the chart follows from elsewhere? `npm run generate` writes it: the chart's copies of the CRDs, byte
 * for byte, and the page of its values.
 *
 * With `--check` nothing is written, and the exit code is 1 when a file is not what would be written.
 */
import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { writeGenerated } from "../docs/write-generated.ts";
import { type ValueSchema, valuesPage } from "./values-page.ts";

const CRDS = new URL("../crds/", import.meta.url);
/** Not the chart's `crds/`, which Helm never upgrades. */
const COPIES = new URL("tandem/files/crds/", import.meta.url);
const SCHEMA = new URL("tandem/values.schema.json", import.meta.url);
const DEFAULTS = new URL("tandem/values.yaml", import.meta.url);
const PAGE = new URL("../docs/values.md", import.meta.url);

const crdFiles = readdirSync(CRDS).filter((name) => name.endsWith(".yaml"));
const outputs = [
  ...crdFiles.map((name) => ({ file: new URL(name, COPIES), text: readFileSync(new URL(name, CRDS), "utf8") })),
  {
    file: PAGE,
    text: valuesPage(JSON.parse(readFileSync(SCHEMA, "utf8")) as ValueSchema, parse(readFileSync(DEFAULTS, "utf8"))),
  },
];

writeGenerated(
  outputs,
  readdirSync(COPIES).filter((name) => !crdFiles.includes(name)),
);
