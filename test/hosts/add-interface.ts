import type { Machine } from "../scenarios/machine.ts";

/** Adds a network card to the machine, under a name that the host changes. */
export async function addInterface(machine: Machine, mac: string): Promise<void> {
  await machine.shell(
    `ip link add enp0 type veth peer name wire && ip link set enp0 address ${mac} && ip link set wire up`,
  );
}
