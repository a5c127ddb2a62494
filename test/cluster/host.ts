/** Which processes of this host are parts of our own cluster? None, where the cluster is elsewhere. */
import { readdirSync, readFileSync } from "node:fs";
import { stateFolder } from "../../cluster/folders.ts";

interface Process {
  readonly pid: number;
  readonly command: string;
  readonly cgroup: string;
}

function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), command, cgroup: readFileSync(`/proc/${name}/cgroup`, "utf8") }];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}

/** The program in a pod, not its pause container. */
export function processOfPod(uid: string): number | undefined {
  return processes().find(({ cgroup, command }) => cgroup.includes(uid) && command.includes("/cli/bin.js "))?.pid;
}

/** After a SIGSTOP. The `nsenter` that started it has stopped with it, and would stay so for ever. */
export function goOn(pid: number): void {
  const [, parent] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  process.kill(pid, "SIGCONT");
  process.kill(Number(parent), "SIGCONT");
}

/** Of the tests' cluster. */
export function apiServerProcess(): number | undefined {
  const folder = stateFolder("cluster-of-tests");
  return processes().find(({ command }) => /^\S*kube-apiserver /.test(command) && command.includes(folder))?.pid;
}
