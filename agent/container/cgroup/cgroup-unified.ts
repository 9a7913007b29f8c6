import { SWAP_FILE, swapWrite } from "./cgroup-memory.ts";
import { type CgroupWrite, refuseResource } from "./cgroup-write.ts";

/** Core files that set a limit; the others move, kill or freeze processes, or change what guestd manages. */
const CORE_FILES = new Set(["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"]);

/** Returns one write for each line of each `unified` entry, because a cgroup file accepts one setting in each write. */
export function unifiedWrites(unified: Readonly<Record<string, string>>): CgroupWrite[] {
  return Object.entries(unified).flatMap(([file, text]) => {
    const refuse = (why: string) => refuseResource("unified", `${JSON.stringify(file)} ${why}`);
    if (!/^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+$/.test(file) || file.length > 100)
      throw refuse("is not the name of a cgroup file");
    if (file.startsWith("cgroup.") && !CORE_FILES.has(file))
      throw refuse("is not a limit; guestd manages this file itself");
    if (text.includes("\0")) throw refuse("has a NUL byte in its value");
    const lines = text.split("\n").filter((line) => line !== "");
    if (lines.length === 0) throw refuse("has an empty value");
    const field = `unified["${file}"]`;
    return lines.map((value) => (file === SWAP_FILE ? swapWrite(value, field) : { file, value, field }));
  });
}
