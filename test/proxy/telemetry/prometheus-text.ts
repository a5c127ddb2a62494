/** A strict reader of the Prometheus text format 0.0.4: it throws on what Prometheus would refuse. */

export interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const SUFFIXES: Record<string, RegExp> = { histogram: /_(bucket|sum|count)$/, summary: /_(sum|count)$/ };

export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line must end with a line feed");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const meta = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (meta) {
      const [, kind, name, rest] = meta as unknown as [string, string, string, string];
      const family = families.get(name) ?? { type: "", help: "", samples: [] };
      if (kind === "TYPE" && (family.type !== "" || family.samples.length > 0)) throw new Error(`second TYPE: ${line}`);
      if (kind === "TYPE") family.type = rest;
      else family.help = rest;
      families.set(name, family);
      current = name;
      continue;
    }
    const sample = parseSample(line);
    const family = families.get(current);
    const base = sample.name.replace(SUFFIXES[family?.type ?? ""] ?? /$^/, "");
    if (family === undefined || base !== current) throw new Error(`sample outside its family: ${line}`);
    const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(series)) throw new Error(`twice: ${line}`);
    seen.add(series);
    family.samples.push(sample);
  }
  return families;
}

function parseSample(line: string): Family["samples"][number] {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no metric name: ${line}`);
  const rest = line.slice(name.length);
  const braces = /^\{(.*)\} (\S+)$/.exec(rest) ?? /^()\s(\S+)$/.exec(rest);
  if (!braces) throw new Error(`not a sample: ${line}`);
  const text = braces[2] as string;
  const value = Number(text.replace("Inf", "Infinity"));
  // Prometheus reads Go's spellings: NaN in any case.
  if (Number.isNaN(value) && text.toLowerCase() !== "nan") throw new Error(`not a number: ${line}`);
  return { name, labels: parseLabels(braces[1] as string, line), value };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let left = text; left !== ""; ) {
    const label = LABEL.exec(left);
    if (!label) throw new Error(`bad labels: ${line}`);
    const [all, name, value] = label as unknown as [string, string, string];
    if (name in labels) throw new Error(`label twice: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    left = left.slice(all.length);
  }
  return labels;
}

/** Throws unless every series of a histogram is cumulative, ends in `+Inf` and agrees with its count. */
export function checkHistogram(family: Family): void {
  const series = new Map<string, { le: number; value: number }[]>();
  const counts = new Map<string, number>();
  for (const { name, labels, value } of family.samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(Object.entries(others).sort());
    if (name.endsWith("_count")) counts.set(key, value);
    if (le !== undefined)
      series.set(key, [...(series.get(key) ?? []), { le: Number(le.replace("Inf", "Infinity")), value }]);
  }
  if (series.size !== counts.size) throw new Error("a series without a count");
  for (const [key, buckets] of series) {
    buckets.forEach((bucket, i) => {
      const before = buckets[i - 1];
      if (before && (before.le >= bucket.le || before.value > bucket.value)) throw new Error(`not cumulative: ${key}`);
    });
    const last = buckets.at(-1);
    if (last?.le !== Infinity || last.value !== counts.get(key)) throw new Error(`+Inf is not the count: ${key}`);
  }
}
