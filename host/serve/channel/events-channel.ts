import { readEvents } from "../../client/streams/events.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { oneLine } from "../../operation-error.ts";
import type { CheckedFields } from "../checked-fields.ts";
import { newEvents } from "../events/new-events.ts";
import { sentEvent } from "../events/sent-event.ts";
import { targetOf } from "../find-target.ts";
import type { SentEvent, SentGap } from "../protocol/events.ts";
import type { ServeContext } from "../serve-context.ts";
import type { Channel, ChannelPort } from "../socket/channel.ts";

const MAX_EVENTS = 500;
/** Events are collected for so long, in ms. */
const COLLECT_MS = 50;

/** Opens events of one guest, or of all. Throws OperationError. */
export function openEvents(fields: CheckedFields, port: ChannelPort, context: ServeContext): Channel {
  const guest = fields.optionalText("guest");
  return guest === undefined ? openAll(port, context) : openOne(guest, port, context);
}

/** The events that one guest keeps, and what follows: reading waits for the page. */
function openOne(guest: string, port: ChannelPort, context: ServeContext): Channel {
  const closing = new AbortController();
  const place = streamsPlace(targetOf(context, guest));
  let collected: (SentEvent | SentGap)[] = [];
  const flush = () => {
    if (collected.length > 0) port.send({ events: collected });
    collected = [];
  };
  const timer = setInterval(flush, COLLECT_MS);
  const read = async () => {
    for await (const event of readEvents(place.address, { ...place, since: 1, signal: closing.signal })) {
      collected.push(sentEvent(guest, event));
      if (collected.length < MAX_EVENTS) continue;
      flush();
      await port.drained();
    }
  };
  read().then(
    () => port.end(),
    (error: unknown) => port.end(closing.signal.aborted ? undefined : oneLine(error)),
  );
  return {
    close() {
      clearInterval(timer);
      closing.abort();
    },
  };
}

/** The last events of each guest, as the view keeps them. */
function openAll(port: ChannelPort, { view }: ServeContext): Channel {
  const reached = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  const update = () => {
    timer = undefined;
    if (port.isFull) {
      void port.drained().then(changed);
      return;
    }
    const events = newEvents(view.guests(), reached);
    for (let at = 0; at < events.length; at += MAX_EVENTS) port.send({ events: events.slice(at, at + MAX_EVENTS) });
  };
  const changed = () => {
    timer ??= setTimeout(update, COLLECT_MS);
  };
  const unsubscribe = view.onChange(changed);
  update();
  return {
    close() {
      unsubscribe();
      clearTimeout(timer);
    },
  };
}
