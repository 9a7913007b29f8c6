import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";
import { percent, shortSize, sumKnown } from "../../engine/tree/short-text.ts";
import type { TreeRow } from "../../engine/tree/tree-rows.ts";
import { sizeText } from "../../size-text.ts";

/** Returns the lines about a guest, container or process, without the launch plan. */
export function describeRow(row: TreeRow): string[] {
  const { guest, container, process } = row;
  const facts = [
    ["guest", `${guest.name}, ${guest.address}, ${guest.link}${guest.reason === undefined ? "" : `: ${guest.reason}`}`],
    ["agent", agentText(row)],
    ...(container === undefined
      ? [["containers", String(guest.containers.length)]]
      : [
          ["container", container.id],
          ["image", container.image ?? "unknown"],
        ]),
    ...(process === undefined ? [] : [["process", processText(row)]]),
    ["state", row.state],
    ["processor", `${percent(row.usage.cpu)} % of one`],
    ["memory", memoryText(row)],
    ["waiting", waitingText(row)],
    ["stdio", stdioText(row)],
  ];
  const events = guest.events.filter((event) => isAbout(event, row)).map(eventLine);
  return [
    ...facts.map(([name = "", text = ""]) => `${name.padEnd(12)}${text}`),
    "",
    `events: ${events.length === 0 ? "none" : ""}`,
    ...events.map((line) => `  ${line}`),
  ];
}

function agentText({ guest: { agent, agentRestarts } }: TreeRow): string {
  return `${percent(agent.cpu)} % of a processor, ${shortSize(agent.memory)} resident, restarted ${agentRestarts} times`;
}

function processText({ process }: TreeRow): string {
  const { exec = "", pid, command = [] } = process ?? {};
  return `pid ${pid}${exec === "" ? "" : `, exec ${exec}`}${command.length === 0 ? "" : `: ${command.join(" ")}`}`;
}

function memoryText({ usage: { memory, memoryLimit } }: TreeRow): string {
  if (memory === undefined) return "unknown";
  return `${sizeText(memory)}${memoryLimit === undefined ? ", no limit" : ` of ${sizeText(memoryLimit)}`}`;
}

function waitingText({ usage: { pressure } }: TreeRow): string {
  const { cpu, memory, io } = pressure;
  return `for the processor ${percent(cpu)} %, memory ${percent(memory)} %, disks ${percent(io)} % of the time`;
}

function stdioText({ streams: { input, output, unacknowledged } }: TreeRow): string {
  if (sumKnown(input, output, unacknowledged) === undefined) return "no client has attached";
  return `in ${shortSize(input)}/s, out ${shortSize(output)}/s, ${shortSize(unacknowledged)} bytes unacknowledged`;
}

function isAbout(event: GuestEvent | EventGap, { container, process }: TreeRow): boolean {
  if (container === undefined || event.type === "gap") return true;
  const { container: id, exec } = event as GuestEvent;
  return id === container.id && (process === undefined || process.exec === exec);
}

function eventLine(event: GuestEvent | EventGap): string {
  if ("reason" in event) return `events ${event.number} to ${event.to - 1} are gone: ${event.reason}`;
  const { number, time, type, container, exec, code } = event;
  const names = [container, exec].filter((name) => name !== "").join("/");
  return `${number} ${time.toISOString()} ${type} ${names}${type.endsWith("exited") ? ` with ${code}` : ""}`;
}
