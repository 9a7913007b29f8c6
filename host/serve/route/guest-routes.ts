import { Container } from "../../engine/container.ts";
import { Guest } from "../../engine/guest.ts";
import { targetOf } from "../find-target.ts";
import type { Route, RouteRequest } from "../http/routes.ts";
import { guestMemory } from "../memory/guest-memory.ts";
import type { BootsAnswer, MeAnswer, PlanAnswer, PortsAnswer } from "../protocol/requests.ts";
import { RequestFailure } from "../request-failure.ts";
import { bootOf, bootsOf } from "./boots.ts";

const ANSWER_MS = 10_000;
const NO_TIMES = "the agent that created it measured no durations";

/** Requests about a guest. */
export const guestRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/api/me",
    handle: ({ context: { version, allowExec } }): MeAnswer => ({ version, allowExec }),
  },
  { method: "GET", path: "/api/boots", handle: ({ context: { store } }): BootsAnswer => ({ boots: bootsOf(store) }) },
  {
    method: "GET",
    path: "/api/guests/:guest/boot",
    handle({ params: { guest = "" }, context }) {
      const { guest: record } = targetOf(context, guest);
      if (record === undefined) throw new RequestFailure(404, `guest ${guest}: not booted by guestctl`);
      return bootOf(record);
    },
  },
  { method: "GET", path: "/api/guests/:guest/plan", handle: plan },
  { method: "GET", path: "/api/guests/:guest/ports", handle: ports },
  {
    method: "GET",
    path: "/api/guests/:guest/memory",
    handle: ({ params: { guest = "" }, context, signal }) => guestMemory(context, guest, signal),
  },
];

async function plan({ params: { guest = "" }, query, context, signal }: RouteRequest): Promise<PlanAnswer> {
  const container = query.get("container") ?? "";
  if (container === "") throw new RequestFailure(400, "plan: name a container with ?container=");
  const target = { ...targetOf(context, guest), container };
  const steps = await new Container(context.store, target).explain({ timeoutMs: ANSWER_MS, signal });
  return {
    steps,
    note: steps.every(({ micros }) => micros === undefined) ? NO_TIMES : undefined,
  };
}

async function ports({ params: { guest = "" }, query, context, signal }: RouteRequest): Promise<PortsAnswer> {
  const asked = new Guest(context.store, targetOf(context, guest));
  const options = { timeoutMs: ANSWER_MS, signal };
  const { ports: found, truncated } = await asked.ports(query.get("container") ?? "", options);
  return {
    ports: found.map(({ protocol, address: at, port }) => ({ protocol, address: at, port })),
    isTruncated: truncated,
  };
}
