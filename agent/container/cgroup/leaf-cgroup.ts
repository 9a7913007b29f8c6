import { O_DIRECTORY, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";

/**
 * Opens the cgroup that a process of the container lives in: the container's own, `directory`, or one below it. The
 * container chooses the names below, so they are opened beneath `own`, a descriptor of the directory. The caller closes
 * the result.
 */
export function openLeafCgroup(
  { sys, files }: { readonly sys: Sys; readonly files: Pick<Files, "readText"> },
  { directory, own, pid }: { readonly directory: string; readonly own: Fd; readonly pid: number },
): Fd {
  const path = /^0::(\/.*)$/m.exec(files.readText(`/proc/${pid}/cgroup`))?.[1];
  const below = path === undefined ? undefined : pathBelow(path, directory);
  if (below === undefined) {
    throw new AgentError("internal", `cgroup of process ${pid}: ${path ?? "none"} is not below the container's own`);
  }
  return sys.openat2(own, below === "" ? "." : below, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/** `path` starts at the root of the hierarchy, `directory` at its mount point. */
function pathBelow(path: string, directory: string): string | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    if (directory.endsWith(path.slice(0, end))) return path.slice(end + 1);
  }
  return undefined;
}
