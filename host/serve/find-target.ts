import type { ContainerTarget, Target } from "../engine/guest/guest-target.ts";
import { RequestFailure } from "./request-failure.ts";
import type { ServeContext } from "./serve-context.ts";

/** Returns how a guest of the view is reached. Throws RequestFailure. */
export function targetOf({ view }: Pick<ServeContext, "view">, guest: string): Target {
  const target = view.target(guest);
  if (target === undefined) throw new RequestFailure(404, `guest ${guest}: no such guest is running`);
  return target;
}

/** Returns a container of a guest, with its record if guestctl has one. The agent knows whether it exists. Throws RequestFailure. */
export function containerOf(
  context: Pick<ServeContext, "view" | "store">,
  guest: string,
  container: string,
): ContainerTarget {
  const target = targetOf(context, guest);
  const records = target.guest === undefined ? [] : context.store.processes.list(target.guest.name);
  const record = records.find((each) => each.container === container && each.exec === container);
  return { ...target, container, record };
}
