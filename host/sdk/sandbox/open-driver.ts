import { join } from "node:path";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { dial } from "../../client/dial.ts";
import { removeFromAgent } from "../../client/remove-container.ts";
import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { askKeeper } from "../../engine/supervisor/ask-keeper.ts";
import { KEEPER_SOCKET } from "../../engine/supervisor/keeper-operations.ts";
import { supervise } from "../../engine/supervisor/supervise.ts";
import { type PreparedClone, prepareClone } from "../../engine/template/prepare-clone.ts";
import { TemplateStore } from "../../engine/template/template-store.ts";
import type { CallLimits } from "../call/limits.ts";
import { AgentDriver, offersOf } from "../driver/agent-driver.ts";
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
  const full = { ...target, ...guestOf(store, guest), container, record };
  const remove = (limits: CallLimits) => removeFromAgent(client, container, limits);
  const forget = guest === undefined ? () => undefined : onProcessEnd(() => store.removeGuest(guest));
  const driver = new AgentDriver({
    target: full,
    name,
    client,
    store,
    died,
    offers: { guest: await offersOf(client, {}), streams: await hasStreams(full) },
    fork: forkDrivers,
    async stop(limits) {
      if (guest === undefined) await remove(limits);
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
  guest: string,
  count: number,
  signal: AbortSignal,
): Promise<readonly (Driver | SandboxError)[]> {
  const templates = new TemplateStore();
  const name = randomName("fork");
  const store = new StateStore();
  await supervise(store);
  const place = { guest, socket: join(store.directory(guest), KEEPER_SOCKET) };
  await askKeeper(place, "snapshot", { name, isForFork: true }, signal);
  const snapshot = await templates.get(name);
  try {
    const names = Array.from({ length: count }, () => randomName("s"));
    const clones = await Promise.all(
      names.map((each) =>
        cloneDriver(each, snapshot.path, signal).catch((error: unknown) => toSandboxError(`fork ${each}`, error)),
      ),
    );
    await askKeeper(place, "continued", {}, signal).catch(async (error: unknown) => {
      await Promise.all(clones.map((each) => (each instanceof AgentDriver ? each.close() : undefined)));
      throw error;
    });
    return clones;
  } finally {
    await templates.remove(snapshot);
  }
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

function guestOf(store: StateStore, name: string | undefined) {
  const guest = name === undefined ? undefined : store.guest(name);
  return guest === undefined ? {} : { guest };
}

/** True if an agent's guestd.v1.Streams accepts connections. */
export async function hasStreams(target: Parameters<typeof streamsPlace>[0]): Promise<boolean> {
  const { address, dial: open = dial } = streamsPlace(target);
  return open(address).then(
    (stream) => {
      stream.destroy();
      return true;
    },
    () => false,
  );
}
