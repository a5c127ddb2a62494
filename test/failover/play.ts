/** What happens in a scenario? The fault, the requests, and what both sides saw. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RecordedRequest, RunningSimulator } from "../../simulators/main.ts";
import { call, type Heard } from "./call.ts";
import type { Scenario, Timings } from "./catalogue.ts";
import type { Seen, Served } from "./seen.ts";
import { ANSWER, nameOf, OK, type World } from "./world.ts";

const ALIVE_WITHIN = 10_000;

export async function play(world: World, scenario: Scenario, timings: Timings): Promise<Seen> {
  const { openai, azure } = world.simulators;
  for (const simulator of [openai, azure]) simulator.reset();
  const { fault, times } = scenario;
  openai.fault({
    match: { operation: "chat.completions" },
    fault: fault(timings),
    ...(times !== undefined && { times }),
  });
  const played = scenario.sequence ? await sequence(world, scenario, timings) : await once(world, scenario, timings);
  const [first, second] = [served(openai), served(azure)];
  await forgetFaults(openai);
  const after = await call(world.gateway.url, OK, ALIVE_WITHIN);
  return { ...played(first), first, second, alive: isWhole(after) };
}

type Played = Omit<Seen, "first" | "second" | "alive">;

async function once({ gateway }: World, scenario: Scenario, { patience }: Timings): Promise<() => Played> {
  const heard = await call(gateway.url, nameOf(scenario), patience);
  return () => ({ ...heard, complete: heard.text === ANSWER, unserved: 0, backAfter: undefined });
}

/** Requests at a steady pace over an outage. */
async function sequence(
  { gateway, simulators }: World,
  scenario: Scenario,
  { flap, patience }: Timings,
): Promise<(first: readonly Served[]) => Played> {
  const began = performance.now();
  const backAt = Date.now() + flap.down;
  const outage = sleep(flap.down).then(() => forgetFaults(simulators.openai));
  const calls: { readonly at: number; readonly heard: Heard }[] = [];
  for (let i = 0; i < flap.count; i++) {
    await sleep(Math.max(0, i * flap.interval - (performance.now() - began)));
    const at = performance.now() - began;
    calls.push({ at, heard: await call(gateway.url, nameOf(scenario), patience) });
  }
  await outage;
  const heard = calls.map((one) => one.heard);
  const bad = heard.find((one) => !isWhole(one));
  return (first) => {
    const answered = first.find(({ at, status }) => status === 200 && at >= backAt);
    return {
      outcome: heard.some(({ outcome }) => outcome === "hang") ? "hang" : bad ? bad.outcome : "success",
      complete: bad === undefined,
      error: bad?.error,
      tookMs: performance.now() - began,
      model: heard.at(-1)?.model,
      usage: heard.every(({ usage }) => usage),
      unserved: calls.filter(({ at, heard: one }) => at < flap.down && !isWhole(one)).length,
      backAfter: answered && answered.at - backAt,
    };
  };
}

function isWhole({ outcome, text }: Heard): boolean {
  return outcome === "success" && text === ANSWER;
}

function served(simulator: RunningSimulator): Served[] {
  const chats = simulator.requests().filter(({ operation }) => operation === "chat.completions");
  return chats.map((one) => ({ at: one.at, status: one.status, lastRole: lastRole(one) }));
}

function lastRole({ body }: RecordedRequest): string | undefined {
  const { messages } = JSON.parse(body ?? "{}") as { messages?: { role: string }[] };
  return messages?.at(-1)?.role;
}

async function forgetFaults({ url }: RunningSimulator): Promise<void> {
  const answer = await fetch(`${url}/_sim/faults`, { method: "DELETE", headers: { connection: "close" } });
  if (!answer.ok) throw new Error(`the faults stay: ${answer.status}`);
}
