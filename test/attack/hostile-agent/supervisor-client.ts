import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StateStore } from "../../../host/engine/record/state-store.ts";
import { ask } from "../../../host/engine/supervisor/ask-keeper.ts";
import { SUPERVISOR_SOCKET, type SupervisorOperations } from "../../../host/engine/supervisor/supervise.ts";
import { NOBODY } from "../../../lib/process-owner.ts";
import { until } from "./attacked-program.ts";

/** Until the supervisor is left alone with the agent. */
const USE_MS = 1500;

/** Leaves the container to `guestctl __supervise`, with its output. */
export async function useSupervisor(
  child: ChildProcess,
  home: string,
  { guest, container }: { readonly guest: string; readonly container: string },
): Promise<void> {
  const store = new StateStore(join(home, `guestd-${process.geteuid?.()}`));
  const output = join(store.directory(guest), "web.out");
  store.processes.update(guest, { container, exec: container }, { keeper: NOBODY, output, kept: true });
  const socket = join(store.root, SUPERVISOR_SOCKET);
  let isListening = false;
  const tryOnce = () =>
    ask<SupervisorOperations, "adopt">(socket, "adopt", {}).then(
      () => {
        isListening = true;
      },
      () => undefined,
    );
  const timer = setInterval(tryOnce, 100);
  await until(child, () => isListening || undefined);
  clearInterval(timer);
  await sleep(USE_MS);
}
