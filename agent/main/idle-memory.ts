import type { Channel } from "node:diagnostics_channel";
import type { RealSys } from "../kernel/sys/sys.ts";
import { diagnostics } from "../transport/diagnostics.ts";

/** The agent is idle when no call has been under way, and none has ended, for this long. */
const QUIET_MS = 1000;
/** Less garbage than this isn't worth a collection: hosts that only ask for statistics leave some each time. */
const WORTHWHILE_BYTES = 1024 * 1024;

interface Options {
  /** True while a call is under way, other than those that only wait. */
  readonly isBusy: () => boolean;
  /** CallEvent for every call that has ended. */
  readonly calls?: Channel;
  /** Bytes of V8's heap that are in use. */
  readonly heapUsed?: () => number;
}

/** The first collection frees, the next ones move what is left together and shrink the space for new objects: 1.1 MiB. */
const COLLECTIONS = 3;

/**
 * Returns memory to the kernel whenever the agent becomes idle, and once after its start: V8 collects garbage in small steps
 * that let calls through, once in each quiet period, and then malloc gives up its free pages. An idle agent has no timer.
 */
export function returnIdleMemory(sys: Pick<RealSys, "collectGarbage" | "trimHeap">, options: Options): void {
  const { isBusy, calls = diagnostics.call, heapUsed = () => process.memoryUsage().heapUsed } = options;
  let timer: NodeJS.Timeout | undefined;
  let quietPeriods = 0;
  /** After the last time. */
  let left = 0;
  const arm = () => {
    timer = setTimeout(onPeriod, QUIET_MS).unref();
  };
  const onPeriod = () => {
    timer = undefined;
    quietPeriods = isBusy() ? 0 : quietPeriods + 1; // the last call may have ended within the first one
    if (quietPeriods === 2 && heapUsed() - left < WORTHWHILE_BYTES) return;
    if (quietPeriods === 2 + COLLECTIONS) {
      sys.trimHeap();
      left = heapUsed();
      return;
    }
    if (quietPeriods >= 2) sys.collectGarbage();
    arm();
  };
  calls.subscribe(() => {
    quietPeriods = 0;
    if (timer === undefined) arm();
  });
  arm();
}
