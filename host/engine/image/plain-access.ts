import { spawnSync } from "node:child_process";
import { ImageError } from "../../../image/image-error.ts";
import type { TreeAccess } from "../../../image/tree-access.ts";
import { reason } from "../../../lib/reason.ts";

/** Writes to a tree that no other process changes meanwhile. Ignores extended attributes. */
export const plainAccess: TreeAccess = {
  entry: (path, use) => use(path),
  directory: (path, use) => use(path),
  makeNode(path, type, major, minor) {
    const numbers = type === "p" ? [] : [String(major), String(minor)];
    const { status, stderr, error } = spawnSync("mknod", ["--", path, type, ...numbers], { encoding: "utf8" });
    if (status !== 0) throw new ImageError(`mknod: ${reason(error ?? stderr.trim())}`);
  },
  setXattrs() {},
};
