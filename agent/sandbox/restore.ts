import { Container } from "../container/container.ts";
import { HOOK_COMMAND } from "../container/hooks/run-hooks.ts";
import { reserveLaunchIds } from "../container/launch.ts";
import { restoreStreams } from "../container/passfd/passed-stream.ts";
import { Process } from "../container/process/process.ts";
import { type ProcessLabel, readLabel } from "../container/process/process-label.ts";
import type { ContainerTraceGuard } from "../container/runtime/runtime.ts";
import { isConsoleShell } from "../container/shell.ts";
import { SIGKILL } from "../kernel/constants.ts";
import { FILES_COMMAND } from "../kernel/files/serving-plan.ts";
import type { Kernel, RestoredProcess } from "../kernel/kernel.ts";
import type { ContainerRecord } from "./state.ts";

export interface RestoredContainer {
  readonly record: ContainerRecord;
  readonly container: Container;
}

/**
 * Joins the processes and descriptors that init kept with the container records of the state files. A record is `broken` if it has no
 * process, as the agent's death interrupted a creation or removal, or if this version doesn't know its runtime. Kills processes
 * without a record or with an unreadable label, hooks, and all processes of a container whose creation was interrupted in its hooks.
 */
export function restoreContainers(
  kernel: Kernel,
  records: readonly ContainerRecord[],
  { pipeSize, traceGuardOf }: { readonly pipeSize: number; readonly traceGuardOf: (id: string) => ContainerTraceGuard },
): { readonly restored: readonly RestoredContainer[]; readonly broken: readonly ContainerRecord[] } {
  const byContainer = groupByContainer(kernel);
  const restored: RestoredContainer[] = [];
  const broken: ContainerRecord[] = [];
  for (const record of records) {
    const found = byContainer.get(record.id) ?? [];
    const init = found.find(({ label }) => label.exec === record.id);
    if (init === undefined || record.creating === true) {
      broken.push(record);
      continue;
    }
    byContainer.delete(record.id);
    const execs = found.filter((entry) => entry !== init).map((entry) => restoreProcess(kernel, entry, false));
    const first = restoreProcess(kernel, init, true);
    const { id, spec, cgroup } = record;
    try {
      const container = Container.restore(
        kernel,
        { id, spec, cgroup, pipeSize, traceGuard: traceGuardOf(id) },
        first,
        execs,
        record.held,
      );
      restored.push({ record, container });
    } catch {
      for (const process of [first, ...execs]) process.destroy();
      broken.push(record);
    }
  }
  for (const entry of [...byContainer.values()].flat()) abandon(kernel, entry);
  return { restored, broken };
}

function restoreProcess(kernel: Kernel, { label, process }: Found, isFirst: boolean): Process {
  return Process.restore(kernel, label.exec, process, isFirst, restoreStreams(kernel, label.streams));
}

interface Found {
  readonly label: ProcessLabel;
  readonly process: RestoredProcess;
}

/** Stands for a label that can't be read. */
const NO_LABEL: ProcessLabel = { container: "", exec: "" };

function groupByContainer(kernel: Kernel): Map<string, Found[]> {
  const byContainer = new Map<string, Found[]>();
  for (const process of kernel.init.greeting.processes) {
    reserveLaunchIds(process.id);
    const label = readLabel(process.label);
    if (isConsoleShell(label)) continue;
    if (label?.command === FILES_COMMAND) {
      kernel.contained.abandon(label.container, process);
      continue;
    }
    // A hook or another runtime's command that the agent's death interrupted does not belong to the container's processes.
    if (label === undefined || label.command !== undefined) {
      abandon(kernel, { label: label ?? NO_LABEL, process });
      continue;
    }
    byContainer.set(label.container, [...(byContainer.get(label.container) ?? []), { label, process }]);
  }
  return byContainer;
}

/** Kills a process (a hook with its whole group), closes its descriptors and has init forget it. */
function abandon({ sys, init }: Kernel, { label, process }: Found): void {
  try {
    if (process.exited === undefined && label.command === HOOK_COMMAND) sys.killGroup(process.pid);
    if (process.exited === undefined && process.pidfd !== undefined) sys.signal(process.pidfd, SIGKILL);
  } catch {
    // The process has just ended.
  }
  for (const fd of [process.pidfd, ...Object.values(process.kept)]) if (fd !== undefined) sys.close(fd);
  init.forget(process.id);
}
