import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { EventsMessage, SentEvent, SentGap } from "../../serve/protocol/events.ts";
import { socket } from "../state/page-state.ts";

const KEPT = 500;

interface EventsListProps {
  readonly guest: string;
  /** Shows only this container's. */
  readonly container?: string;
}

/** Events of a guest, the latest first, as they happen. */
export function EventsList({ guest, container }: EventsListProps) {
  const events = useSignal<readonly (SentEvent | SentGap)[]>([]);
  const error = useSignal<string | undefined>(undefined);
  useEffect(() => {
    const channel = socket.open<EventsMessage>({
      request: () => {
        events.value = [];
        return { kind: "events", guest };
      },
      message({ events: more }) {
        events.value = [...more.toReversed(), ...events.value].slice(0, KEPT);
      },
      ended(why) {
        error.value = why ?? "the guest has ended";
      },
    });
    return () => channel.close();
  }, [guest, events, error]);
  const shown = events.value.filter(
    (event) => container === undefined || !("container" in event) || event.container === container,
  );
  return (
    <>
      {error.value !== undefined && <p class="error">{error.value}</p>}
      <table>
        <caption class="hidden">Events, the latest first</caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              Number
            </th>
            <th scope="col">Time</th>
            <th scope="col">Event</th>
            <th scope="col">Container</th>
            <th scope="col">Exec</th>
            <th scope="col">Detail</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((event) => (
            <tr key={event.number}>
              <td class="number">{event.number}</td>
              {"reason" in event ? (
                <td colSpan={5} class="bad">{`events ${event.number} to ${event.to - 1} are gone: ${event.reason}`}</td>
              ) : (
                <EventCells event={event} />
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length === 0 && <p class="quiet">No events yet.</p>}
    </>
  );
}

function EventCells({
  event: { time, type, container, exec, code, signal, generation },
}: {
  readonly event: SentEvent;
}) {
  const detail = type.endsWith("exited")
    ? `exit code ${code}${signal === 0 ? "" : `, signal ${signal}`}`
    : generation > 0
      ? `agent ${generation}`
      : "";
  return (
    <>
      <td>
        <time dateTime={time}>{timeText(time)}</time>
      </td>
      <td class={type === "agent-restarted" || type.startsWith("oom") ? "bad" : undefined}>{type}</td>
      <td>{container}</td>
      <td>{exec}</td>
      <td>{detail}</td>
    </>
  );
}

function timeText(time: string): string {
  return new Date(time).toLocaleString(undefined, { hour12: false });
}
