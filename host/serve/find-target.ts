import type { ContainerTarget, Target } from "../guests/guest-target.ts";
import { OperationError } from "../operation-error.ts";
import type { ServeContext } from "./serve-context.ts";

/** Returns how a guest of the view is reached. Throws OperationError. */
export function targetOf({ view }: Pick<ServeContext, "view">, guest: string): Target {
  const target = view.target(guest);
  if (target === undefined) throw new OperationError(`guest ${guest}: no such guest is running`);
  return target;
}

/** Returns a container of a guest, with its record if guestctl has one. The agent knows whether it exists. Throws OperationError. */
export function containerOf(
  context: Pick<ServeContext, "view" | "store">,
  guest: string,
  container: string,
): ContainerTarget {
  const target = targetOf(context, guest);
  const records = target.guest === undefined ? [] : context.store.processes.list(target.guest.name);
  const record = records.find((each) => each.container === container && each.exec === container);
  return { ...target, container, ...(record === undefined ? {} : { record }) };
}
