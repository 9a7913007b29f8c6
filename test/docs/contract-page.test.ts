import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { deviceTypes } from "../../agent/device/devices.ts";
import { storageDrivers } from "../../agent/storage/storages.ts";
import { agentService, health } from "../../proto/gen/services.js";
import { KNOWN_DIFFERENCES } from "../recordings/known-differences.ts";
import { promisesOf } from "./evidence.ts";
import { page, repository, section } from "./pages.ts";

const contract = page("docs/contract.md");
const methods = promisesOf("docs/contract.md#methods");

it("every method of the contract has a test", () => {
  expect([...methods.keys()].toSorted()).toEqual([...Object.keys(health), ...Object.keys(agentService)].toSorted());
});

it.each([...methods])("the files that show %s call it", (name, tests) => {
  const call = `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`;
  for (const file of tests) {
    const text = readFileSync(join(repository, file), "utf8");
    const words = [`.${call}(`, `"${call}"`, `.${WORDS[call] ?? call}(`];
    expect(
      words.some((word) => text.includes(word)),
      `${file} calls ${call}`,
    ).toBe(true);
  }
});

it("every difference in the recorded conversations is listed with its reason", () => {
  const listed = Array.from(
    section(contract, "What differs from the reference").matchAll(/^\| ([A-Z]\w+) \| (.*) \|$/gm),
  );
  const known = KNOWN_DIFFERENCES.map(({ call, reason }) => [call, reason]);
  expect(listed.map(([, call, reason]) => [call, reason])).toEqual(known);
});

const notThere = new Map(
  Array.from(
    section(contract, "What is not supported").matchAll(/^\| (.+?) \| (.*?) \| .*\|$/gm),
    ([, what = "", which = ""]) => [what, which],
  ),
);

it("every unsupported storage is listed", () => {
  const missing = STORAGES.filter((driver) => !storageDrivers.includes(driver)).map((driver) => `\`${driver}\``);
  expect(notThere.get("storages")).toBe(missing.join(", ") || "none");
});

it("every storage driver is in docs/storage.md and has a test", () => {
  const drivers = [...storageDrivers].toSorted();
  const table = section(page("docs/storage.md"), "Drivers");
  const listed = Array.from(table.matchAll(/^\| `([\w.-]+)` \|/gm), ([, name = ""]) => name);
  expect(listed.toSorted()).toEqual(drivers);
  const shown = Array.from(promisesOf("docs/storage.md").keys(), (name) => name.replaceAll("`", ""));
  expect(shown.toSorted()).toEqual(drivers);
});

it("every unsupported device is listed", () => {
  const missing = DEVICES.filter((kind) => !deviceTypes.includes(kind)).map((kind) => `\`${kind}\``);
  expect(notThere.get("devices")).toBe(missing.join(", ") || "none");
});

/** Names of the contract's storage drivers. */
const STORAGES = [
  ...["virtio-fs", "ephemeral", "blk", "blk-ccw", "mmioblk", "scsi", "nvdimm"],
  ...["overlayfs", "local", "watchable-bind", "bind", "image_guest_pull", "erofs.multi-layer"],
];

const DEVICES = [
  ...["blk", "blk-ccw", "mmioblk", "scsi", "nvdimm"],
  ...["vfio-pci", "vfio-pci-gk", "vfio-ap", "vfio-ap-cold"],
];

/** Other names under which the test hosts, the scenarios' and the suite's helpers make some calls. */
const WORDS: Readonly<Record<string, string>> = {
  createSandbox: "openSandbox",
  createContainer: "create",
  startContainer: "start",
  removeContainer: "stop",
  signalProcess: "kill",
  execProcess: "exec",
  writeStdin: "write",
  ttyWinResize: "resize",
  pauseContainer: "pause",
  resumeContainer: "resume",
  readStdout: "exec",
};
