import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { makeOwnCgroup, removeAgentCgroup } from "./agent-cgroup.ts";

/** Above the kernel's highest pid, so its owner is dead in every pid namespace. */
const NOBODY = 4_194_305;
const CANNOT = isRoot() ? "" : " (skipped: only root may make cgroups)";

it.skipIf(!isRoot())(
  `leaves the empty cgroups of an owner whose other cgroups have processes${CANNOT}`,
  async ({ skip }) => {
    const prefix = `guestd-unit-${process.pid}`;
    const own = makeOwnCgroup(prefix, 1);
    if (own === undefined) return skip("no cgroup v2");
    const abandoned = join(dirname(own), `${prefix}-${NOBODY}-1`);
    for (const name of ["agent", "containers"]) mkdirSync(join(abandoned, name), { recursive: true });
    const child = spawn("sleep", ["1000"]);
    try {
      writeFileSync(join(abandoned, "agent/cgroup.procs"), String(child.pid));
      const second = makeOwnCgroup(prefix, 2);
      expect(existsSync(join(abandoned, "containers"))).toBe(true);
      await removeAgentCgroup(second ?? "");
      child.kill("SIGKILL");
      await once(child, "exit");
      const third = makeOwnCgroup(prefix, 3);
      await removeAgentCgroup(third ?? "");
      expect(existsSync(abandoned)).toBe(false);
    } finally {
      child.kill("SIGKILL");
      if (existsSync(abandoned)) await removeAgentCgroup(abandoned);
      await removeAgentCgroup(own);
    }
  },
);
