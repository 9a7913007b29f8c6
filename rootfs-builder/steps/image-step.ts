import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { debianPackage } from "../debian/debian-package.ts";
import { digestOf } from "../digest.ts";
import { imagePackages, imageTree } from "../image/contents.ts";
import { makeErofs } from "../image/erofs.ts";
import { regoEngine } from "../image/rego-engine.ts";
import { packagedNode, strippedNode } from "../image/stripped-node.ts";
import { writeDiskImage } from "../image/write-image.ts";
import { readVersion } from "../read-version.ts";
import { stage } from "../tree/stage.ts";
import { withTemporary } from "../with-temporary.ts";
import { writeJson } from "../write-json.ts";
import { agentFiles } from "./agent-steps.ts";
import { type BuildContext, nativeFile } from "./context.ts";
import type { Step } from "./step.ts";

export function imageStep(context: BuildContext): Step {
  const { root, to, debug = false, policy = false, runtimes = [], digests, builder } = context;
  const directory = join(to, "image");
  const image = join(directory, "guest.img");
  const contentsList = join(directory, "contents.json");
  const node = packagedNode();
  const packages = () => Promise.all(imagePackages({ debug, runtimes }).map((name) => debianPackage(name)));
  return {
    name: "image",
    outputs: [image, contentsList],
    async key() {
      const files = [
        node,
        await nativeFile(context, "init"),
        await nativeFile(context, "sys.node"),
        await nativeFile(context, "seccomp.node"),
        ...agentFiles(context),
        ...(policy ? [await regoEngine(root)] : []),
      ];
      files.push(...(await packages()).map(({ file }) => file));
      const digested = await Promise.all(files.map((file) => digests.file(file)));
      return digestOf(builder, String(debug), runtimes.join(), await readVersion(root), ...digested);
    },
    async build() {
      await withTemporary(directory, async (work) => {
        const { tree, components } = await imageTree({
          version: await readVersion(root),
          node: await strippedNode(node, await digests.file(node)),
          init: await nativeFile(context, "init"),
          sysNode: await nativeFile(context, "sys.node"),
          seccompNode: await nativeFile(context, "seccomp.node"),
          agentFiles: agentFiles(context),
          debug,
          rego: policy ? await regoEngine(root) : undefined,
          runtimes,
        });
        await mkdir(join(work, "root"));
        await stage(tree, join(work, "root"));
        await makeErofs(join(work, "root"), join(work, "root.erofs"));
        const size = await writeDiskImage(join(work, "root.erofs"), join(work, "guest.img"));
        await rename(join(work, "guest.img"), image);
        const versions = (await packages()).map(({ name, version }) => ({ name, version }));
        await writeJson(contentsList, { size, components, packages: versions });
      });
    },
  };
}
