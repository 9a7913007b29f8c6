import { expect, it } from "vitest";
import { addInterface } from "../hosts/add-interface.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { KNOWN_DIFFERENCES, type KnownDifference, knownDifference } from "../recordings/known-differences.ts";
import { interfaces, rootPaths } from "../recordings/needs.ts";
import { readRecording, recordings } from "../recordings/read-recording.ts";
import { replayRecording } from "../recordings/replay.ts";
import { shareFolder } from "../recordings/share-folder.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("recorded conversations", () => {
  const replayed: string[] = [];
  const seen = new Set<KnownDifference>();

  it.each(recordings)("get responses with the same meaning, except for known differences: %s", async (name) => {
    const lines = readRecording(name);
    await using machine = await startHostAgent();
    await shareFolder(machine, rootPaths(lines));
    for (const mac of interfaces(lines)) await addInterface(machine, mac);
    const differences = await replayRecording(() => machine.connect(), lines, machine.real);
    for (const difference of differences) {
      const known = knownDifference(difference);
      if (known !== undefined) seen.add(known);
    }
    expect(differences.filter((one) => knownDifference(one) === undefined)).toEqual([]);
    replayed.push(name);
  });

  it("show each known difference at least once", (context) => {
    if (replayed.length < recordings.length) context.skip("not all recordings were replayed");
    expect(KNOWN_DIFFERENCES.filter((known) => !seen.has(known))).toEqual([]);
  });
});
