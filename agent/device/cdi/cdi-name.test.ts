import { expect, test } from "vitest";
import { annotatedDevices, visibleDevices, withoutDoubles } from "./cdi-name.ts";

const texts = (names: readonly { text: string }[]) => names.map(({ text }) => text);

test("annotations name devices, separated by commas, in the order of their keys", () => {
  const annotations = {
    "cdi.k8s.io/vfio1": "nvidia.com/gpu=1",
    "cdi.k8s.io/vfio0": "nvidia.com/gpu=0,nvidia.com/gpu=GPU-1:2",
    "io.kubernetes.cri/x": "y",
  };
  expect(texts(annotatedDevices(annotations))).toEqual([
    "nvidia.com/gpu=0",
    "nvidia.com/gpu=GPU-1:2",
    "nvidia.com/gpu=1",
  ]);
  expect(annotatedDevices(annotations)[0]).toMatchObject({ kind: "nvidia.com/gpu", name: "0" });
});

test.each(["", "gpu", "nvidia.com/gpu", "nvidia.com=0", "/gpu=0", "nvidia.com/gpu=", "nvidia.com/gpu=../x", "a/b/c=d"])(
  "%j is refused as a device name",
  (text) => {
    expect(() => annotatedDevices({ "cdi.k8s.io/a": text })).toThrow(
      `annotation "cdi.k8s.io/a": ${JSON.stringify(text)} is not VENDOR/CLASS=NAME`,
    );
  },
);

test.each([
  [[], []],
  [["VISIBLE_CDI_DEVICES=none"], []],
  [["VISIBLE_CDI_DEVICES="], []],
  [["VISIBLE_CDI_DEVICES=nvidia.com/gpu=all"], ["nvidia.com/gpu=all"]],
  [
    ["A=b", "VISIBLE_CDI_DEVICES=nvidia.com/ib=0, 01:a.b/c=2"],
    ["nvidia.com/ib=0", "nvidia.com/ib=1", "a.b/c=2"],
  ],
])("the environment %j requests %j", (env, names) => {
  expect(texts(visibleDevices(env))).toEqual(names);
});

test.each(["nvidia.com/gpu", "nvidia.com/gpu=all,1", "nvidia.com/gpu=x", "a/b=1=2", ":"])(
  "VISIBLE_CDI_DEVICES=%s is refused",
  (value) => {
    expect(() => visibleDevices([`VISIBLE_CDI_DEVICES=${value}`])).toThrow(/^VISIBLE_CDI_DEVICES: .* is not /);
  },
);

test("a device requested twice is returned once", () => {
  const names = annotatedDevices({ "cdi.k8s.io/a": "a.b/c=1,a.b/c=2,a.b/c=1" });
  expect(texts(withoutDoubles(names))).toEqual(["a.b/c=1", "a.b/c=2"]);
});
