import * as abi from "../../kernel/constants.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import { compileLimits } from "../process/compile-process.ts";
import { compileSchedulingAfterFork } from "../process/scheduling.ts";
import type { Spec, TimeOffset } from "../spec.ts";
import { sortNamespaces } from "./namespaces.ts";

/** Slot of the user namespace to join. */
const USER_SLOT = "ns:user";

/**
 * Joins and creates the namespaces, except a new pid namespace without `fork`, which the launch creates. Namespaces
 * with a path are joined, and a joined uts namespace is named, while the process is still root of the guest. New ones
 * are created after joining the user namespace, so that they belong to it; the pid namespace is created there by a
 * fork, the only way to enter one.
 */
export function compileNamespaces(plan: PlanBuilder, spec: Spec): void {
  const namespaces = sortNamespaces(spec.linux.namespaces);
  const { user, newPid } = namespaces;
  const reason = "linux.namespaces";
  // Raising a limit requires a capability in the guest's user namespace.
  if (user !== undefined) compileLimits(plan, spec.process, newPid);
  for (const { flag, type } of namespaces.join) {
    plan.add(reason, { op: "setns", slot: plan.slot(`ns:${type}`), flags: flag });
  }
  const utsIsJoined = namespaces.join.some(({ flag }) => flag === abi.CLONE_NEWUTS);
  if (utsIsJoined) addNames(plan, spec);
  if (user !== undefined) plan.add(reason, { op: "setns", slot: plan.slot(USER_SLOT), flags: abi.CLONE_NEWUSER });
  if (user !== undefined && newPid) {
    plan.add(reason, { op: "fork", flags: abi.CLONE_NEWPID });
    plan.add("every process", { op: "setsid" });
    compileSchedulingAfterFork(plan, spec.process);
  }
  if (namespaces.newTime) addTime(plan, spec.linux.timeOffsets ?? {});
  plan.add(reason, { op: "unshare", flags: namespaces.create });
  if (!utsIsJoined) addNames(plan, spec);
}

function addNames(plan: PlanBuilder, { hostname, domainname }: Spec): void {
  if (hostname !== "") plan.add("hostname", { op: "sethostname", name: hostname });
  if (domainname !== "") plan.add("domainname", { op: "setdomainname", name: domainname });
}

/** Creates a time namespace. It applies to children, so its offsets are written before any process is in it. */
function addTime(plan: PlanBuilder, offsets: Readonly<Record<string, TimeOffset>>): void {
  const reason = "linux.namespaces";
  plan.add(reason, { op: "unshare", flags: abi.CLONE_NEWTIME });
  const lines = Object.entries(offsets).map(([clock, { secs, nanosecs }]) => `${clock} ${secs} ${nanosecs}\n`);
  if (lines.length > 0) {
    plan.add("linux.timeOffsets", { op: "write", path: "/proc/self/timens_offsets", data: lines.join("") });
  }
  plan.add(reason, { op: "setns-path", path: "/proc/self/ns/time_for_children", flags: abi.CLONE_NEWTIME });
}
