import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "../build-error.ts";
import { bundleAgent } from "../bundle/bundle.ts";
import { makeCodeCache } from "../bundle/code-cache.ts";
import { exerciseAgent } from "../bundle/warm-up-calls.ts";
import { digestOf } from "../digest.ts";
import { exists } from "../exists.ts";
import { packagedNode } from "../image/stripped-node.ts";
import { cpioArchive } from "../initramfs/cpio.ts";
import { writeByRename, writeJson } from "../write-files.ts";
import { type BuildContext, isSource, nativeFile } from "./context.ts";
import type { Step } from "./step.ts";

/** Bundles, and the caches of what the warm-up loads: YAML and tar aren't worth one. */
const BUNDLES = ["agent.cjs", "grpc.cjs", "tar.cjs", "yaml.cjs"];
const CACHES = ["agent.cache", "grpc.cache"];

/** Returns the agent's files in the image, except sys.node. */
export function agentFiles({ root, to }: BuildContext): readonly string[] {
  const made = [...BUNDLES, ...CACHES].map((name) => join(to, "agent", name));
  const launcher = ["launcher.cjs", "choose-bundle.cjs"].map((name) => join(root, "rootfs-builder", "bundle", name));
  return [...launcher, ...made];
}

export function bundleStep(context: BuildContext): Step {
  const { root, to, digests, builder, entry = join(root, "agent", "main.ts") } = context;
  const outDir = join(to, "agent");
  const sizes = join(outDir, "sizes.json");
  return {
    name: "agent bundle",
    outputs: [...BUNDLES.map((name) => join(outDir, name)), sizes],
    key: async () =>
      digestOf(
        builder,
        await digests.file(entry),
        await digests.folder(join(root, "agent"), isSource),
        await digests.folder(join(root, "image"), isSource),
        await digests.folder(join(root, "proto"), isSource),
        await digests.file(join(root, "package-lock.json")),
      ),
    async build() {
      if (!(await exists(join(root, "proto", "gen")))) {
        throw new BuildError(`${join(root, "proto", "gen")} does not exist: run npm run build`);
      }
      await writeJson(sizes, await bundleAgent({ entry, root, outDir }));
    },
  };
}

export function codeCacheStep(context: BuildContext): Step {
  const { to, digests, builder } = context;
  const directory = join(to, "agent");
  const node = packagedNode();
  return {
    name: "code cache",
    outputs: CACHES.map((name) => join(directory, name)),
    key: async () =>
      digestOf(
        builder,
        await digests.file(node),
        await digests.file(await nativeFile(context, "sys.node")),
        await digests.file(join(directory, "agent.cjs")),
        await digests.file(join(directory, "grpc.cjs")),
      ),
    async build() {
      const sysNode = await nativeFile(context, "sys.node");
      await makeCodeCache({ node, directory, sysNode, exercise: exerciseAgent });
    },
  };
}

/**
 * Builds the agent as one file that `guestctl upgrade` sends to a running guest: a cpio archive of what the launcher
 * loads.
 */
export function archiveStep(context: BuildContext): Step {
  const { to, digests, builder } = context;
  const archive = join(to, "agent", "agent.cpio");
  const files = async () => [
    ...[...BUNDLES, ...CACHES].map((name) => join(to, "agent", name)),
    ...(await Promise.all(["sys.node", "seccomp.node"].map((name) => nativeFile(context, name)))),
  ];
  return {
    name: "agent archive",
    outputs: [archive],
    key: async () => digestOf(builder, ...(await Promise.all((await files()).map((file) => digests.file(file))))),
    build: async () =>
      writeByRename(archive, async (temporary) => {
        const entries = (await files()).map(async (path) => {
          return { path: basename(path), type: "file", mode: 0o644, content: await readFile(path) } as const;
        });
        await writeFile(temporary, cpioArchive(await Promise.all(entries)));
      }),
  };
}
