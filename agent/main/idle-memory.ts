import type { Channel } from "node:diagnostics_channel";
import { activity } from "../kernel/activity.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import { diagnostics } from "../transport/diagnostics.ts";

/** The agent is idle after this time without a call in progress, a call that ended, or activity on guestd.v1.Streams. */
const QUIET_MS = 1000;
/** A heap that has grown by less isn't worth a collection. Hosts that poll statistics leave a little garbage each time. */
const WORTHWHILE_BYTES = 1024 * 1024;

interface Options {
  /** True while a call is in progress, other than calls that only wait. */
  readonly isBusy: () => boolean;
  /** Publishes a CallEvent for every call that has ended. */
  readonly calls?: Channel;
  /** Returns the bytes of V8's heap, with the room for new objects, which grows under load. May throw. */
  readonly heapTotal?: () => number;
  /** Returns the bytes of the agent's resident memory. May throw. */
  readonly resident?: () => number;
}

/** Signs of a burst: V8's heap has shrunk by this much, or the agent has grown by this much, which hundreds of containers don't need. */
const SHRUNK_BYTES = 8 * 1024 * 1024;
const GROWN_BYTES = 24 * 1024 * 1024;

/** The first collection frees objects, the next ones compact the rest and shrink the space for new objects: 1.1 MiB. */
const COLLECTIONS = 3;

/**
 * Returns memory to the kernel whenever the agent becomes idle, and once after its start. V8 collects garbage once per quiet period,
 * in small steps between which calls run; then malloc returns its free pages. An idle agent has no timer. After a burst, one
 * collection and one trim follow in the next two periods, under load too: V8 keeps the pages of objects that are gone, malloc those
 * below the last block in use.
 */
export function returnIdleMemory(sys: Pick<RealSys, "collectGarbage" | "trimHeap">, options: Options): void {
  const { isBusy, calls = diagnostics.call } = options;
  const heapTotal = () => readable(options.heapTotal ?? (() => process.memoryUsage().heapTotal));
  const resident = () => readable(options.resident ?? (() => process.memoryUsage.rss()));
  let timer: NodeJS.Timeout | undefined;
  let quietPeriods = 0;
  /** Bytes of the heap after the last collection. */
  let left = 0;
  /** Most bytes of the heap since the last collection, and least of the agent since the last trim. */
  let [most, least] = [0, resident() ?? 0];
  let isCollected = false;
  const trim = () => {
    sys.trimHeap();
    isCollected = false;
    least = resident() ?? least;
  };
  const afterBurst = () => {
    if (isCollected) return trim();
    const [total = most, all = least] = [heapTotal(), resident()];
    isCollected = most - total > SHRUNK_BYTES || all - least > GROWN_BYTES;
    if (isCollected) sys.collectGarbage();
    most = isCollected ? total : Math.max(most, total);
    least = Math.min(least, all);
  };
  const arm = () => {
    timer = setTimeout(onPeriod, QUIET_MS).unref();
  };
  const onPeriod = () => {
    timer = undefined;
    quietPeriods = isBusy() ? 0 : quietPeriods + 1; // the last call may have ended within the first one
    if (quietPeriods < 2) afterBurst();
    if (quietPeriods === 2 && (heapTotal() ?? left) - left < WORTHWHILE_BYTES) return;
    if (quietPeriods === 2 + COLLECTIONS) {
      trim();
      left = heapTotal() ?? left;
      return;
    }
    if (quietPeriods >= 2) sys.collectGarbage();
    arm();
  };
  const onWork = () => {
    quietPeriods = 0;
    if (timer === undefined) arm();
  };
  calls.subscribe(onWork);
  activity.subscribe(onWork);
  arm();
}

/** Returns undefined for what can't be read now: Node opens /proc/self/stat for both numbers, which needs a free descriptor. */
function readable(read: () => number): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
