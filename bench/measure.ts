/**
 * What did a process tree, and everybody else, use meanwhile? CPU time and memory from Linux's /proc.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** The kernel's unit of CPU time in /proc, per second. */
const TICKS = clockTicks();
/** Parent of all kernel threads. */
const KERNEL_THREADS = 2;
const KIB = 1024;

function clockTicks(): number {
  try {
    return Number(execFileSync("getconf", ["CLK_TCK"]).toString()) || 100;
  } catch {
    return 100;
  }
}

interface Stat {
  readonly parent: number;
  /** utime + stime of all its threads, in seconds. */
  readonly cpuSeconds: number;
  /** The same of children that it has waited for. */
  readonly childrenSeconds: number;
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name stands in parentheses and may hold spaces; proc(5) counts the fields after it from 3.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [user, system, childUser, childSystem] = fields.slice(11, 15).map((ticks) => Number(ticks) / TICKS);
    return {
      parent: Number(fields[1]),
      cpuSeconds: (user ?? 0) + (system ?? 0),
      childrenSeconds: (childUser ?? 0) + (childSystem ?? 0),
    };
  } catch {
    return undefined;
  }
}

function allProcesses(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat !== undefined) stats.set(Number(name), stat);
  }
  return stats;
}

/** The process and everything that it started and is still there. */
export function processTree(root: number): readonly number[] {
  const all = allProcesses();
  const tree = [root];
  for (const member of tree) {
    for (const [pid, { parent }] of all) if (parent === member) tree.push(pid);
  }
  return tree;
}

export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (readStat(pid)?.cpuSeconds ?? 0), 0);
}

/**
 * CPU seconds that everybody else used so far, time stolen by the host included: subtract two of them.
 * Processes that end in between are not lost, because their time moves to the parent that waits for them.
 * Not from the sums in /proc/stat: kernels differ in whether they count a process's softirq time twice there.
 */
export function foreignSeconds(own: readonly number[]): number {
  let seconds = stolenSeconds();
  for (const [pid, stat] of allProcesses()) {
    if (own.includes(pid) || stat.parent === KERNEL_THREADS) continue;
    seconds += stat.cpuSeconds + stat.childrenSeconds;
  }
  return seconds;
}

function stolenSeconds(): number {
  const line = readFileSync("/proc/stat", "latin1").split("\n", 1)[0] ?? "";
  return Number(line.split(/ +/)[8] ?? 0) / TICKS;
}

/** Bytes. `rss` counts shared pages in full, `pss` its share of them; `peakRSS` is the most there ever was. */
export interface Memory {
  readonly rss: number;
  readonly pss: number;
  readonly peakRSS: number;
}

export function memory(pids: readonly number[]): Memory {
  const sum = { rss: 0, pss: 0, peakRSS: 0 };
  for (const pid of pids) {
    const rollup = readOrEmpty(`/proc/${pid}/smaps_rollup`);
    sum.rss += kibOf(rollup, "Rss");
    sum.pss += kibOf(rollup, "Pss");
    sum.peakRSS += kibOf(readOrEmpty(`/proc/${pid}/status`), "VmHWM");
  }
  return sum;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function kibOf(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * KIB;
}
