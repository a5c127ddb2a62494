/** Does `npm run cluster` keep its word: a gateway that the host's shell reaches, and no trace of it afterwards? */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cgroupOf } from "../../cluster/cgroups.ts";
import { clusterProblem } from "../../cluster/open.ts";

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL("../../cluster/main.ts", import.meta.url));
const NAMESPACES = ["pid", "net", "mnt"] as const;
const ENDED_WITHIN_MS = 10_000;

/** It says what is missing, or throws in CI. On another cluster there is nothing to start. */
const problem = process.env.KUBECONFIG
  ? "KUBECONFIG names a cluster: none of our own is started"
  : await clusterProblem();

describe("a cluster on this machine", { skip: problem }, () => {
  /** Not where somebody's own cluster keeps its state. */
  let home: string;
  let folder: string;
  let untouched: Traces;

  const cluster = (...args: string[]) =>
    run(process.execPath, [PROGRAM, ...args], { env: { ...process.env, XDG_STATE_HOME: home } });

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "tandem-up-"));
    folder = join(home, "tandem", "cluster");
    untouched = tracesOnHost();
    await cluster("up");
  });

  after(async () => {
    await cluster("down");
    await rm(home, { recursive: true, force: true });
  });

  /** As somebody would in a shell that knows nothing but the printed lines. */
  async function inPlainShell(command: string): Promise<string> {
    const { stdout: lines } = await cluster("env");
    for (const line of lines.trim().split("\n")) assert.match(line, /^export [A-Z_]+=(?:[\w./:=+@-]+|'[^$]*')$/);
    const { stdout } = await run("env", ["-i", `HOME=${home}`, "sh", "-ec", `${lines}\n${command}`]);
    return stdout;
  }

  test("kubectl of the printed PATH sees Ready routes and running pods", async () => {
    assert.match(await inPlainShell("command -v kubectl"), new RegExp(`^${folder}/bin/kubectl`));
    assert.match(await inPlainShell("kubectl -n ai get airoutes --no-headers"), /^gpt-4o .* True +True /m);
    assert.match(await inPlainShell("kubectl -n tandem get pods --no-headers"), / 1\/1 +Running /);
    assert.match(await inPlainShell("helm -n tandem list --short"), /^tandem$/m);
  });

  test("curl gets an answer through the gateway", async () => {
    const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hello" }] });
    const answer = await inPlainShell(
      `curl -sS -i "$TANDEM_URL/v1/chat/completions" -H "Authorization: Bearer $TANDEM_KEY" ` +
        `-H 'content-type: application/json' -d '${body}'`,
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /^x-tandem-provider: openai\r?$/m);
  });

  test("after a crash of all its parts `down` leaves no trace", async () => {
    const holder = processes().find(({ words }) => words[0] === join(folder, "machine"));
    assert.ok(holder, "the process that holds the namespaces runs");
    const own = NAMESPACES.map((kind) => namespaceOf(holder.pid, kind));
    const members = processes().filter(({ pid }) => namespaceOf(pid, "pid") === own[0] && pid !== holder.pid);
    assert.ok(members.length > 10, "and the cluster's parts in them");
    // The one that holds them stays: its end alone would be the end of the others.
    for (const { pid } of members) killNow(pid);

    await cluster("down");
    const leftNow = () =>
      processes().filter(
        ({ pid, words }) =>
          words.some((word) => word.startsWith(folder)) ||
          NAMESPACES.some((kind, i) => namespaceOf(pid, kind) === own[i]),
      );
    // The kernel ends what was in the namespaces, which on a busy machine takes a moment.
    let left = leftNow();
    for (const end = Date.now() + ENDED_WITHIN_MS; left.length > 0 && Date.now() < end; left = leftNow()) {
      await sleep(50);
    }
    assert.deepEqual(left, [], "no process, and with them no namespace");
    assert.equal(existsSync(join(home, "tandem")), false, "no file");
    assert.deepEqual(cgroups(folder), [], "no control group");
    assert.deepEqual(tracesOnHost(), untouched, "no mount, no interface, no setting");
  });

  test("`env` and `down` without a cluster", async () => {
    await cluster("down");
    await assert.rejects(cluster("env"), (error: Error & { code?: number; stderr?: string }) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr ?? "", /^no cluster runs: npm run cluster starts one\n$/);
      return true;
    });
  });
});

interface Traces {
  readonly mounts: readonly string[];
  readonly interfaces: readonly string[];
  readonly settings: readonly string[];
}

/** What a cluster could leave on the host. Folders that kubelet and containerd would make are among the mounts' places. */
function tracesOnHost(): Traces {
  const settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];
  return {
    mounts: readFileSync("/proc/mounts", "utf8").split("\n"),
    interfaces: readdirSync("/sys/class/net"),
    settings: [
      ...settings.map((name) => `${name}=${readFileSync(`/proc/sys/${name}`, "utf8").trim()}`),
      ...["/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/run/netns", "/run/containerd", "/opt/containerd"].map(
        (path) => `${path}: ${existsSync(path)}`,
      ),
    ],
  };
}

interface Process {
  readonly pid: number;
  readonly words: readonly string[];
}

/** Without those that have ended and wait for process 1 to notice: they have no command line, and hold nothing. */
function processes(): Process[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
      return line === "" ? [] : [{ pid: Number(name), words: line.split("\0") }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

function namespaceOf(pid: number, kind: (typeof NAMESPACES)[number]): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

function cgroups(folder: string): string[] {
  const below = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, cgroupOf(folder)));
  return [join("/sys/fs/cgroup", cgroupOf(folder)), ...below].filter((path) => existsSync(path));
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with another.
  }
}
