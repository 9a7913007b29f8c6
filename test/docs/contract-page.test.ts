import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { deviceTypes } from "../../agent/device/devices.ts";
import { storageDrivers } from "../../agent/storage/storages.ts";
import { agentService, health } from "../../proto/gen/services.js";
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

const notThere = new Map(
  Array.from(
    section(contract, "What is not there").matchAll(/^\| (.+?) \| (.*?) \| .*\|$/gm),
    ([, what = "", which = ""]) => [what, which],
  ),
);

it("the storages that are not there are listed", () => {
  const missing = STORAGES.filter((driver) => !storageDrivers.includes(driver)).map((driver) => `\`${driver}\``);
  expect(notThere.get("storages")).toBe(missing.join(", ") || "none");
});

it("each driver of storages is in docs/storage.md, with tests that are there", () => {
  const [table = ""] = page("docs/storage.md").split("\n## ");
  const drivers = Array.from(table.matchAll(/^\| `([\w.-]+)` \|.*\| (.*) \|$/gm), ([, name = "", shown = ""]) => ({
    name,
    shown,
  }));
  expect(drivers.map(({ name }) => name).toSorted()).toEqual([...storageDrivers].toSorted());
  for (const { name, shown } of drivers) {
    const files = Array.from(shown.matchAll(/`([^`*]+)`/g), ([, file = ""]) => file);
    expect(files.length, name).toBeGreaterThan(0);
    for (const file of files) expect(existsSync(join(repository, file)), file).toBe(true);
  }
});

it("the devices that are not there are listed", () => {
  const missing = DEVICES.filter((kind) => !deviceTypes.includes(kind)).map((kind) => `\`${kind}\``);
  expect(notThere.get("devices")).toBe(missing.join(", ") || "none");
});

/** Those of the contract. */
const STORAGES = [
  ...["virtio-fs", "ephemeral", "blk", "blk-ccw", "mmioblk", "scsi", "nvdimm"],
  ...["overlayfs", "local", "watchable-bind", "bind", "image_guest_pull", "erofs.multi-layer"],
];

const DEVICES = [
  ...["blk", "blk-ccw", "mmioblk", "scsi", "nvdimm"],
  ...["vfio-pci", "vfio-pci-gk", "vfio-ap", "vfio-ap-cold"],
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
