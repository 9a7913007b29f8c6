import { join } from "node:path";
import { OperationError } from "../../operation-error.ts";
import type { SandboxGuest } from "../guest/sandbox-guest.ts";
import type { StateStore } from "../record/state-store.ts";
import { addTemplate } from "../template/add-template.ts";
import { containerNotes } from "../template/container-notes.ts";
import { TemplateStore } from "../template/template-store.ts";
import { KEEPER_SOCKET, type KeeperOperations } from "./keeper-operations.ts";
import { serveOperations } from "./serve-keeper.ts";
import { TimeLimit } from "./time-limit.ts";

/** Serves the operations on a guest that this process keeps, until the guest ends. */
export async function keepGuest(store: StateStore, name: string, guest: SandboxGuest): Promise<void> {
  let continuing: Promise<unknown> = Promise.resolve();
  const pause = async () => {
    await guest.pause();
    store.notePaused(name, true);
    return true;
  };
  const limit = new TimeLimit(async (why) => {
    if (store.guest(name)?.onTimeout === "pause" && (await pause().catch(() => false))) {
      return store.noteTimeLimit(name, undefined);
    }
    for (const each of store.processes.list(name)) store.processes.update(name, each, { stopped: true });
    return guest.guest.end(why);
  });
  limit.set(store.guest(name)?.endsAt);
  const served = await serveOperations<KeeperOperations>(join(store.directory(name), KEEPER_SOCKET), {
    async snapshot({ name: snapshot, isForFork = false }, signal) {
      const notes = containerNotes(store.processes.list(name));
      const templates = new TemplateStore();
      const save = async (directory: string) => {
        if (!isForFork) return guest.save(directory, { notes, signal });
        const { promise: complete, resolve: onComplete } = Promise.withResolvers<void>();
        continuing = guest.save(directory, { notes, signal, isBrief: true, onComplete });
        continuing.catch(() => undefined); // `continued` reports it
        return Promise.race([complete, continuing]);
      };
      const template = isForFork
        ? await templates.create(snapshot, save)
        : (await addTemplate(templates, snapshot, save)).template;
      if (!signal.aborted) return { bytes: template.size };
      await templates.remove(template); // the command was ended when it was complete, and reports nothing
      throw signal.reason;
    },
    async continued() {
      await continuing;
      return {};
    },
    async setTimeLimit({ endsAt }) {
      store.noteTimeLimit(name, endsAt);
      limit.set(endsAt);
      return {};
    },
    async setIdleLimit({ idleMs }) {
      if (store.guest(name)?.idleMs === undefined) {
        const why = "it was started without --idle, so its clients don't connect through the supervisor";
        throw new OperationError(`guest ${name}: ${why}; start another one with --idle`);
      }
      store.noteIdleLimit(name, idleMs);
      return {};
    },
    async resize({ memoryMib }) {
      try {
        await guest.resize(memoryMib);
      } finally {
        store.noteMemory(name, guest.guest);
      }
      return {};
    },
    async pause() {
      await pause();
      return {};
    },
    async resume() {
      await guest.resume();
      store.notePaused(name, false);
      return {};
    },
  });
  const close = () => {
    limit[Symbol.dispose]();
    void served[Symbol.asyncDispose]();
  };
  guest.ended.addEventListener("abort", close, { once: true });
}
