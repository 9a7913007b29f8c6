import { dirname, join } from "node:path";
import { oneLine } from "../../../operation-error.ts";
import { makeRecordedFolder } from "../../../recorded-folder.ts";
import type { Guest } from "../../../vm/guest.ts";
import { GuestProcesses } from "../../../vm/guest-processes.ts";
import { userCache } from "../../../vm/paths.ts";
import { readManifest } from "../../../vm/snapshot/manifest.ts";
import { hasConnections } from "../../../vm/user-network.ts";
import { causeOfDeath } from "../../guest/guest-death.ts";
import { LOG_PORT } from "../../guest/guest-log.ts";
import { consoleFile } from "../../guest/guest-logs.ts";
import { AGENT_PORT, SandboxGuest } from "../../guest/sandbox-guest.ts";
import type { GuestRecord } from "../../record/state-records.ts";
import type { StateStore } from "../../record/state-store.ts";
import { TimeLimit } from "../time-limit.ts";
import { ProcessorUse } from "./guest-use.ts";
import { IdleWatch } from "./idle-watch.ts";
import { PublishedPorts } from "./published-ports.ts";
import { WakingRelay } from "./waking-relay.ts";

const SNAPSHOT = "snapshot";
const RUNNING = { saved: undefined, isSaved: undefined, continuing: undefined, savedFailure: undefined } as const;

/** State that a guest's keeper holds across saves. */
export interface Idling {
  readonly relay: WakingRelay;
  readonly ports: PublishedPorts;
  /** Resolves when the guest has to end; a saved guest continues for that. */
  interrupted(): Promise<unknown>;
  /** Called when the guest is found saved. */
  onSaved(): void;
}

/** Returns the address of the relay, where a connection counts as use and continues a saved guest. */
export function wakingAddress(store: StateStore, guest: string, port: number): string {
  return `hvsock://${relaySocket(store, guest)}:${port}`;
}

function relaySocket(store: StateStore, guest: string): string {
  return join(store.directory(guest), "relay.sock");
}

