import { ownsKernel } from "../guest/guest-sysctls.ts";
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
  return new WarmStart({
    store: new WarmStore(kernel.files, `${stateDirectory}/warm-start.json`),
    epochPath: `${stateDirectory}/epoch`,
    isTemplate: options.template,
    generation: kernel.init.greeting.generation,
    ownsKernel: ownsKernel(),
    ...{ kernel, sandbox, network, clients },
    trim: () => kernel.sys.trimHeap(),
    renewStreams: () => ledger.renewEpoch(),
    end() {
      log.info("the next agent takes over");
      process.kill(process.pid, "SIGKILL");
    },
  });
}
