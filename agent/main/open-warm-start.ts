import { ownsKernel } from "../guest/guest-sysctls.ts";
import { writeEpoch } from "../guest/warm-start/epoch-file.ts";
import { WarmStore } from "../guest/warm-start/warm-record.ts";
import type { Network } from "../network/network.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { ClientUse } from "../service/warm-start/snapshot-losses.ts";
import { WarmStart } from "../service/warm-start/warm-start.ts";
import type { OpenedKernel } from "./open-kernel.ts";

/** Restores the state of quiescing and resuming; `clients` returns what a snapshot would lose of them. */
export function openWarmStart(
  { kernel, options, stateDirectory, ledger, log }: OpenedKernel,
  sandbox: Sandbox,
  network: Network,
  clients: () => ClientUse,
): WarmStart {
  const store = new WarmStore(kernel.files, `${stateDirectory}/warm-start.json`);
  try {
    writeEpoch(`${stateDirectory}/epoch`, store.record.epoch);
  } catch (error) {
    log.warn({ error: String(error) }, "programs in containers can't read the guest's epoch");
  }
  return new WarmStart({
    store,
    isTemplate: options.template,
    generation: kernel.init.greeting.generation,
    ownsKernel: ownsKernel(),
    ...{ kernel, sandbox, network, clients },
    trim: () => kernel.sys.trimHeap(),
    renewStreams: () => ledger.renewEpoch(),
    end() {
      log.info("the next agent takes over");
      process.kill(process.pid, "SIGUSR2"); // init starts the next agent without a pause
    },
  });
}
