import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { copyIn } from "../../../host/client/streams/copy-in.ts";
import { copyOut } from "../../../host/client/streams/copy-out.ts";
import { DEFAULT_MOUNTS } from "../../../lib/oci-defaults.ts";
import { randomFrom } from "../../../lib/seeded-random.ts";
import { Pod } from "../../scenarios/pod.ts";
import { makeSampleTree, snapshotTree } from "../../scenarios/sample-tree.ts";
import type { GuestMachine } from "./guest-machine.ts";

/** Expects a tree to arrive in a container and to come back unchanged, while the agent is killed on both ways. */
export async function copiesTree(machine: GuestMachine): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "guestd-copy-"));
  using _ = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
  const pod = await Pod.open(machine);
  const tmpfs = { destination: "/data", source: "tmpfs", type: "tmpfs", options: [] };
  const container = await pod.start(["sleep", "1000"], { Mounts: [...DEFAULT_MOUNTS, tmpfs] });
  makeSampleTree(join(directory, "tree"), randomFrom(1), { big: 2_000_000 });
  const [address, place] = [machine.guest.address(1028), { container, path: "/data/tree" }];
  const options = { keepOwners: true, keepPrivileges: true };
  await Promise.all([copyIn(address, join(directory, "tree"), place, options), machine.killAgent()]);
  await Promise.all([copyOut(address, place, join(directory, "back"), options), machine.killAgent()]);
  // The guest's tmpfs can't store attributes before Linux 6.6.
  const without = { xattrs: false };
  expect(snapshotTree(join(directory, "back"), without)).toEqual(snapshotTree(join(directory, "tree"), without));
  await pod.remove(container);
  await pod.client.close();
}
