import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { storageDrivers } from "../../agent/storage/storages.ts";
import { agentService, health } from "../../proto/methods.ts";
import { KNOWN_DIFFERENCES } from "../recordings/known-differences.ts";
import { page, repository, section } from "./pages.ts";

const contract = page("docs/contract.md");
const rows = Array.from(section(contract, "Methods").matchAll(/^\| (\w+) \| (.*?) \| .*\|$/gm)).filter(
  ([, name]) => name !== "method",
);

it("every method of the contract is in the table, once", () => {
  const methods = [...Object.keys(health), ...Object.keys(agentService)];
  expect(rows.map(([, name]) => name).toSorted()).toEqual(methods.toSorted());
});

it.each(rows.map(([, name = "", shown = ""]) => [name, shown]))(
  "%s is called in the files of its row",
  (name, shown) => {
    const call = `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`;
    const files = Array.from(shown.matchAll(/`([^`]+)`/g), ([, file = ""]) => file);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      expect(existsSync(join(repository, file)), file).toBe(true);
      const text = readFileSync(join(repository, file), "utf8");
      const words = [`.${call}(`, `"${call}"`, `.${WORDS[call] ?? call}(`];
      expect(
        words.some((word) => text.includes(word)),
        `${file} calls ${call}`,
      ).toBe(true);
    }
  },
);

it("what differs in the recorded conversations is listed with its reason", () => {
  const listed = Array.from(
    section(contract, "What differs from the reference").matchAll(/^\| ([A-Z]\w+) \| (.*) \|$/gm),
  );
  const known = KNOWN_DIFFERENCES.map(({ call, reason }) => [call, reason]);
  expect(listed.map(([, call, reason]) => [call, reason])).toEqual(known);
});

it("the storages that are not there are listed", () => {
  const [, text = ""] = /the storages\n?(.*?);/s.exec(contract) ?? [];
  const missing = STORAGES.filter((driver) => !storageDrivers.includes(driver));
  expect(Array.from(text.matchAll(/`([^`]+)`/g), ([, driver]) => driver)).toEqual(missing);
});

/** Those of the contract that hosts send. */
const STORAGES = [
  ...["virtio-fs", "ephemeral", "blk", "mmioblk", "scsi", "nvdimm"],
  ...["overlayfs", "local", "watchable-bind", "bind", "image_guest_pull", "erofs.multi-layer"],
];

/** Drivers of hosts and helpers of scenarios call some by another name. */
const WORDS: Readonly<Record<string, string>> = {
  createSandbox: "openSandbox",
  createContainer: "create",
  startContainer: "start",
  removeContainer: "stop",
  execProcess: "exec",
  writeStdin: "write",
  ttyWinResize: "resize",
  pauseContainer: "pause",
  resumeContainer: "resume",
  readStdout: "exec",
};
