import { setTimeout as sleep } from "node:timers/promises";
import { CLONE_NEWNS } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { launch } from "./launch.ts";
import { type CompiledPlan, PlanBuilder } from "./plan/plan-builder.ts";
import { dropCapabilities } from "./process/drop-capabilities.ts";

/** What is mounted in one container, to be seen in another as well. */
export interface SharedMount {
  readonly name: string;
  /** Id of the container that has it, or its name in the pod. */
  readonly source: string;
  readonly sourcePath: string;
  readonly path: string;
}

/** The first process of a container. */
export interface MountOwner {
  readonly id: string;
  readonly pid: number;
  readonly pidfd: Fd;
}

const NAMES = [
  "io.kubernetes.cri.container-name",
  "io.kubernetes.cri-o.ContainerName",
  "io.kubernetes.container.name",
] as const;
const LIMIT_MS = 10_000;
const PAUSE_MS = 100;
/** The mount table of a container, which makes it as long as it likes, is looked through up to that many bytes. */
const MAX_TABLE = 1 << 20;

/** The container has this id, or this name in its pod. */
export function isNamed(id: string, annotations: Readonly<Record<string, string>>, name: string): boolean {
  return id === name || NAMES.some((key) => annotations[key] === name);
}

/** Throws for paths that none can have. */
export function checkSharedMounts(mounts: readonly SharedMount[]): void {
  for (const { name, sourcePath, path } of mounts) {
    guestPath(`shared mount ${name}: path`, sourcePath);
    guestPath(`shared mount ${name}: path`, path);
  }
}

/**
 * Shows what `source` has mounted, with all below, in `target` too. A mount that is not there yet, for a process in the
 * container makes it, is waited for.
 */
export async function shareMount(
  kernel: Kernel,
  mount: SharedMount,
  source: MountOwner,
  target: MountOwner,
  signal?: AbortSignal,
  limitMs = LIMIT_MS,
): Promise<void> {
  const { name, sourcePath } = mount;
  const fail = (why: string, cause?: unknown) => new AgentError("internal", `shared mount ${name}: ${why}`, { cause });
  for (let waited = 0; ; waited += PAUSE_MS) {
    const table = await mountTable(kernel.files, source.pid);
    if (table === undefined) throw fail(`the mount table of container ${source.id} is longer than ${MAX_TABLE} bytes`);
    if (isMounted(table, sourcePath)) break;
    if (waited >= limitMs) {
      throw fail(`nothing is mounted on ${sourcePath} of container ${source.id} within ${limitMs / 1000} s`);
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
  try {
    await run(kernel, sharePlan(mount), source, target, signal);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
}

async function run(
  kernel: Kernel,
  plan: CompiledPlan,
  source: MountOwner,
  target: MountOwner,
  signal = AbortSignal.timeout(LIMIT_MS),
): Promise<void> {
  const report = kernel.sys.pipe();
  const fds = { own: {}, child: new Map([["report", report.write]]), report: report.read };
  const slots = new Map(Object.entries({ source: source.pidfd, target: target.pidfd }));
  const label = { container: target.id, exec: target.id, command: "share" };
  const launched = await launch(kernel, plan, fds, slots, label, signal);
  try {
    await waitUntil(launched.exit, signal);
  } finally {
    kernel.sys.close(launched.pidfd);
    kernel.init.forget(launched.id);
  }
}

/** Paths are resolved within each container's root. */
function sharePlan({ name, sourcePath, path }: SharedMount): CompiledPlan {
  const plan = new PlanBuilder();
  plan.slot("report");
  plan.add(
    `shared_mounts ${name}`,
    { op: "setns", slot: plan.slot("source"), flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "open-tree", from: "root", path: sourcePath, recursive: true },
    { op: "setns", slot: plan.slot("target"), flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "attach", target: path, overProc: false },
    { op: "exit" },
  );
  return dropCapabilities(plan.finish());
}

/** The mount table of a process names what is mounted by paths of its own root. */
function isMounted(table: string, path: string): boolean {
  const wanted = path.length > 1 ? path.replace(/\/+$/, "") : path;
  const escaped = wanted.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return table.split("\n").some((line) => line.split(" ")[4] === escaped);
}

/** Empty for a process that has ended; undefined for a table that is too long. */
async function mountTable(files: Pick<Files, "readAtMost">, pid: number): Promise<string | undefined> {
  return files.readAtMost(`/proc/${pid}/mountinfo`, MAX_TABLE).catch(() => "");
}
