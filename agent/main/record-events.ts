import { type LifecycleEvent, lifecycle } from "../kernel/lifecycle.ts";
import type { Agent } from "../service/rpc.ts";
import type { Events } from "../service/streams/events.ts";
import { foundContainers } from "../service/streams/found-containers.ts";
import { AFTER_CALLS_MS } from "./after-calls.ts";
import type { OpenedKernel } from "./open-kernel.ts";

/** Most events that wait until the keeper is loaded; later ones are dropped. */
const MAX_WAITING = 4096;

/**
 * Records events from now on. Returns a function that loads their keeper; the first event loads it too, after the agent's
 * start. An agent that isn't the boot's first one adds what its predecessor didn't report.
 */
export function recordEvents(agent: Agent, opened: OpenedKernel, epoch: () => Uint8Array): () => Promise<Events> {
  const { generation } = opened.kernel.init.greeting;
  const waiting: { readonly event: LifecycleEvent; readonly ms: number }[] = [];
  const found = generation > 1 ? foundContainers(agent.sandbox) : undefined;
  const startedMs = Date.now();
  // Of the last agent; an event of this one is among those waiting.
  const { unreported } = agent.warmStart;
  let events: Events | undefined;
  let loading: Promise<Events> | undefined;

  const add = (to: Events, event: LifecycleEvent, ms: number) => {
    try {
      to.add(event, ms);
      if (event.type === "guest-resumed") agent.warmStart.reported(event.epoch ?? 0);
    } catch (error) {
      opened.log.error({ error: String(error), event: event.type }, "an event was not recorded");
    }
  };
  const open = async () => {
    const [{ Events }, { EventRing }] = await Promise.all([
      import("../service/streams/events.ts"),
      import("../kernel/journal/event-ring.ts"),
      agent.sandbox.undone,
    ]);
    const keeper = new Events(agent, new EventRing(`${opened.stateDirectory}/events`), epoch);
    if (found !== undefined) {
      add(keeper, { type: "agent-restarted", generation }, startedMs);
      await keeper.addMissing(found, startedMs).catch((error: unknown) => {
        opened.log.error({ error: String(error) }, "events of the last agent were not completed");
      });
      if (unreported !== undefined && !(await keeper.hasResumed(unreported))) {
        add(keeper, { type: "guest-resumed", epoch: unreported }, startedMs);
      }
    }
    for (const { event, ms } of waiting.splice(0)) add(keeper, event, ms);
    events = keeper;
    return keeper;
  };
  const load = () => {
    loading ??= open();
    return loading;
  };
  const loadSoon = () => void setTimeout(loadNow, AFTER_CALLS_MS);
  const loadNow = () =>
    void load().catch((error: unknown) => opened.log.error({ error: String(error) }, "events are not recorded"));

  lifecycle.subscribe((message) => {
    const event = message as LifecycleEvent;
    if (events !== undefined) return add(events, event, Date.now());
    if (waiting.length >= MAX_WAITING) return;
    if (waiting.push({ event, ms: Date.now() }) > 1) return;
    if (event.type === "guest-resumed") loadSoon();
    else setImmediate(loadNow);
  });
  if (generation > 1) loadSoon();
  return load;
}
