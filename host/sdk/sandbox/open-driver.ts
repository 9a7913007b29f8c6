import { onProcessEnd } from "../../../lib/process-end.ts";
import { removeFromAgent } from "../../client/remove-container.ts";
import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import { Container } from "../../engine/container.ts";
import { askOffers } from "../../engine/guest/agent-offers.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import type { Guest } from "../../engine/guest.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { type PreparedClone, prepareClone } from "../../engine/template/prepare-clone.ts";
import type { StoredTemplate } from "../../engine/template/template-store.ts";
import { AgentDriver } from "../driver/agent-driver.ts";
import { auditedDriver } from "../driver/audited-driver.ts";
import type { Driver } from "../driver/driver.ts";
import type { SandboxError } from "../error/sandbox-error.ts";
import { toSandboxError } from "../error/to-sandbox-error.ts";

/** Returns the driver of a container that this process keeps. */
export async function openDriver(
  store: StateStore,
  prepared: PreparedRun,
  name: string,
  record: ProcessRecord,
): Promise<AgentDriver> {
  const { client, target, died, guest } = prepared;
  const { container } = record;
  const full = { ...target, guest: guest === undefined ? undefined : store.guest(guest), container, record };
  const forget = guest === undefined ? () => undefined : onProcessEnd(() => store.removeGuest(guest));
  const driver = new AgentDriver({
    container: new Container(store, full, { client, offers: await askOffers(full, client) }),
    name,
    died,
    fork: forkDrivers,
    async stop(limits) {
      if (guest === undefined) await removeFromAgent(client, container, limits);
      else store.noteEnding(guest);
      await prepared.end();
    },
    async close() {
      forget();
      await prepared[Symbol.asyncDispose]();
    },
  });
  return auditedDriver(driver, guest);
}

/** Starts copies of a guest, which this process then keeps. Returns the driver of each, or its error. */
export async function forkDrivers(
  guest: Guest,
  count: number,
  signal: AbortSignal,
): Promise<readonly (Driver | SandboxError)[]> {
  await using undo = new AsyncDisposableStack();
  const startClone = async ({ path }: StoredTemplate) => {
    const name = randomName("s");
    try {
      const clone = await cloneDriver(name, path, signal);
      undo.defer(() => clone.close());
      return clone;
    } catch (error) {
      return toSandboxError(`fork ${name}`, error);
    }
  };
  const start = (template: StoredTemplate) => Promise.all(Array.from({ length: count }, () => startClone(template)));
  const clones = await guest.fork(start, signal);
  undo.move();
  return clones;
}

/** Starts a guest from a snapshot with one container. Throws any error; then nothing is left. */
export async function cloneDriver(
  name: string,
  snapshot: string,
  signal: AbortSignal,
  options: Pick<Parameters<typeof prepareClone>[1], "network" | "onConsole" | "isWarm"> = {},
): Promise<AgentDriver> {
  const store = new StateStore();
  // The signal of a guest destroys it also later.
  const starting = new AbortController();
  const onAbort = () => starting.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let prepared: PreparedClone | undefined;
  try {
    signal.throwIfAborted();
    prepared = await prepareClone(store, { ...options, name, snapshot, signal: starting.signal, isEmbedded: true });
    return await openDriver(store, prepared, name, prepared.record);
  } catch (error) {
    await prepared?.[Symbol.asyncDispose]();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
