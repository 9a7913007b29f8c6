import { Container } from "../container/container.ts";
import { reserveLaunchIds } from "../container/launch.ts";
import { Process, type ProcessLabel } from "../container/process.ts";
import type { Kernel, RestoredProcess } from "../kernel/kernel.ts";
import type { ContainerRecord, StateStore } from "./state.ts";

export interface RestoredContainer {
  readonly record: ContainerRecord;
  readonly container: Container;
}

/**
 * Puts together what init kept (processes with their descriptors) and what the state files say (containers).
 * A record without a process is a creation that the agent's death cut off: `broken`. A process without a record can't
 * be: the record is written first.
 */
export function restoreContainers(
  kernel: Kernel,
  state: StateStore,
  pipeSize: number,
): { readonly restored: readonly RestoredContainer[]; readonly broken: readonly ContainerRecord[] } {
  const byContainer = new Map<string, { label: ProcessLabel; process: RestoredProcess }[]>();
  for (const process of kernel.init.greeting.processes) {
    reserveLaunchIds(process.id);
    const label = JSON.parse(process.label) as ProcessLabel;
    byContainer.set(label.container, [...(byContainer.get(label.container) ?? []), { label, process }]);
  }
  const restored: RestoredContainer[] = [];
  const broken: ContainerRecord[] = [];
  for (const record of state.readContainers()) {
    const found = byContainer.get(record.id) ?? [];
    byContainer.delete(record.id);
    const init = found.find(({ label }) => label.exec === record.id);
    if (init === undefined) broken.push(record);
    else {
      const execs = found
        .filter((entry) => entry !== init)
        .map(({ label, process }) => Process.restore(kernel, label.exec, process));
      const options = { id: record.id, spec: record.spec, cgroup: record.cgroup, pipeSize };
      const first = Process.restore(kernel, record.id, init.process);
      restored.push({ record, container: Container.restore(kernel, options, first, execs) });
    }
  }
  for (const orphans of byContainer.values()) for (const { process } of orphans) kernel.init.forget(process.id);
  return { restored, broken };
}
