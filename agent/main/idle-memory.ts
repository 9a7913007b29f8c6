import type { Channel } from "node:diagnostics_channel";
import type { RealSys } from "../kernel/sys.ts";
import { diagnostics } from "../transport/diagnostics.ts";

/** The agent is idle when no call has ended for this long. */
const QUIET_MS = 1000;
/** Less garbage than this isn't worth a collection: hosts that only ask for statistics leave some each time. */
const WORTHWHILE_BYTES = 1024 * 1024;

interface Options {
  /** CallEvent for every call that has ended. */
  readonly calls?: Channel;
  /** Bytes of V8's heap that are in use. */
  readonly heapUsed?: () => number;
}

/**
 * Returns memory to the kernel whenever the agent becomes idle, and once after its start: V8 collects garbage in small steps
 * that let calls through, and a period later, when it is done, malloc gives up its free pages. An idle agent has no timer.
 */
export function returnIdleMemory(sys: Pick<RealSys, "collectGarbage" | "trimHeap">, options: Options = {}): void {
  const { calls = diagnostics.call, heapUsed = () => process.memoryUsage().heapUsed } = options;
  let timer: NodeJS.Timeout | undefined;
  let quietPeriods = 0;
  let left = 0;
  const arm = () => {
    timer = setTimeout(onPeriod, QUIET_MS).unref();
  };
  const onPeriod = () => {
    timer = undefined;
    quietPeriods += 1;
    if (quietPeriods === 2 && heapUsed() - left >= WORTHWHILE_BYTES) sys.collectGarbage();
    if (quietPeriods === 3) {
      sys.trimHeap();
      left = heapUsed();
    } else arm();
  };
  calls.subscribe(() => {
    quietPeriods = 0;
    if (timer === undefined) arm();
  });
  arm();
}
