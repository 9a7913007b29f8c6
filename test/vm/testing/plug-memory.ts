import type { Qmp } from "../../../host/vm/qmp.ts";

/** Plugs in memory, which is offline until the agent brings it online. */
export async function plugMemory(qmp: Qmp, id: string, mib: number): Promise<void> {
  const backend = { "qom-type": "memory-backend-memfd", id: `${id}-backend`, size: mib << 20, share: true };
  await qmp.execute("object-add", backend);
  await qmp.execute("device_add", { driver: "pc-dimm", id, memdev: `${id}-backend` });
}
