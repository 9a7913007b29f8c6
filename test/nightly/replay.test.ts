import { describe, expect, it } from "vitest";
import { knownDifference } from "../recordings/known-differences.ts";
import { interfaces, rootPaths } from "../recordings/needs.ts";
import { readRecording, recordings } from "../recordings/read-recording.ts";
import { replayRecording } from "../recordings/replay.ts";
import { recordedRootfs } from "../recordings/share-folder.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const SHARED = "/run/kata-containers/shared/containers";

/** `npm test` replays the recordings in namespaces, without cgroup limits and with other network cards. */
describe("recorded conversations in a guest", () => {
  it.each(recordings)("get responses with the same meaning, except for known differences: %s", async (name) => {
    const lines = readRecording(name);
    const cards = interfaces(lines).flatMap((mac, index) => [
      ...["-netdev", `hubport,id=net${index},hubid=0`],
      ...["-device", `virtio-net-pci,netdev=net${index},mac=${mac}`],
    ]);
    await using machine = await startGuestMachine(512, { qemuArgs: cards });
    await machine.shell(`mkdir -p ${SHARED} && mount -t virtiofs kataShared ${SHARED}`);
    for (const path of rootPaths(lines))
      recordedRootfs(machine, path.slice(SHARED.length + 1).replace(/\/rootfs$/, ""));
    const differences = await replayRecording(() => machine.connect(), lines, machine.real);
    expect(differences.filter((one) => knownDifference(one) === undefined)).toEqual([]);
  });
});
