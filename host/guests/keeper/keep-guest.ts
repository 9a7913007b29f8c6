import { join } from "node:path";
import type { SandboxGuest } from "../../sandbox/sandbox-guest.ts";
import type { StateStore } from "../../state/state-store.ts";
import { containerNotes } from "../template/container-notes.ts";
import { TemplateStore, templateLimit } from "../template/template-store.ts";
import { KEEPER_SOCKET } from "./keeper-operations.ts";
import { serveKeeper } from "./serve-keeper.ts";

/** Serves the operations on a guest that this process keeps, until the guest ends. */
export async function keepGuest(store: StateStore, name: string, guest: SandboxGuest): Promise<void> {
  const served = await serveKeeper(join(store.directory(name), KEEPER_SOCKET), {
    async snapshot({ name: snapshot, isForFork = false }, signal) {
      const notes = containerNotes(store.processes.list(name));
      const save = (directory: string) => guest.save(directory, { name, notes, signal });
      const { bytes } = await new TemplateStore().add(snapshot, save, isForFork ? Infinity : templateLimit());
      return { bytes };
    },
    async pause() {
      await guest.pause();
      return {};
    },
    async resume() {
      await guest.resume();
      return {};
    },
  });
  guest.ended.addEventListener("abort", () => void served[Symbol.asyncDispose](), { once: true });
}
