import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../program.ts";
import { OPERATIONS } from "./noted-operation.ts";

/** Commands that change no guest or container, or act on any agent as its test. */
const UNRECORDED = [
  ...["audit", "cores get", "cores ls", "events", "explain", "inspect", "logs", "metrics", "ports", "ps", "stats"],
  ...["template inspect", "template ls", "top", "traces"],
  ...["volume inspect", "volume ls", "wait"],
  // Their operations are recorded one by one.
  ...["mcp", "serve"],
  // Images and this machine.
  ...["image build", "image inspect", "image prune", "image sbom", "images", "load", "pull", "rmi", "save", "tag"],
  ...["completion", "doctor", "setup", "system df"],
  // Tests of an agent.
  ...["chaos", "conformance", "record", "replay"],
];

test("each command is recorded in the audit, or is known to change no guest", async () => {
  const words = ({ commands }: Command): string[] =>
    commands
      .filter((command) => !command.name().startsWith("__") && command.name() !== "help")
      .flatMap((command) => {
        const below = words(command);
        return below.length === 0 ? [command.name()] : below.map((word) => `${command.name()} ${word}`);
      });
  const docker = words(await createProgram()).filter((word) =>
    [...UNRECORDED, ...Object.keys(OPERATIONS)].includes(word),
  );
  expect(docker.sort()).toEqual([...UNRECORDED, ...Object.keys(OPERATIONS)].sort());
});
