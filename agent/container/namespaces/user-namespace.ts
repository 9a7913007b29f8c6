import { CLONE_NEWUSER } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import { ReportReader } from "../../kernel/init/report.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openForReading } from "../files-in-root.ts";
import { newLaunchId } from "../launch.ts";
import type { IdMapping } from "../spec.ts";

const WAIT_MS = 10_000;
const REPORT = 0;
const RELEASE = 1;
/** Executes no program: the process ends when its release pipe is closed. */
const PLAN: readonly PlanOp[] = [
  { op: "unshare", flags: CLONE_NEWUSER },
  { op: "wait", slot: RELEASE },
  { op: "exec", args: ["user-namespace"], env: [] },
];

/**
 * Creates a user namespace with these id mappings and returns a descriptor, which the caller closes; the namespace
 * lives while a descriptor is open. Launches a separate process for it, because maps are written from outside, and
 * neither the agent nor init can enter a user namespace and return.
 */
export async function openUserNamespace(
  kernel: Kernel,
  uids: readonly IdMapping[],
  gids: readonly IdMapping[],
): Promise<Fd> {
  const { sys, init, files } = kernel;
  using undo = new DisposableStack();
  const [report, release] = [sys.pipe(), sys.pipe()];
  for (const fd of [report.read, release.read, release.write]) undo.adopt(fd, sys.close);
  const id = newLaunchId();
  const launching = init.launch({
    ...{ id, plan: PLAN, slots: [report.write, release.read], reportSlot: REPORT },
    ...{ newPidNamespace: false, keep: {}, label: JSON.stringify({ container: "", exec: `user-namespace-${id}` }) },
  });
  const { pid, pidfd } = await launching.finally(() => sys.close(report.write));
  undo.defer(() => init.forget(id));
  undo.adopt(pidfd, sys.close);
  const result = await new ReportReader(sys, report.read).next(AbortSignal.timeout(WAIT_MS));
  if (result.kind === "failed") throw new SystemError("unshare", result.errno, "user namespace", result.text);
  write(`/proc/${pid}/uid_map`, uids, "linux.uidMappings");
  write(`/proc/${pid}/gid_map`, gids, "linux.gidMappings");
  return openForReading(`/proc/${pid}/ns/user`);

  /** Writes a map in one write: the kernel accepts it only once. */
  function write(path: string, mappings: readonly IdMapping[], field: string): void {
    const lines = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`);
    try {
      files.writeText(path, lines.join(""));
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      throw new AgentError("invalid-argument", `OCI spec: ${field} are refused by the kernel: ${code}`, {
        cause: error,
      });
    }
  }
}

/** Outside id for an inside id; undefined if the id isn't mapped. */
export function hostId(mappings: readonly IdMapping[], id: number): number | undefined {
  const found = mappings.find(({ containerID, size }) => id >= containerID && id - containerID < size);
  return found === undefined ? undefined : found.hostID + id - found.containerID;
}
