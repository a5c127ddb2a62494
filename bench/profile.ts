/**
 * Where did the CPU time go? Reads V8's .cpuprofile files and ranks functions and modules by their own time.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface ProfileNode {
  readonly id: number;
  readonly children?: readonly number[];
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

/** https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[];
}

const TOP = 45;
/** Cut off at the front: the start, and the quiet time after it (run.ts waits 2 s before the first request). */
const START_MICROS = 1_500_000;
const NOT_WORK = new Set(["(idle)", "(root)"]);

/** Markdown, one part for each profile in the folder. */
export function profileReport(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"));
  if (files.length === 0) return "No CPU profile was written: the target did not exit cleanly.";
  return files
    .map((name) => reportOf(name, JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile))
    .join("\n\n");
}

function reportOf(name: string, profile: Profile): string {
  const own = ownTimes(profile);
  const caller = callersOf(profile.nodes);
  const functions = new Map<string, number>();
  const modules = new Map<string, number>();
  let total = 0;
  for (const node of profile.nodes) {
    const { functionName, url } = node.callFrame;
    const time = own.get(node.id) ?? 0;
    if (time === 0 || NOT_WORK.has(functionName)) continue;
    total += time;
    add(functions, url === "" ? `${functionName} ← ${caller(node)}` : labelOf(node), time);
    add(modules, url === "" ? functionName : place(url), time);
  }
  const rank = (times: Map<string, number>) =>
    [...times]
      .sort((a, b) => b[1] - a[1])
      .slice(0, TOP)
      .map(([what, time]) => `${((time * 100) / total).toFixed(1).padStart(5)} %  ${what}`);
  return [
    `## ${name}: ${(total / 1e6).toFixed(1)} s of work`,
    "",
    "Functions:",
    ...rank(functions),
    "",
    "Modules:",
    ...rank(modules),
  ].join("\n");
}

function labelOf({ callFrame }: ProfileNode): string {
  return `${callFrame.functionName || "(anonymous)"} ${place(callFrame.url)}:${callFrame.lineNumber + 1}`;
}

/** Who called a native function: the nearest one that is not Node's own plumbing, so that two kinds of writes tell apart. */
function callersOf(nodes: readonly ProfileNode[]): (node: ProfileNode) => string {
  const parents = new Map<number, ProfileNode>();
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node);
  return (node) => {
    let parent = parents.get(node.id);
    while (parent !== undefined && isPlumbing(parent.callFrame.url)) parent = parents.get(parent.id);
    return parent === undefined ? "the event loop" : labelOf(parent);
  };
}

function isPlumbing(url: string): boolean {
  return (
    url === "" ||
    url.startsWith("node:internal/") ||
    url === "node:net" ||
    url === "node:events" ||
    url === "node:timers"
  );
}

function ownTimes({ samples, timeDeltas }: Profile): Map<number, number> {
  const own = new Map<number, number>();
  let elapsed = 0;
  // A delta belongs to the sample before it.
  for (let at = 0; at + 1 < samples.length; at += 1) {
    const delta = Math.max(0, timeDeltas[at + 1] ?? 0);
    elapsed += delta;
    if (elapsed > START_MICROS) add(own, samples[at] as number, delta);
  }
  return own;
}

function add<K>(times: Map<K, number>, key: K, time: number): void {
  times.set(key, (times.get(key) ?? 0) + time);
}

/** The last parts of a URL: enough to know the file, no machine path. */
function place(url: string): string {
  if (url === "") return "native";
  const packaged = url.split("/node_modules/").at(-1) as string;
  if (packaged !== url) return packaged;
  const root = new URL("..", import.meta.url).href;
  return url.startsWith(root) ? url.slice(root.length) : url;
}
