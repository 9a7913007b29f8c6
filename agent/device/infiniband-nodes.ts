import { namesIn } from "../kernel/pci-path.ts";
import type { AttachedDevice } from "./attach-device.ts";
import { readNumbers, type Sysfs } from "./sysfs.ts";

const NODES = "/dev/infiniband";
/** uverbs; umad and issm; rdma_cm. */
const CLASSES = ["infiniband_verbs", "infiniband_mad", "misc"];

/** What the guest's drivers of InfiniBand and RoCE have for programs. */
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
