import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { SandboxGuest } from "../guest/sandbox-guest.ts";
import type { StateStore } from "../record/state-store.ts";
import { askKeeper } from "./ask-keeper.ts";
import { keepGuest } from "./keep-guest.ts";
import { KEEPER_SOCKET } from "./keeper-operations.ts";

test.each([false, true])(
  "a snapshot that is complete when its command has ended is removed (for a fork: %s)",
  async (isForFork) => {
    const directory = mkdtempSync(join(tmpdir(), "keep-guest-"));
    const [stop, ending] = [new AbortController(), new AbortController()];
    vi.stubEnv("XDG_CACHE_HOME", directory);
    onTestFinished(() => {
      ending.abort();
      vi.unstubAllEnvs();
      rmSync(directory, { recursive: true });
    });
    let isSaved = false;
    const guest = {
      ended: ending.signal,
      async save(path: string, { signal }: { readonly signal: AbortSignal }) {
        mkdirSync(path, { mode: 0o700 });
        stop.abort(new Error("^C"));
        await once(signal, "abort");
        isSaved = true;
      },
    } as unknown as SandboxGuest;
    const none = { list: () => [] };
    const store = { processes: none, guest: () => undefined, directory: () => directory } as unknown as StateStore;
    await keepGuest(store, "dev", guest);
    const place = { guest: "dev", socket: join(directory, KEEPER_SOCKET) };
    await expect(askKeeper(place, "snapshot", { name: "half", isForFork }, stop.signal)).rejects.toThrow("^C");
    const templates = join(directory, "guestd/templates");
    const all = () => readdirSync(templates, { recursive: true }).filter((name) => name !== "digests.json");
    await expect.poll(() => [isSaved, ...all()]).toEqual([true, "named"]);
  },
);
