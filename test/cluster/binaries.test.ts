/** Are kube-apiserver and etcd found where they should be, in this order, and is a clear line said when they are not? */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../cluster/binaries.ts", import.meta.url));
const isWindows = process.platform === "win32";

describe("finding kube-apiserver and etcd", { skip: isWindows && "kube-apiserver does not run on Windows" }, () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tandem-binaries-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("KUBEBUILDER_ASSETS comes first", async () => {
    const assets = binariesIn(join(folder, "assets"), "asset");
    const { code, out } = await find({ KUBEBUILDER_ASSETS: assets });
    assert.deepEqual({ code, out }, { code: 0, out: assets });
  });

  test("KUBEBUILDER_ASSETS without programs is told, and nothing else is tried", async () => {
    const { code, out, err } = await find({ KUBEBUILDER_ASSETS: join(folder, "nowhere") });
    assert.equal(code, 1);
    assert.match(out, /^KUBEBUILDER_ASSETS=.* holds no kube-apiserver and etcd; unset it or correct it$/);
    assert.equal(err, "");
  });

  test("envtest's archive fills the cache, once", async () => {
    const archive = archiveOf(binariesIn(join(folder, "tree", "controller-tools", "envtest"), "envtest"), folder);
    const requests: string[] = [];
    const server = await serve((request, response) => {
      requests.push(request.url ?? "");
      const isIndex = request.url === "/index.yaml";
      response.end(isIndex ? indexOf(`http://${request.headers.host}/archive`, sha512(archive)) : archive);
    });
    const environment = { XDG_CACHE_HOME: join(folder, "cache-1"), TANDEM_ENVTEST_INDEX: `${server.url}/index.yaml` };
    try {
      const [first, beside] = await Promise.all([find(environment), find(environment)]);
      const again = await find(environment);
      for (const one of [first, beside, again])
        assert.deepEqual({ code: one.code, out: one.out }, { code: 0, out: first.out });
      assert.equal(readFileSync(join(first.out, "etcd"), "utf8"), "envtest etcd");
      assert.deepEqual(requests, ["/index.yaml", "/archive"], "the second one waited, the third found it");
      assert.deepEqual(readdirSync(first.out).sort(), ["etcd", "kube-apiserver"], "nothing else is left");
    } finally {
      await server.close();
    }
  });

  test("a lock that its process left behind is no obstacle", async () => {
    const cache = join(folder, "cache-left");
    const version = readdirSync(join(folder, "cache-1", "tandem")).find((name) => name.startsWith("kubernetes-")) ?? "";
    mkdirSync(join(cache, "tandem"), { recursive: true });
    const ended = spawn(process.execPath, ["--version"], { stdio: "ignore" });
    await once(ended, "exit");
    writeFileSync(join(cache, "tandem", `${version}.lock`), String(ended.pid));
    const { code, out } = await find({
      XDG_CACHE_HOME: cache,
      TANDEM_ENVTEST_INDEX: "http://127.0.0.1:1/",
      ...withoutGo(),
    });
    assert.equal(code, 1);
    assert.match(out, /install Go/);
    assert.deepEqual(readdirSync(join(cache, "tandem")), [version], "the lock is gone");
  });

  test("an archive with another checksum is not unpacked; without Go that is the end", async () => {
    const server = await serve((request, response) => {
      response.end(
        request.url === "/index.yaml" ? indexOf(`http://${request.headers.host}/archive`, "00") : "something else",
      );
    });
    try {
      const environment = { XDG_CACHE_HOME: join(folder, "cache-2"), TANDEM_ENVTEST_INDEX: `${server.url}/index.yaml` };
      const { code, out, err } = await find({ ...environment, ...withoutGo() });
      assert.equal(code, 1);
      assert.match(err, /checksum of .* differs from the index/);
      assert.match(out, /install Go .*, or set KUBEBUILDER_ASSETS/);
    } finally {
      await server.close();
    }
  });

  test("an index that does not answer is given up after 3 seconds", async () => {
    const server = await serve(() => {});
    try {
      const environment = { XDG_CACHE_HOME: join(folder, "cache-3"), TANDEM_ENVTEST_INDEX: `${server.url}/index.yaml` };
      const started = performance.now();
      const { code } = await find({ ...environment, ...withoutGo() });
      assert.equal(code, 1);
      assert.ok(performance.now() - started < 10_000);
    } finally {
      await server.close();
    }
  });

  test("in CI nothing may be missing", async () => {
    const { code, err } = await find({ KUBEBUILDER_ASSETS: join(folder, "nowhere"), CI: "true" });
    assert.notEqual(code, 0);
    assert.match(err, /Error: KUBEBUILDER_ASSETS=/);
  });
});

function binariesIn(folder: string, origin: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ["kube-apiserver", "etcd"])
    writeFileSync(join(folder, name), `${origin} ${name}`, { mode: 0o755 });
  return folder;
}

function archiveOf(envtest: string, folder: string): Buffer {
  const file = join(folder, "envtest.tar.gz");
  execFileSync("tar", ["-czf", file, "-C", join(envtest, "..", ".."), "controller-tools"]);
  return readFileSync(file);
}

function sha512(bytes: Buffer): string {
  return createHash("sha512").update(bytes).digest("hex");
}

/** An older minor version, a newer one, a pre-release and two patches: the newest patch is wanted. */
function indexOf(url: string, hash: string): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const release = (version: string, selfLink: string) => ({
    [version]: { [`envtest-${version}-${process.platform}-${arch}.tar.gz`]: { hash, selfLink } },
  });
  const wrong = ["v1.35.9", "v1.37.0", "v1.36.1", "v1.36.9-rc.0"].map((version) => release(version, `${url}/wrong`));
  return JSON.stringify({ releases: Object.assign({}, ...wrong, release("v1.36.10", url)) });
}

async function serve(listener: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** Only the folder of the running Node and of tar. */
function withoutGo(): NodeJS.ProcessEnv {
  return { PATH: dirname(process.execPath) };
}

async function find(environment: NodeJS.ProcessEnv): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, KUBEBUILDER_ASSETS: "", CI: "", ...environment };
  const child = spawn(process.execPath, [PROGRAM], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, out: out.trim(), err };
}
