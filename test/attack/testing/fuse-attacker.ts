import { existsSync } from "node:fs";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { ociSpec } from "../../scenarios/oci.ts";
import type { Pod } from "../../scenarios/pod.ts";
import { buildAttacker } from "./attacker.ts";

const DEVICE = { Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: 0o666 };
const ALLOWED = { Allow: true, Type: "c", Major: 10, Minor: 229, Access: "rw" };

/** The reason why this machine can't run an attacker with a FUSE server. */
export const whyNoFuse = existsSync("/dev/fuse") ? undefined : "no /dev/fuse";

/** Starts a container of an ordinary user that has /dev/fuse and no capability; its program is an attacker's. */
export async function startFuseAttacker(
  pod: Pod,
  id: string,
  rootfs: string,
  args: readonly [program: string, ...string[]],
  {
    mounts = [],
    storages = [],
  }: { mounts?: readonly Init<grpc.Mount>[]; storages?: readonly Init<grpc.Storage>[] } = {},
): Promise<void> {
  buildAttacker(args[0], rootfs);
  const OCI = ociSpec(rootfs, args, { Annotations: pod.annotations });
  const none = { Bounding: [], Effective: [], Permitted: [] };
  const Process = { ...OCI.Process, User: { UID: 1000, GID: 1000 }, Capabilities: none };
  const Linux = { ...OCI.Linux, Devices: [DEVICE], Resources: { Devices: [ALLOWED] } };
  const Mounts = [...(OCI.Mounts ?? []), ...mounts];
  await pod.client.agent.createContainer({ container_id: id, OCI: { ...OCI, Process, Linux, Mounts }, storages });
  await pod.client.agent.startContainer({ container_id: id });
}
