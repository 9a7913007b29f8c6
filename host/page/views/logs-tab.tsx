import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { AGENT_LOG } from "../../serve/protocol/logs.ts";
import { LogLinesBox } from "../parts/log-lines-box.tsx";
import { guestNamed } from "../state/guests.ts";
import { LogReader } from "../state/log-reader.ts";
import { socket } from "../state/page-state.ts";

interface LogsTabProps {
  readonly guest: string;
  /** Without it, the logs of all containers, merged. */
  readonly container?: string;
}

/** Time after the last key until a search begins. */
const SEARCH_PAUSE_MS = 300;

/** Logs, followed and searchable. */
export function LogsTab({ guest, container }: LogsTabProps) {
  const source = useSignal(container ?? "");
  const typed = useSignal("");
  const search = useSignal("");
  const isFollowing = useSignal(true);
  const reader = useSignal<LogReader | undefined>(undefined);
  const containers = guestNamed(guest)?.containers ?? [];
  useEffect(() => {
    const next = new LogReader(socket, {
      guest,
      ...(source.value === "" ? {} : { containers: [source.value] }),
      ...(search.value === "" ? {} : { search: search.value }),
    });
    reader.value = next;
    return () => next.close();
  }, [guest, source.value, search.value]);
  useEffect(() => {
    const timer = setTimeout(() => (search.value = typed.value.slice(0, 200)), SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed.value]);
  return (
    <div class="logs">
      <p class="buttons">
        {container === undefined && (
          <label>
            Of{" "}
            <select value={source.value} onChange={({ currentTarget }) => (source.value = currentTarget.value)}>
              <option value="">all containers</option>
              <option value={AGENT_LOG}>the agent</option>
              {containers.map(({ id }) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          Search{" "}
          <input
            type="search"
            autocomplete="off"
            spellcheck={false}
            value={typed.value}
            onInput={({ currentTarget }) => (typed.value = currentTarget.value)}
          />
        </label>
        <button type="button" aria-pressed={isFollowing.value} onClick={() => (isFollowing.value = !isFollowing.value)}>
          Follow
        </button>
        <span role="status" class="quiet">
          {reader.value?.state.value ?? ""}
        </span>
      </p>
      {reader.value !== undefined && (
        <LogLinesBox reader={reader.value} isFollowing={isFollowing} showsContainer={container === undefined} />
      )}
    </div>
  );
}
