import type { WarmStore } from "../../guest/warm-start/warm-record.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";

interface FreezerParts {
  readonly store: WarmStore;
  readonly sandbox: Pick<Sandbox, "containers" | "find">;
}

/** Freezes all containers that run, and notes them before. A container that has ended meanwhile is fine. */
export async function freezeContainers({ store, sandbox }: FreezerParts, limitMs: number): Promise<void> {
  const running = sandbox.containers.filter(({ paused, init }) => !paused && init.status === undefined);
  if (running.length === 0) return;
  const { record } = store;
  store.write({ ...record, frozen: [...record.frozen, ...running.map(({ id }) => id)] });
  const signal = AbortSignal.timeout(limitMs);
  await allDone(running.map((container) => container.pause(signal).catch(unlessEnded(container))));
}

/** Thaws the noted containers, except those in `still`. The notes remain. */
export async function thawContainers(
  { store, sandbox }: FreezerParts,
  limitMs: number,
  still: readonly string[] = [],
): Promise<void> {
  const frozen = store.record.frozen
    .filter((id) => !still.includes(id))
    .map((id) => sandbox.find(id))
    .filter((container) => container?.paused === true);
  const signal = AbortSignal.timeout(limitMs);
  await allDone(frozen.map((container) => container?.resume(signal).catch(unlessEnded(container))));
}

/** Waits for all, then throws the first failure. */
async function allDone(promises: readonly (Promise<void> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Ignores the failure of a container that has ended meanwhile. */
function unlessEnded(container: { readonly init: { readonly status: unknown } }): (error: unknown) => void {
  return (error) => {
    if (container.init.status === undefined) throw error;
  };
}
