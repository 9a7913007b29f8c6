import { namesIn } from "../kernel/pci-path.ts";
import type { AttachedDevice } from "./attach-device.ts";
import { readNumbers, type Sysfs } from "./sysfs.ts";

const NODES = "/dev/infiniband";
/** Classes of uverbs; of umad and issm; of rdma_cm. */
const CLASSES = ["infiniband_verbs", "infiniband_mad", "misc"];

/** Returns the nodes that the guest's InfiniBand and RoCE drivers provide to programs. */
export function infinibandNodes(sysfs: Sysfs): NonNullable<AttachedDevice["beside"]> {
  return namesIn(sysfs, NODES)
    .sort()
    .flatMap((name) => {
      const path = `${NODES}/${name}`;
      const [numbers] = CLASSES.flatMap((kind) => readNumbers(sysfs, `/sys/class/${kind}/${name}/dev`) ?? []);
      const mode = sysfs.mode(path);
      return numbers === undefined || mode === undefined ? [] : [{ path, type: "c" as const, ...numbers, mode }];
    });
}
