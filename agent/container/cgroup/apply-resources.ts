import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";
import { checkMemoryUse } from "./cgroup-memory.ts";
import { cgroupNotices } from "./cgroup-notices.ts";
import { resourceWrites } from "./cgroup-resources.ts";
import type { CgroupWrite } from "./cgroup-write.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

/**
 * Writes to a new cgroup and returns the writes that were skipped. Throws one line naming a file that is missing or
 * that refuses its value.
 */
export function applyWrites(files: Files, directory: string, writes: readonly CgroupWrite[]): CgroupWrite[] {
  return writes.filter((write) => !put(files, directory, write));
}

/**
 * Changes the limits in `resources`; `now` holds the current ones. Checks everything before writing anything. If the
 * kernel still refuses a value, the error lists the files written before it and those not written.
 */
export function updateResources(files: Files, directory: string, resources: ResourcesSpec, now: ResourcesSpec): void {
  const writes = resourceWrites(resources, now);
  if (resources.memory !== undefined) {
    checkMemoryUse(resources.memory, (file) => readOptional(files, `${directory}/${file}`));
  }
  for (const write of writes) {
    const { file, optional, instead } = write;
    const isThere = [file, ...(instead === undefined ? [] : [instead.file])].some((name) =>
      files.exists(`${directory}/${name}`),
    );
    if (!isThere && optional !== true && !isSkipped(write, "ENOENT")) throw missingFile(files, directory, write);
  }
  for (const [index, write] of writes.entries()) {
    try {
      put(files, directory, write);
    } catch (error) {
      const names = (part: readonly CgroupWrite[]) =>
        [...new Set(part.map(({ file }) => file))].join(", ") || "nothing";
      const why = error instanceof Error ? error.message : String(error);
      const state = `written before it: ${names(writes.slice(0, index))}; not written: ${names(writes.slice(index))}`;
      throw new AgentError("internal", `${why}; ${state}`, { cause: error });
    }
  }
}

/** Returns false if the write is skipped. */
function put(files: Files, directory: string, write: CgroupWrite): boolean {
  const path = `${directory}/${write.file}`;
  try {
    files.writeText(path, write.value);
    return true;
  } catch (error) {
    const { errno, code } = error as NodeJS.ErrnoException;
    if (isSkipped(write, code)) {
      const what = `${write.file} ${JSON.stringify(write.value)}, from linux.resources.${write.field}`;
      cgroupNotices.publish(`cgroup ${directory}: ${what}, is skipped: the guest doesn't have it (${code})`);
      return false;
    }
    if (code !== "ENOENT")
      throw errno === undefined
        ? error
        : refusal(new SystemError("write", -errno, `${path} "${write.value}"`), write.field);
    if (write.instead !== undefined) return put(files, directory, write.instead);
    if (write.optional !== true) throw missingFile(files, directory, write);
    return false;
  }
}

function isSkipped({ skipOn = [] }: CgroupWrite, code: string | undefined): boolean {
  return code !== undefined && skipOn.includes(code);
}

function refusal(system: SystemError, field: string): AgentError {
  return new AgentError("internal", `${system.message}, from linux.resources.${field}`, { cause: system });
}

function missingFile(files: Files, directory: string, { file, field }: CgroupWrite): AgentError {
  const controller = file.slice(0, file.indexOf("."));
  const has = readOptional(files, `${directory}/cgroup.controllers`)?.trim() ?? "";
  const why = has.split(" ").includes(controller)
    ? "the guest's kernel has no such file"
    : `the ${controller} controller is not available there (it has: ${has || "none"})`;
  const message = `set ${file} of cgroup ${directory}: ${why}; leave linux.resources.${field} out or use a kernel with it`;
  return new AgentError("failed-precondition", message, { fields: { cgroup: directory, controller, file } });
}

function readOptional(files: Files, path: string): string | undefined {
  try {
    return files.readText(path);
  } catch {
    return undefined;
  }
}
