import { ownsKernel } from "../guest/guest-sysctls.ts";
import { writeEpoch } from "../guest/warm-start/epoch-file.ts";
import { WarmStore } from "../guest/warm-start/warm-record.ts";
import type { Network } from "../network/network.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { ClientUse } from "../service/warm-start/snapshot-losses.ts";
import { WarmStart } from "../service/warm-start/warm-start.ts";
import type { OpenedKernel } from "./open-kernel.ts";
import { whenQuiet } from "./when-quiet.ts";

interface WarmStartUses {
  readonly sandbox: Sandbox;
  readonly network: Network;
  /** Returns what a snapshot would lose of clients. */
  clients(): ClientUse;
  /** True while a call or a connection is open that a restart would cut off. */
  busy(): boolean;
}

/** Restores the state of quiescing and resuming. */
export function openWarmStart(
  { kernel, options, stateDirectory, ledger, log }: OpenedKernel,
  { busy, ...uses }: WarmStartUses,
): WarmStart {
  const store = new WarmStore(kernel.files, `${stateDirectory}/warm-start.json`);
  const tellEpoch = (epoch: number) => {
    try {
      writeEpoch(`${stateDirectory}/epoch`, epoch);
    } catch (error) {
      log.warn({ error: String(error) }, "programs in containers can't read the guest's epoch");
    }
  };
  tellEpoch(store.record.epoch);
  const end = () => {
    log.info("the next agent takes over");
    process.kill(process.pid, "SIGUSR2"); // init starts the next agent without a pause
  };
  return new WarmStart({
    store,
    isTemplate: options.template,
    generation: kernel.init.greeting.generation,
    ownsKernel: ownsKernel(),
    ...{ kernel, ...uses },
    trim: () => kernel.sys.trimHeap(),
    renewStreams: () => ledger.renewEpoch(),
    writeEpoch: tellEpoch,
    end,
    endWhenQuiet: () => whenQuiet(end, { isBusy: busy }),
  });
}
