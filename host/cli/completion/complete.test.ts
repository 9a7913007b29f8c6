import { describe, expect, test } from "vitest";
import { createProgram, programFor } from "../program.ts";
import { complete, type NameKind } from "./complete.ts";
import { splitLine } from "./split-line.ts";

const NAMES: Readonly<Record<NameKind, readonly string[]>> = {
  container: ["web", "worker"],
  guest: ["dev"],
  image: ["alpine:3.20"],
  volume: ["pg-data"],
};

/** Completes a line, whose first word is guestctl. Files are shown as "FILES". */
async function completed(line: string): Promise<string[]> {
  const words = splitLine(line).slice(1);
  const { candidates, files } = await complete(await programFor(words), words, async (kind) => NAMES[kind]);
  return [...candidates.map(({ value }) => value), ...(files ? ["FILES"] : [])];
}

test.each<[string, string[]]>([
  ["guestctl ru", ["run"]],
  ["guestctl __", []],
  ["guestctl --ver", ["--version"]],
  ["guestctl cores g", ["get"]],
  ["guestctl image s", ["sbom"]],
  ["guestctl ps --all --qu", ["--quiet"]],
  ["guestctl run --network ", ["none", "user", "tap"]],
  ["guestctl run --network=u", ["--network=user"]],
  ["guestctl run -d --pull n", ["never"]],
  ["guestctl run -g ", ["dev"]],
  ["guestctl run --guest=d", ["--guest=dev"]],
  ["guestctl run --memory ", []],
  ["guestctl run --vm-image ", ["FILES"]],
  ["guestctl run -v ", ["FILES"]],
  ["guestctl run al", ["alpine:3.20", "FILES"]],
  ["guestctl run -it al", ["alpine:3.20", "FILES"]],
  ["guestctl run -e A=b al", ["alpine:3.20", "FILES"]],
  ["guestctl run alpine:3.20 --net", ["FILES"]],
  ["guestctl exec w", ["web", "worker"]],
  ["guestctl exec -it web l", ["FILES"]],
  ["guestctl kill web wo", ["worker"]],
  ["guestctl logs w", ["web", "worker"]],
  ["guestctl logs web w", []],
  ["guestctl stop ", ["web", "worker", "dev"]],
  ["guestctl inspect ", ["web", "worker", "dev", "alpine:3.20"]],
  ["guestctl inspect --type ", ["container", "guest", "image"]],
  ["guestctl rmi al", ["alpine:3.20"]],
  ["guestctl volume rm ", ["pg-data"]],
  ["guestctl forward d", ["dev"]],
  ["guestctl cp we", ["web:", "FILES"]],
  ["guestctl kill -- -", []],
  ["guestctl completion ", ["bash", "zsh", "fish"]],
  ["guestctl wait 'we", ["web"]],
  ["guestctl nothing ", []],
])("%s", async (line, candidates) => {
  expect(await completed(line)).toEqual(candidates);
});

test("every command completes to its own name and each of its options", async () => {
  const program = await createProgram();
  for (const command of program.createHelp().visibleCommands(program)) {
    expect(await completed(`guestctl ${command.name()}`)).toContain(command.name());
    const options = await completed(`guestctl ${command.name()} --`);
    for (const { long } of command.options) expect(options).toContain(long);
  }
});

describe("a line is split into words", () => {
  test.each([
    ["a b", ["a", "b"]],
    ["a ", ["a", ""]],
    ["", [""]],
    ["a 'b c' \"d e", ["a", "b c", "d e"]],
    ["a b\\ c", ["a", "b c"]],
    ["a ''", ["a", ""]],
  ])("%j", (line, words) => {
    expect(splitLine(line)).toEqual(words);
  });
});
