import { SystemError } from "../error.ts";
import type { PlanOp } from "./plan.ts";

const ENOMEM = 12;

/** Returns the error of a launch that init refused. `where` and `detail` are those of init's answer. */
export function launchRefusal(
  reply: { readonly id: number; readonly error: number; readonly where: number; readonly detail: number },
  plan: readonly PlanOp[],
): SystemError {
  const errno = -reply.error;
  if (reply.where === 2) {
    const op = plan[reply.detail];
    return new SystemError("check launch plan", errno, op === undefined ? "" : `operation ${reply.detail} (${op.op})`);
  }
  if (reply.where === 3) return new SystemError("setns", errno, "pid namespace of the launch");
  if (reply.where === 4) {
    const detail = errno === ENOMEM ? "not enough memory, or the target pid namespace has ended" : "";
    return new SystemError("clone3", errno, "into the cgroup of the launch", detail);
  }
  return new SystemError("launch by init", errno, `process ${reply.id}`);
}
