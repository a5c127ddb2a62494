/** Does a proxy whose event loop is late say so, and stop saying so when it is not? A real process that is really busy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chat, QUICKSTART, startGatewayCommand, waitFor } from "../cli/tandem.ts";
import { INSPECTABLE, Inside } from "../failover/inside.ts";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";

/** Milliseconds: later than a reading may be, and than a machine is late by itself. */
const BUSY = 1_600;
/** One more than readings have to be late in a row. */
const TIMES = 3;

test("an event loop that is late again and again is an overload, until it is on time", async () => {
  const provider = await new FakeProvider(chatAnswer("here")).start();
  const hosts = ["api.openai.com", "contoso-sweden.openai.azure.com"];
  const connectTo = hosts.flatMap((host) => ["--connect-to", `${host}=${provider.url}`]);
  const gateway = await startGatewayCommand(["--manifests", QUICKSTART, "--dev", ...connectTo], INSPECTABLE);
  const inside = await Inside.of(gateway);
  await inside.busyFor(BUSY, TIMES);
  await gateway.says(/overloaded[^\n]*pressure=event_loop/);
  await waitFor("it is over", 20_000, async () => {
    const { load } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as {
      load: { pressure: string | null };
    };
    return load.pressure === null;
  });
  assert.equal((await chat(gateway.url)).status, 200);
  inside.close();
});
