import type { ActionAnswer, ContainerAction } from "../../serve/protocol/actions.ts";
import type { ContainerTree } from "../../serve/protocol/guest-tree.ts";
import { ActionButton } from "../parts/action-button.tsx";
import { Facts } from "../parts/facts.tsx";
import { Heading } from "../parts/heading.tsx";
import { Reason } from "../parts/reason.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { apiPath, postJson } from "../state/api.ts";
import { containerOf, guests } from "../state/guests.ts";
import { CONTAINER_TABS, type Route, routeHref } from "../state/route.ts";
import { EventsList } from "./events-list.tsx";
import { FilesTab } from "./files-tab.tsx";
import { LogsTab } from "./logs-tab.tsx";
import { PlanTab } from "./plan-tab.tsx";
import { TerminalTab } from "./terminal-tab.tsx";
import { UsageTab } from "./usage-tab.tsx";

type ContainerRoute = Extract<Route, { readonly view: "container" }>;

/** One container: facts, buttons and tabs. Only the facts are drawn again with each update. */
export function ContainerView({ place }: { readonly place: ContainerRoute }) {
  const { guest, container: id, tab } = place;
  return (
    <div class={`view ${tab === "terminal" && place.exec !== undefined ? "full" : ""}`}>
      <ContainerTop guest={guest} id={id} />
      <Tabs
        label={`container ${id}`}
        tabs={CONTAINER_TABS.map((each) => ({
          text: each,
          route: { view: "container", guest, container: id, tab: each },
          isCurrent: each === tab,
        }))}
      />
      <ContainerPart key={`${guest} ${id} ${tab}`} place={place} />
    </div>
  );
}

function ContainerTop({ guest, id }: { readonly guest: string; readonly id: string }) {
  const container = containerOf(guest, id);
  return (
    <>
      <div class="bar">
        <Heading title={id}>
          <a href={routeHref({ view: "overview" })}>guests</a> /{" "}
          <a href={routeHref({ view: "guest", guest, tab: "usage" })}>{guest}</a> / {id}
        </Heading>
        {container !== undefined && <ContainerActions guest={guest} container={container} />}
      </div>
      {container === undefined ? (
        <p class="quiet">{guests.value === undefined ? "Loading …" : `Container ${id} does not exist in ${guest}.`}</p>
      ) : (
        <ContainerFacts container={container} />
      )}
    </>
  );
}

function ContainerPart({ place }: { readonly place: ContainerRoute }) {
  const { guest, container, tab, exec } = place;
  switch (tab) {
    case "usage":
      return <UsageTab guest={guest} container={container} />;
    case "plan":
      return <PlanTab guest={guest} container={container} />;
    case "logs":
      return <LogsTab guest={guest} container={container} />;
    case "files":
      return <FilesTab guest={guest} container={container} />;
    case "terminal":
      return <TerminalTab guest={guest} container={container} exec={exec} />;
    case "events":
      return <EventsList guest={guest} container={container} />;
  }
}

function ContainerFacts({ container }: { readonly container: ContainerTree }) {
  const { image, state, code, usage, processes } = container;
  const facts: readonly (readonly [string, string])[] = [
    ["state", code === undefined ? state : `exited with ${code}`],
    ["image", image || "unknown"],
    ["tasks", String(usage.pids ?? "-")],
    ["command", processes.find(({ exec }) => exec === "")?.command?.join(" ") ?? "unknown"],
  ];
  return <Facts facts={facts} />;
}

function ContainerActions({
  guest,
  container: { id, state },
}: {
  readonly guest: string;
  readonly container: ContainerTree;
}) {
  const act = async (action: ContainerAction) => {
    const answer = await postJson<ActionAnswer>(apiPath("guests", guest, "containers", id, "actions"), action);
    return answer?.done ?? `${action.action}: done`;
  };
  const isPaused = state === "paused";
  const isEnded = state === "exited" ? "the container has exited" : undefined;
  const cannotPause = isEnded ?? (state === "running" ? undefined : `the container is ${state}`);
  return (
    <div class="buttons">
      {isPaused ? (
        <ActionButton text="Resume" act={() => act({ action: "resume" })} />
      ) : (
        <ActionButton text="Pause" disabled={cannotPause} act={() => act({ action: "pause" })} />
      )}
      <ActionButton
        text="Stop"
        isDangerous
        disabled={isEnded}
        question={{ title: `Stop ${id}?`, text: <p>SIGTERM, and after 10 seconds SIGKILL.</p> }}
        act={() => act({ action: "stop" })}
      />
      <ActionButton
        text="Kill"
        isDangerous
        disabled={isEnded}
        question={{ title: `Kill ${id}?`, text: <p>SIGKILL to its first process. All others in it end too.</p> }}
        act={() => act({ action: "kill", signal: "KILL" })}
      />
      <Reason text={isPaused ? undefined : cannotPause} />
    </div>
  );
}
