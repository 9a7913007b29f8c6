import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, refused } from "../check.ts";
import { withLinux } from "../oci-spec.ts";

const PATH = "/dev/conf-disk";
/** A slot at which no machine has a device. */
const EMPTY_SLOT = "1f.7/00";
/** Time in which an agent has to report a device that never appears, in seconds. */
const LIMIT = 60;

/** Creates a container with one device that its spec names too. */
function withDevice(context: CaseContext, device: Init<grpc.Device>): Promise<string> {
  const disk = { Path: PATH, Type: "b", Major: 259, Minor: 777, FileMode: 0o660 };
  return context.create(["true"], withLinux({ Devices: [disk] }), { devices: [device] });
}

export const devices: CaseGroup = {
  name: "devices",
  title: "Devices, and those that never appear",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: a device of an unknown type is refused",
      level: "must",
      source: "agent.proto, Device.type",
      run: (context) => refused(withDevice(context, { id: "x", type: "conf-type", container_path: PATH })),
    },
    {
      name: "CreateContainer: a device without a type is refused",
      level: "should",
      source: "behaviour of the reference: type is required",
      run: (context) => refused(withDevice(context, { id: "x", container_path: PATH })),
    },
    {
      name: "CreateContainer: a device without a path in the container is refused",
      level: "should",
      source: "behaviour of the reference: container_path is required",
      run: (context) => refused(withDevice(context, { id: EMPTY_SLOT, type: "blk" })),
    },
    {
      name: "CreateContainer: a block device that never appears is reported instead of hanging",
      level: "must",
      source: "kata-containers issue 13889: waiting for a uevent",
      timeLimit: LIMIT,
      run: (context) => refused(withDevice(context, { id: EMPTY_SLOT, type: "blk", container_path: PATH })),
    },
    {
      name: "CreateContainer: a failed device leaves the agent able to create the next container",
      level: "must",
      source: "kata-containers agent 804: stale device map",
      timeLimit: LIMIT,
      run: async (context) => {
        await refused(withDevice(context, { id: "x", type: "conf-type", container_path: PATH }));
        equal(await context.print("echo on"), "on\n", "the output of the next container");
      },
    },
    {
      name: "CreateContainer: a block volume at a PCI address that is empty is reported instead of hanging",
      level: "must",
      source: "kata-containers issue 13889: waiting for a uevent",
      timeLimit: LIMIT,
      run: (context) => {
        const mount_point = `/run/kata-containers/sandbox/storage/${context.fresh()}`;
        const storage = { driver: "blk", source: EMPTY_SLOT, fstype: "ext4", mount_point };
        return refused(context.create(["true"], {}, { storages: [storage] }));
      },
    },
    {
      name: "UpdateInterface: a network device that never appears is reported instead of hanging",
      level: "must",
      source: "Go shim, hot-plugged network cards",
      timeLimit: LIMIT,
      run: ({ agent }) =>
        refused(agent.updateInterface({ interface: { name: "conf8", device: "conf8", devicePath: EMPTY_SLOT } })),
    },
    {
      name: "AddSwap: a disk that never appears is reported instead of hanging",
      level: "should",
      source: "agent.proto, AddSwapRequest.PCIPath",
      timeLimit: LIMIT,
      run: ({ agent }) => refused(agent.addSwap({ PCIPath: [31, 0] })),
    },
    {
      name: "Check: is answered while a container waits for its device",
      level: "must",
      source: "Go shim ends the sandbox after one health check of 30 s",
      timeLimit: LIMIT,
      run: async (context) => {
        const waiting = withDevice(context, { id: EMPTY_SLOT, type: "blk", container_path: PATH });
        await context.health.check({}, { timeoutMs: 10_000 });
        await refused(waiting);
      },
    },
    {
      name: "ExecProcess: runs while another container waits for its device",
      level: "should",
      source: "kata-containers issue 13452: one lock for all",
      timeLimit: LIMIT,
      run: async (context) => {
        const id = await context.sleeper();
        const waiting = withDevice(context, { id: EMPTY_SLOT, type: "blk", container_path: PATH });
        equal((await context.execute(id, "echo on")).stdout, "on\n", "the output of the exec");
        await refused(waiting);
      },
    },
  ],
};
