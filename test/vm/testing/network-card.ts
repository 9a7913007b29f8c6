import { MAC } from "../../hosts/host-life.ts";

/** QEMU's arguments for the card that simulated shims set up, on an isolated QEMU hub. */
export const NETWORK_CARD: readonly string[] = [
  "-netdev",
  "hubport,id=net0,hubid=0",
  "-device",
  `virtio-net-pci,netdev=net0,mac=${MAC}`,
];
