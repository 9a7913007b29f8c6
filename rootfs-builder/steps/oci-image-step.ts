import { stat } from "node:fs/promises";
import { join } from "node:path";
import { thisPlatform } from "../../image/platform.ts";
import { type LayerEntry, packTar, writeLayout } from "../../image/write-layout.ts";
import { BuildError } from "../build-error.ts";
import { digestOf } from "../digest.ts";
import type { Tree, TreeFile } from "../tree/tree.ts";
import { writeJson } from "../write-files.ts";
import type { BuildContext } from "./context.ts";
import { rootKey, rootTree } from "./root-tree.ts";
import type { Step } from "./step.ts";

/** Name of the file, in the outputs' folder. */
export const OCI_IMAGE = "oci-image.tar";
const CONFIG = {
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  Cmd: ["/bin/sh"],
};

/** Links of a merged /usr. Debian's packages are unpacked into /usr, but name their interpreters and libraries without it. */
const MERGED = ["bin", "lib", "lib64", "sbin"];

/** Packs the root as a container image of one layer: an OCI layout in a tar, as `guestctl run` and `debug` take it. */
export function ociImageStep(context: BuildContext): Step {
  const target = join(context.to, OCI_IMAGE);
  const list = `${target}.json`;
  return {
    name: "OCI image",
    outputs: [target, list],
    key: async () => digestOf("oci-image", await rootKey(context)),
    async build() {
      const { tree, components, packages } = await rootTree(context);
      const layer = await packTar(layerOf(tree));
      await writeLayout(target, { name: "guestd", platform: thisPlatform(), config: CONFIG, layers: [layer] });
      await writeJson(list, { size: (await stat(target)).size, components, packages });
    },
  };
}

/** Returns a tree's entries, folders before their content. Throws BuildError for one that a layer of ours can't hold. */
function* layerOf(tree: Tree): Generator<LayerEntry> {
  const written = new Map<TreeFile, string>();
  for (const name of MERGED) {
    if (tree.has(`usr/${name}`) && !tree.has(name))
      yield { name, type: "symlink", linkname: `usr/${name}`, mode: 0o777 };
  }
  for (const name of [...tree.keys()].sort()) {
    const entry = tree.get(name);
    if (entry === undefined) continue;
    if (entry.xattrs !== undefined) {
      throw new BuildError(`oci-image: ${name}: extended attributes are not supported; use another output`);
    }
    const { uid = 0, gid = 0 } = entry;
    const owner = { name, uid, gid };
    if (entry.type === "directory") yield { ...owner, type: "directory", mode: entry.mode };
    else if (entry.type === "symlink") yield { ...owner, type: "symlink", linkname: entry.target, mode: 0o777 };
    else {
      const first = written.get(entry);
      written.set(entry, first ?? name);
      if (first === undefined) yield { ...owner, mode: entry.mode, content: entry.content };
      else yield { ...owner, type: "link", linkname: first, mode: entry.mode };
    }
  }
}
