import { MAC } from "../hosts/host-life.ts";

/** Arguments of QEMU for the card that simulated shims set up, on a hub of QEMU, which leads nowhere else. */
export const NETWORK_CARD: readonly string[] = [
  "-netdev",
  "hubport,id=net0,hubid=0",
  "-device",
  `virtio-net-pci,netdev=net0,mac=${MAC}`,
];
