import { expect, test } from "vitest";
import type { Storage } from "../storage.ts";
import { pullOptions } from "./pull-options.ts";

const storage: Storage = {
  ...{ driver: "image_guest_pull", driverOptions: [], source: "busybox", fstype: "overlay", options: [] },
  ...{ mountPoint: "/run/kata-containers/c/rootfs", shared: false },
};
const withMetadata = (metadata: unknown) => ({
  ...storage,
  driverOptions: [`image_guest_pull=${JSON.stringify({ metadata })}`],
});

test.each([
  [{ "io.kubernetes.cri.container-type": "sandbox" }, true],
  [{ "io.kubernetes.cri-o.ContainerType": "sandbox", other: "x" }, true],
  [{ "io.kubernetes.cri.container-type": "container" }, false],
  [{ other: "sandbox" }, false],
  [{}, false],
])("metadata %j marks a pause container: %s", (metadata, isPause) => {
  expect(pullOptions(withMetadata(metadata)).isPause).toBe(isPause);
});

test.each([
  "image_guest_pull",
  "image_guest_pull=",
  "image_guest_pull={",
  "image_guest_pull=[]",
  "image_guest_pull=null",
  'image_guest_pull={"metadata":"x"}',
])("the driver option %s is refused", (option) => {
  expect(() => pullOptions({ ...storage, driverOptions: [option] })).toThrow(
    /^image_guest_pull storage: driver option /,
  );
});

test("the mount's options leave out those of the pull", () => {
  const options = ["nosuid", "layout=/images", "plain-http", "nodev"];
  expect(pullOptions({ ...storage, options })).toEqual({
    ...{ image: "busybox", isPause: false, layout: "/images", plainHttp: true },
    mount: ["nosuid", "nodev"],
  });
  expect(() => pullOptions({ ...storage, options: ["layout=images"] })).toThrow("is not an absolute path");
});
