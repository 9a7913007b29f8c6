import { capabilityMask } from "./capabilities.ts";
import type { PlanBuilder } from "./plan-builder.ts";
import { rlimitNumber } from "./rlimits.ts";
import type { ProcessSpec } from "./spec.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Limits, identity and executable: what create and exec have in common. Runs inside the container's namespaces. */
export function compileProcess(plan: PlanBuilder, process: ProcessSpec, env: readonly string[]): void {
  const { uid, gid, additionalGids: groups } = process.user;
  const { terminal, capabilities } = process;
  const fds = terminal ? ["terminal", "terminal", "terminal"] : ["stdin", "stdout", "stderr"];
  const [stdin, stdout, stderr] = fds.map((name) => plan.slot(name)) as [number, number, number];
  plan.add("process.terminal", { op: "stdio", stdin, stdout, stderr });
  if (terminal) plan.add("process.terminal", { op: "ctty" });
  if (uid !== 0) plan.add("process.user", { op: "chown-stdio", uid, gid });
  for (const { type, soft, hard } of process.rlimits) {
    plan.add("process.rlimits", {
      op: "rlimit",
      resource: rlimitNumber(type),
      soft,
      hard,
    });
  }
  plan.add("process.user.umask", { op: "umask", mask: 0o022 });
  plan.add("process.cwd", { op: "chdir", path: process.cwd });
  if (capabilities !== undefined) {
    const mask = capabilityMask(capabilities.bounding, "process.capabilities.bounding");
    plan.add("process.capabilities.bounding", { op: "bounding", mask });
    if (uid !== 0) plan.add("process.capabilities", { op: "keepcaps" });
  }
  plan.add("process.user", { op: "user", uid, gid, groups });
  if (capabilities !== undefined) {
    const field = "process.capabilities";
    const effective = capabilityMask(capabilities.effective, `${field}.effective`);
    const permitted = capabilityMask(capabilities.permitted, `${field}.permitted`);
    const inheritable = capabilityMask(capabilities.inheritable, `${field}.inheritable`);
    const ambient = capabilityMask(capabilities.ambient, `${field}.ambient`);
    plan.add(field, { op: "capset", effective, permitted, inheritable });
    plan.add(`${field}.ambient`, {
      op: "ambient",
      mask: ambient & permitted & inheritable,
    });
  }
  if (process.noNewPrivileges) plan.add("process.noNewPrivileges", { op: "no-new-privs" });
  plan.add("process.args", {
    op: "find",
    candidates: candidates(process.args[0] ?? "", env),
  });
}

/** What execvp would try: the name itself if it has a slash, else along PATH; an empty element is the current directory. */
function candidates(name: string, env: readonly string[]): string[] {
  if (name.includes("/")) return [name];
  const path = searchPath(env);
  return path.split(":").map((directory) => (directory === "" ? `./${name}` : `${directory}/${name}`));
}

export function searchPath(env: readonly string[]): string {
  return env.findLast((entry) => entry.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
}
