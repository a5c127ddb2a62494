/** What must be there before the tests begin? The Python clients: installing them inside a test would look like one that hangs. */
import { pythonEnvironment } from "./python-environment.ts";

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

const found = await pythonEnvironment(say);
if ("missing" in found) say(found.missing);
