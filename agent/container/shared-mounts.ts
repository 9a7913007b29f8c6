import { setTimeout as sleep } from "node:timers/promises";
import { CLONE_NEWNS, MOUNT_ATTR_RDONLY, MS_PRIVATE } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { launch } from "./launch.ts";
import { type CompiledPlan, PlanBuilder } from "./plan/plan-builder.ts";
import { dropCapabilities } from "./process/drop-capabilities.ts";

/** A mount in one container that another container shall see as well. */
export interface SharedMount {
  readonly name: string;
  /** Id of the container that has the mount, or its name in the pod. */
  readonly source: string;
  readonly sourcePath: string;
  readonly path: string;
  /** Keeps mounts of either container from appearing in the other; "ro" also makes it read-only there. */
  readonly isolated?: "ro" | "rw";
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
/** Longest mount table that is searched, in bytes; the container controls its length. */
const MAX_TABLE = 1 << 20;

/** True if the container has this id, or this name in its pod. */
export function isNamed(id: string, annotations: Readonly<Record<string, string>>, name: string): boolean {
  return id === name || NAMES.some((key) => annotations[key] === name);
}

/** Throws if a path is invalid. */
export function checkSharedMounts(mounts: readonly SharedMount[]): void {
  for (const { name, sourcePath, path } of mounts) {
    guestPath(`shared mount ${name}: path`, sourcePath);
    guestPath(`shared mount ${name}: path`, path);
  }
}

/**
 * Makes a mount of `source`, with everything mounted below it, visible in `target` too. Waits up to `limitMs` for a
 * mount that doesn't exist yet, because a process in the container creates it.
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
      throw fail(`nothing was mounted on ${sourcePath} in container ${source.id} within ${limitMs / 1000} s`);
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
  try {
    await runPlan(kernel, sharePlan(mount), source, target, signal);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
}

async function runPlan(
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

/** Plan that takes the mount from `source` to `target`; resolves each path within its container's root. */
export function sharePlan({ name, sourcePath, path, isolated }: SharedMount): CompiledPlan {
  const plan = new PlanBuilder();
  plan.slot("report");
  const set = isolated === "ro" ? MOUNT_ATTR_RDONLY : 0;
  const attributes = { op: "setattr", set, clear: 0, propagation: MS_PRIVATE, recursive: true } as const;
  plan.add(
    `shared_mounts ${name}`,
    { op: "setns", slot: plan.slot("source"), flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "open-tree", from: "root", path: sourcePath, recursive: true },
    ...(isolated === undefined ? [] : [attributes]),
    { op: "setns", slot: plan.slot("target"), flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "attach", target: path, overProc: false },
    { op: "exit" },
  );
  return dropCapabilities(plan.finish());
}

/** True if the table has a mount on this path. A process's mount table lists paths as seen from its own root. */
function isMounted(table: string, path: string): boolean {
  const wanted = path.length > 1 ? path.replace(/\/+$/, "") : path;
  const escaped = wanted.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return table.split("\n").some((line) => line.split(" ")[4] === escaped);
}

/** Reads a process's mount table: empty if the process has ended, undefined if the table is too long. */
async function mountTable(files: Pick<Files, "readAtMost">, pid: number): Promise<string | undefined> {
  return files.readAtMost(`/proc/${pid}/mountinfo`, MAX_TABLE).catch(() => "");
}
