import { useSignal } from "@preact/signals";
import type { ProcessTree } from "../../serve/protocol/guest-tree.ts";
import { commandOf, newExec } from "../state/exec-commands.ts";
import { containerOf } from "../state/guests.ts";
import { whyReadOnly } from "../state/page-state.ts";
import { FIRST_PROCESS, goTo, routeHref } from "../state/route.ts";
import { TerminalPane } from "../terminal/terminal-pane.tsx";

interface TerminalTabProps {
  readonly guest: string;
  readonly container: string;
  readonly exec: string | undefined;
}

/** A terminal, or the choice of one. */
export function TerminalTab({ guest, container, exec }: TerminalTabProps) {
  if (exec === undefined) return <ChooseTerminal guest={guest} container={container} />;
  if (exec === FIRST_PROCESS) return <TerminalPane place={{ guest, container }} />;
  const command = commandOf(exec);
  return <TerminalPane place={{ guest, container, exec, command }} />;
}

function ChooseTerminal({ guest, container }: { readonly guest: string; readonly container: string }) {
  const text = useSignal("sh");
  const why = whyReadOnly();
  const place = { view: "container", guest, container, tab: "terminal" } as const;
  const processes = containerOf(guest, container)?.processes ?? [];
  return (
    <>
      <form
        class="buttons"
        onSubmit={(event) => {
          event.preventDefault();
          const command = text.value.trim().split(/\s+/).filter(Boolean);
          if (command.length > 0) goTo({ ...place, exec: newExec(command) });
        }}
      >
        <label>
          Command{" "}
          <input
            autocomplete="off"
            spellcheck={false}
            value={text.value}
            onInput={({ currentTarget }) => (text.value = currentTarget.value)}
          />
        </label>
        <button type="submit" class="main" disabled={why !== undefined} title={why}>
          Open a terminal
        </button>
        <span class="quiet">{why ?? "words are separated by spaces"}</span>
      </form>
      <h2>Processes to attach to</h2>
      <table>
        <caption class="hidden">Processes of the container</caption>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">Command</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Clients
            </th>
          </tr>
        </thead>
        <tbody>
          {processes.map((process) => (
            <tr key={process.exec}>
              <th scope="row">
                <a href={routeHref({ ...place, exec: process.exec === "" ? FIRST_PROCESS : process.exec })}>
                  {process.exec === "" ? `first process, pid ${process.pid}` : process.exec}
                </a>
              </th>
              <td class="code">{process.command?.join(" ") ?? "unknown"}</td>
              <td>{stateText(process)}</td>
              <td class="number">{process.clients ?? "-"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function stateText({ state, code }: ProcessTree): string {
  return code === undefined ? state : `exited with ${code}`;
}
