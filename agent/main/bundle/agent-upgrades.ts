import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sys } from "../../kernel/kernel.ts";
import type { Agent } from "../../service/rpc.ts";
import type { Log } from "../log.ts";
import { BundleStore } from "./bundle-store.ts";
import { receiveFile } from "./receive-file.ts";
import { prepareUpgrade } from "./upgrade.ts";

/** How long calls that a restart would cut off are waited for. */
const QUIET_LIMIT_MS = 5000;
const INTERVAL_MS = 20;
/** gRPC tells of a message that is on its way; the end of the answer comes after it. */
const LAST_BYTES_MS = 50;

interface UpgradeParts {
  readonly sys: Pick<Sys, "openat2" | "close">;
  readonly stateDirectory: string;
  /** GUESTD_BUNDLE, which the launcher sets. */
  readonly running: string | undefined;
  readonly generation: number;
  /** A call is open that a restart would cut off. */
  busy(): boolean;
  readonly log: Log;
}

/** What the agent does about its own successor. */
export function agentUpgrades(parts: UpgradeParts): Pick<
  Agent,
  "copyFile" | "prepareUpgrade" | "restart" | "running"
> & {
  /** Tells launcher and log that this agent listens. */
  listening(): void;
} {
  const { running, generation, log } = parts;
  const store = new BundleStore(parts.stateDirectory);
  return {
    copyFile: (file) => receiveFile(parts.sys, file, store.upload),
    async prepareUpgrade(upgrade) {
      prepareUpgrade(upgrade, { sys: parts.sys, store, running });
      const end = performance.now() + QUIET_LIMIT_MS;
      while (parts.busy() && performance.now() < end) await sleep(INTERVAL_MS);
    },
    restart() {
      log.info("the next agent takes over");
      setTimeout(() => process.kill(process.pid, "SIGKILL"), LAST_BYTES_MS);
    },
    running: () => ({ bundle: running ?? "", generation, left: store.left(), upload: store.upload }),
    listening() {
      // Heard by the launcher of the image, which may be older than this bundle: the name stays.
      channel("guestd:listening").publish({});
      try {
        const left = store.tellLeft();
        if (left !== undefined) log.warn(left, "a bundle of the agent was left, the image's own runs");
        if (running !== undefined) store.keepOnly(running);
      } catch (error) {
        log.warn({ error: String(error) }, "bundles of the agent can't be put in order");
      }
    },
  };
}
