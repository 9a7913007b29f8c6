import type { Init } from "./kernel/kernel.ts";
import { AFTER_CALLS_MS } from "./main/after-calls.ts";
import { giveUp } from "./main/defects.ts";
import { returnIdleMemory } from "./main/idle-memory.ts";
import { apiAddress } from "./main/listen.ts";
import { openKernel } from "./main/open-kernel.ts";
import { openListeners } from "./main/open-listeners.ts";
import { openServices } from "./main/open-services.ts";
import { stop } from "./main/stop.ts";
import { VERSION } from "./main/version.ts";
import { afterFirstAnswer, warmNode } from "./main/warm-node.ts";
import { writeConsole } from "./main/write-console.ts";

/** Microseconds of CLOCK_MONOTONIC when all of the bundle had been loaded. */
const LOADED = nowMicros();

/** The agent's whole life: restore, listen, serve until the sandbox ends. */
async function main(): Promise<void> {
  const opened = await openKernel();
  const services = await openServices(opened);
  const listener = openListeners(opened, services);
  const { kernel, options, log, heartbeat } = opened;
  const running = process.env["GUESTD_BUNDLE"];
  const bundle = running === "" ? "image" : running;
  const { generation } = kernel.init.greeting;
  const address = apiAddress(options);
  log.info({ address, generation, bundle, marks: marks(kernel.init) }, "listening");
  writeConsole(`guestd: listening on ${address}\n`);
  services.upgrades.listening();
  heartbeat.listening();
  returnIdleMemory(kernel.sys, { isBusy: services.busy });
  // Calls wait for an agent that replaces another; for the first one a host waits, and makes its first call at once.
  if (generation > 1) setTimeout(warmNode, AFTER_CALLS_MS);
  else afterFirstAnswer(warmNode);
  void services.ended.then(() => stop(opened, services, listener));
}

/** Microseconds of CLOCK_MONOTONIC: when init began, when this agent was executed and loaded, and now. */
function marks(init: Init): Record<string, number> {
  const { initStartMicros, agentExecMicros } = init.greeting;
  return {
    init: initStartMicros,
    agent: agentExecMicros,
    loaded: LOADED,
    listening: nowMicros(),
  };
}

function nowMicros(): number {
  return Math.round(Number(process.hrtime.bigint()) / 1000);
}

if (process.env["GUESTD_VERSION_ONLY"] === undefined) main().catch((error: unknown) => giveUp(error));
else writeConsole(`guestd ${VERSION}\n`);
