/**
 * Which Python runs the Python clients, with which packages?
 *
 * A virtual environment of its own in the cache, outside the checkout, made once for each state of requirements.txt. What
 * is missing is said in one line that tells what to type.
 */
import { type ExecFileOptions, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../../cluster/folders.ts";

const execute = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL("python/requirements.txt", import.meta.url));
/** Of langchain-openai. */
const OLDEST = [3, 10] as const;
const INSTALL_TIMEOUT_MS = 300_000;
const COMMAND_TIMEOUT_MS = 60_000;
const READY = "ready";

export type PythonFound = { readonly python: string } | { readonly missing: string };

/** Makes the environment where there is none, and says so. */
export async function pythonEnvironment(say: (line: string) => void): Promise<PythonFound> {
  const base = await basePython();
  if ("missing" in base) return base;
  const facts = createHash("sha256").update(readFileSync(REQUIREMENTS)).update(base.version).digest("hex").slice(0, 16);
  const folder = join(cacheFolder(), "python-clients", facts);
  const python = join(folder, "bin", "python");
  if (existsSync(join(folder, READY))) return { python };
  say(`installing the Python clients of the tests in ${folder} (once, about half a minute)`);
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await execute(base.python, ["-m", "venv", folder], { timeout: COMMAND_TIMEOUT_MS });
    await execute(python, pip("install", "--require-hashes", "-r", REQUIREMENTS), { timeout: INSTALL_TIMEOUT_MS });
    await writeFile(join(folder, READY), "");
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    const [reason = message] = stderr.trim().split("\n").slice(-1);
    return {
      missing: `the Python clients could not be installed: ${reason}: ${base.python} -m pip install -r ${REQUIREMENTS}`,
    };
  }
  return { python };
}

function pip(...args: string[]): string[] {
  return ["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", ...args];
}

type Base = { readonly python: string; readonly version: string } | { readonly missing: string };

async function basePython(): Promise<Base> {
  const options: ExecFileOptions = { timeout: COMMAND_TIMEOUT_MS };
  for (const python of [process.env.PYTHON ?? "python3", "python"]) {
    try {
      const { stdout } = await execute(python, ["-c", "import sys; print(sys.version)"], options);
      const version = String(stdout).trim();
      const [major = 0, minor = 0] = version.split(".").map(Number.parseFloat).map(Math.trunc);
      if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) continue;
      await execute(python, ["-c", "import venv, ensurepip"], options);
      return { python, version };
    } catch {
      // The next name may be one.
    }
  }
  return {
    missing: `the Python clients need Python ${OLDEST.join(".")} or newer with venv and pip: apt-get install -y python3-venv`,
  };
}
