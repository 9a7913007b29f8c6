import type { Listener } from "../kernel/sys/listeners.ts";
import type { OpenedKernel } from "./open-kernel.ts";
import type { OpenedServices } from "./open-services.ts";

/** Answers the open calls, closes everything, then has init power off the guest, or end the service. */
export async function stop(
  { kernel, log, sink }: OpenedKernel,
  { server, trace, memAgent }: OpenedServices,
  listener: Listener,
): Promise<void> {
  log.info("the sandbox has ended");
  await listener.close();
  await server.close();
  await trace?.close();
  memAgent.close();
  sink.close();
  kernel.init.power("off");
}
