import { join } from "node:path";
import { repositoryRoot } from "../../../../host/vm/paths.ts";
import { compileC } from "../../../testing/compile-c.ts";

const PROGRAM = join(repositoryRoot, "build/test/exceed-limits");
const MEMORY_MIB = 64;

/** Compiles exceed-limits.c, and returns the words for Node that run it with the limits of a guest's programs. */
export function limitedProgram(): readonly string[] {
  compileC([join(import.meta.dirname, "../exceed-limits.c")], PROGRAM);
  return [join(import.meta.dirname, "exceed-limits.ts"), PROGRAM, String(MEMORY_MIB)];
}

/** Its refusals; cgroups are removed, also that of a starter which was killed. */
export const LIMITED = {
  taken: {
    tasks: "511 Resource temporarily unavailable",
    files: "61 Too many open files",
    memory: `QEMU was killed: out of memory of the guest's cgroup (limit ${MEMORY_MIB + 513} MiB)`,
  },
  processors: "300000 100000",
  isRemoved: true,
  wasThere: true,
  others: [],
};
