import type { Qmp } from "../../../host/vm/qmp.ts";

interface Slot {
  readonly type: string;
  readonly props: object;
  readonly "qom-path"?: string;
}

/** Plugs in a processor, which is offline until the agent brings it online. */
export async function plugProcessor(qmp: Qmp, id: string): Promise<void> {
  const slots = (await qmp.execute("query-hotpluggable-cpus")) as Slot[];
  const free = slots.findLast((slot) => slot["qom-path"] === undefined);
  if (free === undefined) throw new Error(`${id}: no free processor slot`);
  await qmp.execute("device_add", { driver: free.type, id, ...free.props });
}
