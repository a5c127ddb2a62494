/** Does a command line that cannot be used get one clear line, and does each command explain itself? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QUICKSTART, tandem } from "./tandem.ts";

const COMMANDS = [
  "demo",
  "run",
  "simulate",
  "compile",
  "explain",
  "check",
  "rollout",
  "rollback",
  "convert",
  "proxy",
  "operator",
];

test("tandem --help lists every command, and no other", async () => {
  const { code, stdout } = await tandem(["--help"]);
  assert.equal(code, 0);
  const listed = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
  assert.deepEqual(listed, COMMANDS);
});

test("each command prints its options and examples", async () => {
  const helps = await Promise.all(COMMANDS.map((name) => tandem([name, "--help"])));
  for (const [i, { code, stdout, stderr }] of helps.entries()) {
    assert.deepEqual([code, stderr], [0, ""], `${COMMANDS[i]} --help`);
    assert.match(stdout, /Usage: tandem /);
    assert.match(stdout, /Examples:\n {2}\S/);
  }
});

test("no command at all: the list on standard error, and 2", async () => {
  const { code, stdout, stderr } = await tandem([]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^ {2}run /m);
});

const BAD: readonly {
  readonly args: readonly string[];
  readonly says: RegExp;
  readonly env?: Record<string, string>;
}[] = [
  { args: ["fly"], says: /no command 'fly'/ },
  { args: ["operator"], says: /--release NAME is missing/ },
  {
    args: ["operator", "--release", "t", "--namespace", "n", "--kubeconfig", "/does/not/exist"],
    says: /\/does\/not\/exist/,
  },
  { args: ["compile"], says: /--manifests PATH is missing/ },
  { args: ["run"], says: /--manifests PATH is missing/ },
  { args: ["run", "--manifest", QUICKSTART], says: /--manifest\b/ },
  { args: ["run", "--manifests", QUICKSTART, "--listen", "8080"], says: /--listen 8080: not an address/ },
  { args: ["run", "--manifests", QUICKSTART], env: { TANDEM_LISTEN: "nowhere" }, says: /nowhere: not an address/ },
  { args: ["run", "--manifests", QUICKSTART, "--admin", "127.0.0.1:70000"], says: /--admin .* not an address/ },
  {
    args: ["run", "--manifests", QUICKSTART, "--connect-to", "a=http://127.0.0.1:1"],
    says: /--connect-to .*needs --dev/,
  },
  {
    args: ["run", "--manifests", QUICKSTART, "--dev", "--connect-to", "nonsense"],
    says: /--connect-to nonsense: not HOST=URL/,
  },
  { args: ["run", "--manifests", QUICKSTART, "--settings", "/does/not/exist"], says: /\/does\/not\/exist/ },
  { args: ["compile", "--manifests", QUICKSTART, "-o", "toml"], says: /choose json or yaml/ },
  { args: ["explain", "--manifests", QUICKSTART], says: /--model MODEL is missing/ },
  { args: ["explain", "--kubeconfig", "f", "--model", "m"], says: /--kubeconfig/ },
  {
    args: ["explain", "--manifests", QUICKSTART, "--model", "gpt-4o", "--header", "x"],
    says: /--header x: not NAME=VALUE/,
  },
  { args: ["convert"], says: /FILE is missing/ },
  { args: ["convert", "a", "b"], says: /one argument too many/ },
  { args: ["simulate", "--openai", "x"], says: /--openai x: not an address/ },
];

for (const { args, says, env = {} } of BAD) {
  test(`tandem ${args.map((arg) => arg.replace(QUICKSTART, "quickstart")).join(" ")} ends with 2 and one line`, async () => {
    const { code, stderr } = await tandem(args, env);
    assert.equal(code, 2, stderr);
    assert.match(stderr.replace(/\n$/, ""), says);
    assert.ok(stderr.split("\n").length <= 2, stderr);
  });
}
