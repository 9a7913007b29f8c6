import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainedFiles } from "../../kernel/files/contained-files.ts";
import type { Agent } from "../../service/rpc.ts";
import type { Log } from "../log.ts";
import { BundleStore } from "./bundle-store.ts";
import { receiveFile } from "./receive-file.ts";
import { prepareUpgrade } from "./upgrade.ts";

/** Limit for waiting on calls that a restart would cut off. */
const QUIET_LIMIT_MS = 5000;
const INTERVAL_MS = 20;
/** gRPC reports a message as sent before the end of the answer, which this delay covers. */
const LAST_BYTES_MS = 50;

interface UpgradeParts {
  readonly contained: ContainedFiles;
  readonly stateDirectory: string;
  /** GUESTD_BUNDLE, set by the launcher. */
  readonly running: string | undefined;
  readonly generation: number;
  /** True while a call is open that a restart would cut off. */
  busy(): boolean;
  readonly log: Log;
}

/** Returns the agent's functions for upgrading and restarting itself. */
export function agentUpgrades(parts: UpgradeParts): Pick<
  Agent,
  "copyFile" | "prepareUpgrade" | "restart" | "running"
> & {
  /** Reports to the launcher and the log that this agent listens. */
  listening(): void;
} {
  const { running, generation, log } = parts;
  const store = new BundleStore(parts.stateDirectory);
  return {
    copyFile: (file) => receiveFile(parts.contained, file, store.upload),
    async prepareUpgrade(upgrade) {
      await prepareUpgrade(upgrade, { contained: parts.contained, store, running });
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
        const left = store.reportLeft();
        if (left !== undefined) log.warn(left, "a bundle of the agent failed to start; the image's own runs instead");
        if (running !== undefined) store.keepOnly(running);
      } catch (error) {
        log.warn({ error: String(error) }, "old bundles of the agent can't be removed");
      }
    },
  };
}
