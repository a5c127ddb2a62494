/** Do the commands show, promote and abort a rollout of a cluster, and does `kubectl tandem` find it? */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findBinaries } from "../../cluster/binaries.ts";
import { start, tandem, temporaryFolder } from "../cli/tandem.ts";
import { annotate, GOOD, memoryOf, rollout, Traffic, untilRollout } from "./rollout-stage.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

const PLUGIN = fileURLToPath(new URL("../../cli/kubectl-tandem.js", import.meta.url));
const kubectl = await findBinaries(["kubectl"]);

describe("a rollout's commands over a cluster", { skip, concurrency: true }, () => {
  const { set } = stages();

  async function running(name: string, steps: readonly object[]) {
    const stage = await set(name);
    const traffic = new Traffic(stage, await playProxies(stage, 1), GOOD);
    await stage.startOperator();
    await putQuickstart(stage);
    const kubeconfig = join(await temporaryFolder(), "kubeconfig");
    await writeFile(kubeconfig, stage.server.kubeconfig());
    const place = ["-n", stage.namespace, "--kubeconfig", kubeconfig];
    const act = (action: string, ...more: string[]) => tandem(["rollout", action, "gpt-4o", ...more, ...place]);
    return { stage, traffic, kubeconfig, place, act, begin: () => stage.put(rollout(steps)) };
  }

  test("status shows, promote promotes whatever is left over, and watching ends with the rollout", async (t) => {
    const steps = [{ setWeight: 10 }, { pause: {} }, { setWeight: 30 }, { pause: {} }, { setWeight: 100 }];
    const { stage, traffic, act, begin, place, kubeconfig } = await running("promote", steps);
    t.after(() => traffic.stop());
    const none = await act("status");
    assert.equal(none.code, 1);
    assert.equal(none.stderr, `tandem: AIRoute ${stage.namespace}/gpt-4o has no spec.rollout\n`);
    await annotate(stage, "1");
    await begin();
    await untilRollout(stage, "the first wait", ({ phase, passedWindows }) => phase === "Waiting" && passedWindows > 0);
    const status = await act("status");
    assert.equal(status.code, 0, status.stderr);
    assert.match(status.stdout, /other takes over from openai, step 2\/5, Waiting/);
    assert.match(status.stdout, /✓ {2}0 {2}setWeight 10\n {2}▶ {2}1 {2}pause until promoted/);
    assert.match(status.stdout, /openai .* 90 %\n {2}other .* 10 %/);
    assert.match(status.stdout, /ErrorPercent .*Passed/);
    const explained = await tandem([
      "explain",
      "--model",
      "gpt-4o",
      "--namespace",
      stage.namespace,
      "--kubeconfig",
      kubeconfig,
    ]);
    assert.match(
      explained.stdout,
      /\nRollout from openai to other: step 2\/5, Waiting \(pause until promoted\); other gets 10 %\n/,
      explained.stderr,
    );
    assert.match(explained.stdout, /first for 90\.0 %/);
    const watching = start(["rollout", "status", "gpt-4o", "-w", ...place]);
    // The annotation says 1 since before the step waited.
    const promoted = await act("promote");
    assert.equal(promoted.code, 0, promoted.stderr);
    assert.equal(promoted.stderr, `AIRoute ${stage.namespace}/gpt-4o: step 1 is promoted\n`);
    const { weight } = await untilRollout(
      stage,
      "the second wait",
      (now) => now.phase === "Waiting" && now.stepIndex === 3,
    );
    assert.equal(weight, 30);
    assert.equal((await act("promote")).code, 0);
    const { code, stdout } = await watching.ended;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /Waiting.*Promoted/s);
    const late = await act("promote");
    assert.deepEqual([late.code, /does not wait for a promotion: Promoted/.test(late.stderr)], [1, true], late.stderr);
  });

  test("abort goes back at once", async (t) => {
    const { stage, traffic, act, begin, place } = await running("abort", [{ setWeight: 50 }, { pause: {} }]);
    t.after(() => traffic.stop());
    await begin();
    await untilRollout(stage, "50 %", ({ weight, phase }) => weight === 50 && phase === "Waiting");
    const aborted = await act("abort");
    assert.equal(aborted.code, 0, aborted.stderr);
    assert.match(aborted.stderr, /aborted, openai gets all traffic; spec\.rollout\.state: Run begins again/);
    assert.deepEqual([(await memoryOf(stage))?.outcome, (await memoryOf(stage))?.weight], ["Aborted", 0]);
    const watched = await act("status", "-w");
    assert.equal(watched.code, 1, "it was not promoted");
    assert.match(watched.stdout, /Aborted.*✗ {2}1/s);
    const other = await tandem(["rollout", "status", "gpt-5", ...place]);
    const nobody = `tandem: there is no AIRoute ${stage.namespace}/gpt-5: -n NAMESPACE names another namespace\n`;
    assert.deepEqual([other.code, other.stderr], [1, nobody]);
  });

  test("kubectl finds the plugin, which asks kubectl's cluster", { skip: "missing" in kubectl }, async (t) => {
    const { stage, traffic, kubeconfig, begin } = await running("plugin", [{ setWeight: 50 }, { pause: {} }]);
    t.after(() => traffic.stop());
    await begin();
    await untilRollout(stage, "50 %", ({ weight, phase }) => weight === 50 && phase === "Waiting");
    if ("missing" in kubectl) return;
    const folder = join(await temporaryFolder(), "bin");
    await mkdir(folder);
    await symlink(PLUGIN, join(folder, "kubectl-tandem"));
    await symlink(process.execPath, join(folder, "node"));
    const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: kubeconfig, HOME: folder };
    const args = ["tandem", "rollout", "status", "gpt-4o", "-n", stage.namespace];
    const { stdout } = await promisify(execFile)(kubectl.binaries.kubectl, args, { env });
    assert.match(stdout, /step 2\/2, Waiting/);
  });
});
