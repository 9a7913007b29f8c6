import { percent, shortSize } from "../../engine/tree/short-text.ts";
import type { GuestTree } from "../../serve/protocol/guest-tree.ts";
import { Facts } from "../parts/facts.tsx";
import { Heading } from "../parts/heading.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { guestNamed, guests } from "../state/guests.ts";
import { GUEST_TABS, type GuestTab, routeHref } from "../state/route.ts";
import { BootTab } from "./boot-tab.tsx";
import { CallsTab } from "./calls-tab.tsx";
import { EventsList } from "./events-list.tsx";
import { GuestActions } from "./guest-actions.tsx";
import { LogsTab } from "./logs-tab.tsx";
import { MemoryTab } from "./memory-tab.tsx";
import { PortsTab } from "./ports-tab.tsx";
import { UsageTab } from "./usage-tab.tsx";

/** One guest: facts, buttons and tabs. Only the facts are drawn again with each update. */
export function GuestView({ name, tab }: { readonly name: string; readonly tab: GuestTab }) {
  return (
    <div class="view">
      <GuestTop name={name} />
      <Tabs
        label={`guest ${name}`}
        tabs={GUEST_TABS.map((each) => ({
          text: each,
          route: { view: "guest", guest: name, tab: each },
          isCurrent: each === tab,
        }))}
      />
      <GuestPart key={`${name} ${tab}`} name={name} tab={tab} />
    </div>
  );
}

function GuestTop({ name }: { readonly name: string }) {
  const guest = guestNamed(name);
  return (
    <>
      <div class="bar">
        <Heading title={name}>
          <a href={routeHref({ view: "overview" })}>guests</a> / {name}
        </Heading>
        {guest !== undefined && <GuestActions guest={guest} />}
      </div>
      {guest === undefined ? (
        <p class="quiet">{guests.value === undefined ? "Loading …" : `Guest ${name} does not run.`}</p>
      ) : (
        <GuestFacts guest={guest} />
      )}
    </>
  );
}

function GuestPart({ name, tab }: { readonly name: string; readonly tab: GuestTab }) {
  switch (tab) {
    case "usage":
      return <UsageTab guest={name} />;
    case "boot":
      return <BootTab guest={name} />;
    case "memory":
      return <MemoryTab guest={name} />;
    case "calls":
      return <CallsTab guest={name} />;
    case "ports":
      return <PortsTab guest={name} />;
    case "logs":
      return <LogsTab guest={name} />;
    case "events":
      return <EventsList guest={name} />;
  }
}

function GuestFacts({ guest }: { readonly guest: GuestTree }) {
  const { link, reason, usage, agent, agentRestarts, cpus, record, containers } = guest;
  const facts: readonly (readonly [string, string])[] = [
    ["state", reason === undefined ? link : `${link}: ${reason}`],
    ["processors", `${cpus}, ${percent(usage.cpu)} % of one used`],
    ["memory", `${shortSize(usage.memory)}${record === undefined ? "" : ` of ${record.memoryMib} MiB`}`],
    ["agent", `${percent(agent.cpu)} % of a processor, ${shortSize(agent.memory)}`],
    ["agent restarts", String(agentRestarts)],
    ["containers", String(containers.length)],
    ...(record === undefined
      ? []
      : ([
          ["machine", `${record.accelerator}${record.isClone ? ", a clone" : ""}`],
          ["network", record.network === undefined ? "none" : `${record.network} ${record.networkAddress ?? ""}`],
        ] as const)),
  ];
  return <Facts facts={facts} />;
}
