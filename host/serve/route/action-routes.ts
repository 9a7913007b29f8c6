import { CheckedFields } from "../checked-fields.ts";
import { containerOf, targetOf } from "../find-target.ts";
import { readJson } from "../http/read-json.ts";
import type { Route, RouteRequest } from "../http/routes.ts";
import type { ActionAnswer } from "../protocol/actions.ts";
import { checkedName, RequestFailure } from "../request-failure.ts";
import type { ServeContext } from "../serve-context.ts";

const MAX_FORKS = 16;
const SIGNAL = /^(?:SIG)?[A-Z0-9+]{2,10}$/;
const MAX_SIGNAL = 64;

/** Actions on guests and containers. Each is a command of guestctl, so that it does the same. */
export const actionRoutes: readonly Route[] = [
  { method: "POST", path: "/api/guests/:guest/actions", isWrite: true, handle: actOnGuest },
  { method: "POST", path: "/api/guests/:guest/containers/:container/actions", isWrite: true, handle: actOnContainer },
];

async function actOnGuest({ params: { guest = "" }, request, context, signal }: RouteRequest): Promise<ActionAnswer> {
  const fields = new CheckedFields(await readJson(request));
  const place = placeOf(context, guest);
  const run = (...words: string[]) => context.run(words, signal);
  switch (fields.text("action")) {
    case "stop":
      await run("stop", "--", ownGuest(context, guest));
      return { done: `powered off ${guest}` };
    case "pause":
      await run("pause", "--guest", ownGuest(context, guest));
      return { done: `paused ${guest}` };
    case "resume":
      await run("unpause", "--guest", ownGuest(context, guest));
      return { done: `resumed ${guest}` };
    case "kill-agent":
      return { done: (await run("agent", "kill", ...place)).trim() };
    case "fork": {
      const count = fields.optionalWhole("count", 1, MAX_FORKS) ?? 1;
      const name = fields.optionalText("name");
      const named = name === undefined ? [] : ["--name", checkedName(name)];
      const names = await run("fork", "--count", `${count}`, ...named, "--", ownGuest(context, guest));
      const guests = names.split("\n").filter((each) => each !== "");
      return { done: `started ${guests.join(", ")}`, guests };
    }
    default:
      throw new RequestFailure(400, "action: expected stop, pause, resume, kill-agent or fork");
  }
}

async function actOnContainer({
  params: { guest = "", container = "" },
  request,
  context,
  signal,
}: RouteRequest): Promise<ActionAnswer> {
  const fields = new CheckedFields(await readJson(request));
  const { record } = containerOf(context, guest, container);
  const place = placeOf(context, guest, record !== undefined);
  const run = (...words: string[]) => context.run(words, signal);
  switch (fields.text("action")) {
    case "kill": {
      const sent = signalOf(fields);
      const exec = fields.optionalText("exec");
      await run("kill", ...place, "--signal", sent, ...(exec === undefined ? [] : [`--exec=${exec}`]), "--", container);
      return { done: `sent signal ${sent} to ${exec ?? container}` };
    }
    case "stop":
      await run("stop", ...place, "--", container);
      return { done: `stopped ${container}` };
    case "pause":
      await run("pause", ...place, "--", container);
      return { done: `paused ${container}` };
    case "resume":
      await run("unpause", ...place, "--", container);
      return { done: `resumed ${container}` };
    default:
      throw new RequestFailure(400, "action: expected kill, stop, pause or resume");
  }
}

/** Returns the options by which commands find a guest, or its agent: containers that guestctl didn't start have no record. */
function placeOf(context: ServeContext, name: string, hasRecord = true): readonly string[] {
  const { guest, address } = targetOf(context, name);
  return guest !== undefined && hasRecord ? ["--guest", guest.name] : ["--address", address];
}

function ownGuest(context: ServeContext, name: string): string {
  const { guest } = targetOf(context, name);
  if (guest !== undefined) return guest.name;
  throw new RequestFailure(409, `guest ${name}: guestctl didn't boot it, so it can't stop, pause or fork it`);
}

function signalOf(fields: CheckedFields): string {
  if (fields.isText("signal")) {
    const signal = fields.text("signal");
    if (SIGNAL.test(signal)) return signal;
    throw new RequestFailure(400, `signal ${JSON.stringify(signal)}: expected a name such as TERM, or a number`);
  }
  return `${fields.whole("signal", 1, MAX_SIGNAL)}`;
}
