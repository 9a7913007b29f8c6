import { parseAddress } from "../../client/address.ts";
import { Container } from "../../engine/container.ts";
import { askOffers } from "../../engine/guest/agent-offers.ts";
import { type ContainerTarget, connectTo } from "../../engine/guest/guest-target.ts";
import type { GuestRecord, ProcessRecord } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { supervise } from "../../engine/supervisor/supervise.ts";
import { limited } from "../call/limits.ts";
import { AgentDriver } from "../driver/agent-driver.ts";
import { auditedDriver } from "../driver/audited-driver.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import { forkDrivers } from "./open-driver.ts";
import type { ConnectOptions } from "./options.ts";

/** Connects to a container that runs. Rejects with SandboxError. */
export async function connectDriver(nameOrAddress: string, options: ConnectOptions): Promise<AgentDriver> {
  const operation = `connect to sandbox ${nameOrAddress}`;
  return limited(operation, options, async (signal) => {
    const store = new StateStore();
    await supervise(store);
    const target = findTarget(operation, store, nameOrAddress, options);
    const client = await connectTo(target, { again: true });
    try {
      const [offers] = await Promise.all([askOffers(target, client, { signal }), client.health.check({}, { signal })]);
      const container = new Container(store, target, { client, offers });
      const name = nameOf(target);
      const driver = new AgentDriver({
        container,
        name,
        fork: forkDrivers,
        stop: (limits) =>
          target.guest?.name === name ? container.guest.stop(limits) : container.remove(undefined, limits),
        close: () => client.close(),
      });
      return auditedDriver(driver, target.guest?.name);
    } catch (error) {
      await client.close();
      throw error;
    }
  });
}

function findTarget(
  operation: string,
  store: StateStore,
  text: string,
  { container }: ConnectOptions,
): ContainerTarget {
  const guests = store.guests();
  if (text.includes("://")) {
    parseAddress(text);
    const guest = guests.find(({ address }) => address === text);
    const id = container ?? guest?.name;
    if (id === undefined)
      throw sandboxError("invalid-argument", `${operation}: no container given: name one of that agent`);
    return { address: text, container: id, ...(guest && known(store, guest, id)) };
  }
  const id = container ?? text;
  for (const guest of guests) {
    const found = known(store, guest, id);
    const isMeant = container === undefined || guest.name === text;
    if (isMeant && found.record !== undefined) return { address: guest.address, container: id, ...found };
  }
  const clone = guests.find(({ name }) => name === id);
  const [only, ...others] = clone === undefined ? [] : firstProcesses(store, clone);
  if (clone !== undefined && only !== undefined && others.length === 0) {
    return { address: clone.address, container: only.container, guest: clone, record: only };
  }
  const names = guests.flatMap((guest) => store.processes.list(guest.name)).map((record) => record.container);
  const there = names.length === 0 ? "none runs" : `there are ${[...new Set(names)].join(", ")}`;
  throw sandboxError("not-found", `${operation}: not found: ${there}`);
}

/** A clone's container has the id of its template's, so that it is known by its guest. */
function nameOf({ container, guest }: ContainerTarget): string {
  return guest === undefined ? container : (guest.clone ?? container);
}

function firstProcesses(store: StateStore, guest: GuestRecord): readonly ProcessRecord[] {
  return store.processes.list(guest.name).filter(({ container, exec }) => container === exec);
}

function known(store: StateStore, guest: GuestRecord, id: string) {
  const record = store.processes.list(guest.name).find((each) => each.container === id && each.exec === id);
  return { guest, record };
}
