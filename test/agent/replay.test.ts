import { describe, expect, it } from "vitest";
import { NOT_YET } from "../hosts/not-yet.ts";
import { whyNoNamespaces } from "../init/harness.ts";
import { KNOWN_DIFFERENCES, type KnownDifference, knownDifference } from "../recordings/known-differences.ts";
import { type Line, readRecording, recordings } from "../recordings/read-recording.ts";
import { type Difference, replay } from "../recordings/replay.ts";
import { shareFolder } from "../recordings/share-folder.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe(`recorded conversations${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  const replayed: string[] = [];
  const seen = new Set<KnownDifference>();

  it.each(recordings)("%s: the answers mean the same, but for known differences", async (name) => {
    const lines = readRecording(name);
    await using machine = await startHostAgent();
    await shareFolder(machine, rootPaths(lines));
    await using client = await machine.connect();
    const differences = (await replay(client, lines, machine.real)).filter((one) => !isNotYet(one));
    for (const difference of differences) {
      const known = knownDifference(difference);
      if (known !== undefined) seen.add(known);
    }
    expect(differences.filter((one) => knownDifference(one) === undefined)).toEqual([]);
    replayed.push(name);
  });

  it("each known difference is one that occurs", (context) => {
    if (replayed.length < recordings.length) context.skip("not all recordings were replayed");
    expect(KNOWN_DIFFERENCES.filter((known) => !seen.has(known))).toEqual([]);
  });
});

/** What guestd does not know yet; hosts.test.ts keeps that list true. */
function isNotYet({ call, reference, guestd }: Difference): boolean {
  if (guestd === "code 12" && NOT_YET.some((name) => name.toLowerCase() === call.toLowerCase())) return true;
  return NOT_YET.includes("updateInterface") && /eth0:/.test(reference) && !/eth0:/.test(guestd);
}

function rootPaths(lines: readonly Line[]): string[] {
  return lines.flatMap(({ call = "", request }) => {
    const { OCI } = (request ?? {}) as { OCI?: { Root?: { Path?: string } } };
    return call.endsWith("/CreateContainer") && OCI?.Root?.Path !== undefined ? [OCI.Root.Path] : [];
  });
}
