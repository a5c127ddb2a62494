/**
 * How do folders become a container image, without Docker?
 *
 * As what `docker save` writes: a tar file with a layer of each folder, a configuration and a list. `docker load`,
 * `podman load`, `ctr images import` and `skopeo copy docker-archive:` read it. Equal folders give equal bytes.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "./commands.ts";

/** Times and owners of a machine are no part of an image. */
const SAME_EVERYWHERE = [
  "--sort=name",
  "--format=gnu",
  "--mtime=@0",
  "--owner=0",
  "--group=0",
  "--numeric-owner",
  "--mode=u=rwX,go=rX",
];

export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
}

/** Packs the folder; what is in `writable` everybody may write to. */
export async function packLayer(folder: string, file: string, writable: readonly string[] = []): Promise<void> {
  const excludes = writable.map((name) => `--exclude=./${name}`);
  await run("tar", [...SAME_EVERYWHERE, ...excludes, "-C", folder, "-cf", file, "."]);
  if (writable.length > 0) {
    const names = writable.map((name) => `./${name}`);
    await run("tar", [...SAME_EVERYWHERE, "--mode=1777", "-C", folder, "-rf", file, ...names]);
  }
}

/** Writes the archive; answers the image's digest. `nameOf` gives the image its name. */
export async function writeArchive(
  file: string,
  layers: readonly string[],
  config: ImageConfig,
  nameOf: (digest: string) => string,
): Promise<{ readonly name: string; readonly digest: string }> {
  await mkdir(dirname(file), { recursive: true });
  const work = await mkdtemp(`${file}.`);
  try {
    const sums = await Promise.all(layers.map(sha256Of));
    const text = JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      created: "1970-01-01T00:00:00Z",
      config,
      rootfs: { type: "layers", diff_ids: sums.map((sum) => `sha256:${sum}`) },
      history: layers.map(() => ({ created: "1970-01-01T00:00:00Z" })),
    });
    const digest = createHash("sha256").update(text).digest("hex");
    const name = nameOf(digest);
    const list = { Config: `${digest}.json`, RepoTags: [name], Layers: sums.map((sum) => `${sum}.tar`) };
    await writeFile(join(work, `${digest}.json`), text);
    await writeFile(join(work, "manifest.json"), JSON.stringify([list]));
    const archive = join(work, "archive");
    await run("tar", [...SAME_EVERYWHERE, "-C", work, "-cf", archive, "manifest.json", `${digest}.json`]);
    for (const [i, layer] of layers.entries()) {
      const renamed = `--transform=s,.*,${sums[i]}.tar,`;
      await run("tar", [
        ...SAME_EVERYWHERE,
        renamed,
        "-C",
        dirname(layer),
        "-rf",
        archive,
        layer.slice(dirname(layer).length + 1),
      ]);
    }
    await rename(archive, file);
    return { name, digest: `sha256:${digest}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
