import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSeccomp } from "../../../agent/container/seccomp/default-seccomp.ts";
import { DEFAULT_CAPABILITIES } from "../../../lib/oci-defaults.ts";
import { packageRoot } from "../../../lib/package-root.ts";

/** Header of Debian's linux-libc-dev: the kernel's table of system calls for x86-64. */
const TABLE = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";

/** Returns rows about the filters inside the guest, counted from their sources. */
export function filterSizes(): readonly (readonly string[])[] {
  const table = new Set(
    Array.from(readFileSync(TABLE, "utf8").matchAll(/^#define __NR_(\w+) \d+$/gm), (m) => m[1] ?? ""),
  );
  const rules = defaultSeccomp(DEFAULT_CAPABILITIES).syscalls;
  const namesOf = (byArguments: boolean) => {
    const chosen = rules.filter(({ args }) => args.length > 0 === byArguments);
    return new Set(chosen.flatMap(({ names }) => names).filter((name) => table.has(name)));
  };
  const [refused, partly] = [namesOf(false), namesOf(true)];
  const source = readFileSync(join(packageRoot(), "agent/native/init/files/confine.c"), "utf8");
  const whole = [...source.matchAll(/^ +ALLOW\(/gm)].length;
  const ofArguments = [...source.matchAll(/IF_EQUAL, 0, 3, SYS_/g)].length;
  return [
    ["guest's filters", "calls in the table of x86-64", `${table.size}`],
    [
      "guest's filters",
      "a container with Docker's capabilities",
      `${table.size - refused.size} allowed, ${partly.size} of them by their arguments (${[...partly].join(", ")}); ${refused.size} refused`,
    ],
    [
      "guest's filters",
      "a file server of the agent",
      `${whole + ofArguments} allowed, ${ofArguments} of them by its arguments (ioctl)`,
    ],
  ];
}
