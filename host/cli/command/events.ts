import type { Command } from "commander";
import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";
import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { isJson, jsonLine, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface EventsFlags extends TargetFlags, OutputFlags {
  readonly since?: number;
  readonly follow: boolean;
  readonly filter?: readonly string[];
}

const HELP = `
Each line is an event: its number, time, kind, what happened, and the container and exec. Kinds are container, exec, oom,
agent, core and guest. Numbers begin with 1 at each boot of the guest; the agent keeps the last 4096 events. If it is killed, or
the connection is lost, events continues with the next number. "gap" stands for events that are no longer kept.

  guestctl events --since 1
  guestctl events --json --filter kind=container --filter container=web
  guestctl events --no-follow`;

/** Adds `guestctl events`. */
export function addEvents(program: Command): void {
  const command = program
    .command("events")
    .description("Print events of a guest as they happen, or those that have happened.")
    .option("--since <number>", "begin with this event (default: the next one; with --no-follow: the oldest)", count)
    .option("-f, --filter <key=value>", "only events with this kind or container; may be repeated", filters)
    .option("--no-follow", "end with the last event so far");
  withOutput(withTarget(command), "print each event as JSON on one line")
    .addHelpText("after", HELP)
    .action((flags: EventsFlags) => events(flags));
}

async function events({ since, follow, filter = [], ...flags }: EventsFlags): Promise<void> {
  const store = new StateStore();
  const guest = new Guest(store, findTarget(store, flags));
  const values = (key: string) => filter.filter((it) => it.startsWith(`${key}=`)).map((it) => it.slice(key.length + 1));
  const [container, second] = values("container");
  if (second !== undefined) throw new CliError("events: --filter container= can be given once");
  const from = since ?? (follow ? undefined : 1);
  const all = guest.events({ since: from, container, kinds: values("kind"), end: !follow });
  for await (const event of all) await print(isJson(flags) ? eventJson(event) : textLine(event));
}

function filters(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^(kind|container)=./.test(text)) throw new CliError(`events: --filter ${text}: give kind=… or container=…`);
  return [...before, text];
}

/** Formats an event for people. Exported for its test. */
export function textLine(event: GuestEvent | EventGap): string {
  if (!isEvent(event))
    return `${event.number} gap: events up to ${event.to - 1} are gone: ${visibleLine(event.reason)}\n`;
  const { number, time, container, exec, code, signal, generation, epoch, core } = event;
  const [kind, action] = wordsOf(event);
  const end = action === "exited" ? [`code ${code}`] : [];
  const restarted = generation === 0 ? [] : [`generation ${generation}`];
  const resumed = epoch === undefined ? [] : [`epoch ${epoch}`];
  const dumped = core === undefined ? [] : [`id ${core.id} signal ${signal} size ${core.size}`];
  if (core !== undefined && core.cut !== "") dumped.push(`cut ${core.cut}`);
  const words = [
    `${number}`,
    time.toISOString(),
    kind,
    action,
    container,
    exec,
    ...end,
    ...restarted,
    ...resumed,
    ...dumped,
  ];
  return `${visibleLine(words.filter((word) => word !== "").join(" "))}\n`;
}

/** Formats an event as JSON, with the fields that it has. Exported for its test. */
export function eventJson(event: GuestEvent | EventGap): string {
  if (!isEvent(event)) {
    const { number, to, reason } = event;
    return jsonLine({ number, kind: "gap", to, reason });
  }
  const { number, time, container, exec, code, signal, generation, epoch, core } = event;
  const [kind, action] = wordsOf(event);
  const fields = {
    number,
    time: time.toISOString(),
    kind,
    action,
    ...(container === "" ? {} : { container }),
    ...(exec === "" ? {} : { exec }),
    ...(action === "exited" ? { code, signal } : {}),
    ...(generation === 0 ? {} : { generation }),
    epoch,
    ...(core === undefined
      ? {}
      : { id: core.id, signal, size: core.size, ...(core.cut === "" ? {} : { cut: core.cut }) }),
  };
  return jsonLine(fields);
}

function isEvent(event: GuestEvent | EventGap): event is GuestEvent {
  return event.type !== "gap";
}

function wordsOf({ type }: GuestEvent): [kind: string, action: string] {
  const at = type.indexOf("-");
  return [type.slice(0, at), type.slice(at + 1)];
}
