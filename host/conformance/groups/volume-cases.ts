import type { ConformanceCase } from "../case.ts";
import { equal, refused } from "../check.ts";
import { withMounts } from "../oci-spec.ts";
import { SHM } from "../session.ts";
import { ownSandbox } from "./own-sandbox.ts";

const BYTES = 1;
const INODES = 2;

/** Cases of statistics of volumes. */
export const volumeCases: readonly ConformanceCase[] = [
  {
    name: "GetVolumeStats: reports bytes, then inodes, of a volume",
    level: "should",
    source: "Kubernetes, statistics of volumes",
    needs: ["sandbox"],
    run: async (context) => {
      await ownSandbox(context);
      const { usage, volume_condition } = await context.agent.getVolumeStats({ volume_guest_path: SHM.mount_point });
      equal(
        usage.map(({ unit }) => unit),
        [BYTES, INODES],
        "the units",
      );
      equal(usage[0]?.total, 67_108_864, "the total bytes");
      equal(volume_condition?.abnormal ?? false, false, "volume_condition.abnormal");
    },
  },
  {
    name: "GetVolumeStats: counts what a container writes",
    level: "should",
    source: "Kubernetes, statistics of volumes",
    needs: ["rootfs"],
    run: async (context) => {
      await ownSandbox(context);
      const used = async () =>
        (await context.agent.getVolumeStats({ volume_guest_path: SHM.mount_point })).usage.map((one) => one.used);
      const before = await used();
      const bind = { destination: "/shm", source: SHM.mount_point, type: "bind", options: ["rbind", "rw"] };
      await context.print("head -c 16384 /dev/zero > /shm/counted", withMounts(bind));
      const after = await used();
      await context.print("rm /shm/counted", withMounts(bind));
      equal(
        after.map((value, at) => value - (before[at] ?? 0)),
        [16_384, 1],
        "the growth in bytes and inodes",
      );
    },
  },
  {
    name: "GetVolumeStats: refuses a path that does not exist",
    level: "should",
    source: "Go shim, kata-runtime direct-volume stats",
    run: ({ agent }) => refused(agent.getVolumeStats({ volume_guest_path: "/conformance/none" })),
  },
];
