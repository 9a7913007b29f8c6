import * as abi from "../../kernel/constants.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import { compileLimits } from "../process/compile-process.ts";
import { compileSchedulingOfFork } from "../process/scheduling.ts";
import type { Spec, TimeOffset } from "../spec.ts";
import { sortNamespaces } from "./namespaces.ts";

/** The slot of the user namespace to go into. */
const USER_SLOT = "ns:user";

/**
 * Joins and makes the namespaces, but a new pid namespace that needs no `fork`: that is a matter of the launch. Those with
 * a path are joined, and named, while the process is root of the guest. New ones are made after the user namespace is
 * joined, so that they belong to it, and the pid namespace, which only a fork can make, by a fork in there.
 */
export function compileNamespaces(plan: PlanBuilder, spec: Spec): void {
  const namespaces = sortNamespaces(spec.linux.namespaces);
  const { user, newPid } = namespaces;
  const reason = "linux.namespaces";
  // To raise one takes a capability of the guest's own.
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
    compileSchedulingOfFork(plan, spec.process);
  }
  if (namespaces.newTime) addTime(plan, spec.linux.timeOffsets ?? {});
  plan.add(reason, { op: "unshare", flags: namespaces.create });
  if (!utsIsJoined) addNames(plan, spec);
}

function addNames(plan: PlanBuilder, { hostname, domainname }: Spec): void {
  if (hostname !== "") plan.add("hostname", { op: "sethostname", name: hostname });
  if (domainname !== "") plan.add("domainname", { op: "setdomainname", name: domainname });
}

/** A time namespace is made for children, and gets its offsets before the first process is in it. */
function addTime(plan: PlanBuilder, offsets: Readonly<Record<string, TimeOffset>>): void {
  const reason = "linux.namespaces";
  plan.add(reason, { op: "unshare", flags: abi.CLONE_NEWTIME });
  const lines = Object.entries(offsets).map(([clock, { secs, nanosecs }]) => `${clock} ${secs} ${nanosecs}\n`);
  if (lines.length > 0) {
    plan.add("linux.timeOffsets", { op: "write", path: "/proc/self/timens_offsets", data: lines.join("") });
  }
  plan.add(reason, { op: "setns-path", path: "/proc/self/ns/time_for_children", flags: abi.CLONE_NEWTIME });
}