/** Listens for clients of a guest with `idleMs`; undefined for another. */
export async function openIdling(
  store: StateStore,
  { name, idleMs }: GuestRecord,
  rest: Omit<Idling, "relay" | "ports">,
): Promise<(Idling & AsyncDisposable) | undefined> {
  if (idleMs === undefined) return undefined;
  await using undo = new AsyncDisposableStack();
  const relay = undo.use(await WakingRelay.listen(relaySocket(store, name)));
  const ports = undo.use(new PublishedPorts(relay));
  const kept = undo.move();
  return { ...rest, relay, ports, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Saves a guest once it has been idle for its limit, until it ends. If that fails, notes why and tries again after the limit. */
export async function saveWhenIdle(
  store: StateStore,
  { name }: GuestRecord,
  guest: SandboxGuest,
  idling: Idling,
): Promise<void> {
  const { relay } = idling;
  const [pid = 0] = guest.guest.pids;
  const processors = new ProcessorUse(pid);
  await lead(store, name, guest, idling);
  const watch = new IdleWatch({
    limitMs: () => store.guest(name)?.idleMs ?? 0,
    async isUsed() {
      const isBusy = processors.isUsed();
      if (isBusy || relay.clients > 0 || guest.guest.isPaused) return true;
      if (guest.guest.mac === undefined) return false;
      await using qmp = await guest.guest.qmp();
      return await hasConnections(qmp);
    },
    onIdle: () => save(store, name, guest, idling),
  });
  guest.gone.addEventListener("abort", () => watch[Symbol.dispose](), { once: true });
  guest.ended.addEventListener("abort", () => watch[Symbol.dispose](), { once: true });
}

/** Lets clients and connections to ports reach the guest. */
async function lead(store: StateStore, name: string, guest: SandboxGuest, { relay, ports }: Idling): Promise<void> {
  try {
    if (guest.guest.mac !== undefined) {
      await using qmp = await guest.guest.qmp();
      await ports.give(guest.guest.forwards, qmp);
    }
  } catch (error) {
    const { saved } = store.guest(name) ?? {};
    store.noteSaved(name, { saved, savedFailure: oneLine(error) });
  }
  relay.lead((port) => guest.guest.address(port));
}

async function save(store: StateStore, name: string, guest: SandboxGuest, idling: Idling): Promise<void> {
  const { relay, ports } = idling;
  if (relay.clients > 0) return;
  relay.hold();
  try {
    if (guest.guest.mac !== undefined && (await takePorts(guest, ports))) return await lead(store, name, guest, idling);
    const folder = makeRecordedFolder(userCache("saved"), "saved-", { record: store.file(name), field: "saved" });
    store.noteSaved(name, { saved: folder });
    await guest.suspend(join(folder, SNAPSHOT), () =>
      store.noteSaved(name, { saved: folder, isSaved: true, savedFailure: undefined }),
    );
  } catch (error) {
    store.noteSaved(name, { saved: undefined, isSaved: undefined, savedFailure: oneLine(error) });
    await lead(store, name, guest, idling);
  }
}

/** Has connections to a guest's ports wait from now on. True if one was faster, or the guest has another. */
async function takePorts(guest: SandboxGuest, ports: PublishedPorts): Promise<boolean> {
  await using qmp = await guest.guest.qmp();
  await ports.take(guest.guest.forwards, qmp);
  return await hasConnections(qmp);
}

/**
 * Continues a saved guest: at once without `idling`, otherwise when it is used or has to end. A failure keeps it saved for the
 * next use, unless it has to end; then it is closed, and this rejects.
 */
export async function continueSaved(store: StateStore, record: GuestRecord, idling?: Idling): Promise<SandboxGuest> {
  const { name, saved = "", control = "" } = record;
  const snapshot = join(saved, SNAPSHOT);
  // A keeper that was killed may have left those of the guest before, or of the next.
  for (const each of [control, record.continuing]) await endProcesses(each).catch(() => undefined);
  const ending = Promise.withResolvers<void>();
  let isEnding = false;
  const end = async () => {
    isEnding = true;
    ending.resolve();
  };
  void idling?.interrupted().then(end);
  using limit = new TimeLimit(end);
  if (record.onTimeout !== "pause") limit.set(record.endsAt);
  idling?.onSaved();
  for (;;) {
    if (idling !== undefined) await waitForUse(snapshot, idling, ending.promise);
    try {
      const places = { name, consoleFile: consoleFile(store, name) };
      return await SandboxGuest.continue(snapshot, places, {
        onLoaded: ({ control: continuing }) => store.noteSaved(name, { saved, continuing }),
        onReleased: (guest) => store.noteSaved(name, { ...RUNNING, ...placesOf(guest) }),
      });
    } catch (error) {
      idling?.relay.refuse(error as Error);
      const isSaved = store.guests().some((guest) => guest.name === name && guest.isSaved);
      if (!isSaved || isEnding || idling === undefined) {
        store.closeGuest(name, causeOfDeath(error));
        throw error;
      }
      store.noteSaved(name, { saved, savedFailure: oneLine(error) });
    }
  }
}

/** Ends the programs of a guest at once. */
async function endProcesses(control = ""): Promise<void> {
  await GuestProcesses.find(dirname(control)).processes.end(true);
}

/** Resolves once a client waits for a guest that is saved, or it is to end. */
async function waitForUse(snapshot: string, { relay, ports }: Idling, ending: Promise<void>): Promise<void> {
  const { machine } = (await readManifest(snapshot).catch(() => undefined)) ?? {};
  // Of a port that another program has taken meanwhile, the guest's record says so once it continues.
  await ports.take(machine?.card?.forwards ?? []).catch(() => undefined);
  await Promise.race([relay.used(), ending]);
}

/** Returns where a guest is reached. */
function placesOf(guest: Guest): Pick<GuestRecord, "direct" | "logAddress" | "control" | "monitor"> {
  const { control, monitor } = guest;
  return { direct: guest.address(AGENT_PORT), logAddress: guest.address(LOG_PORT), control, monitor };
}
